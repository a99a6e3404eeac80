"""A fuzz of the cache: processes, callers and faults that collide on few keys and tags.

It has two faces: callers who use `ResponseCache` itself, and, in `graphql`, callers who execute operations
of a schema with the extension.

`truth` is what the cached values are made of, outside the cache and shared by all processes; every
write to it is followed by an invalidation. `checker` holds each answer against the invalidations that had been
acknowledged before the caller asked. `mutants` are damages that the fuzz has to catch.

The short run is `test_fuzz.py`, the long one ``python -m tests.fuzz --minutes 30``.
"""
