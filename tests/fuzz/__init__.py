"""A fuzz of the cache core: processes, callers and faults that collide on few keys and tags.

`truth` is what the cached values are made of, outside the cache and shared by all processes; every
write to it is followed by a purge. `checker` holds each answer against the purges that had been
acknowledged before the caller asked. `mutants` are damaged cores that the fuzz has to catch.

The short run is `test_fuzz.py`, the long one ``python -m tests.fuzz --minutes 30``.
"""
