"""`remember` beside the caches that Python services use, on one server and in one run.

    uv run --group benchmark python -m benchmarks.core

Every candidate answers for the same 16 kB of JSON from the same Valkey, which this program starts and
stops. Candidates take turns (A B C A B C ...), so that what else the machine does falls on all of them;
of the rounds stand the median, the minimum, and the median of the ratios to the bare GET of the same
round. A scene ends with the round in which its seconds are over, so that all of them together take about
five minutes on whatever machine. A bare GET is ``get()`` of the same redis-py client without deadlines, and the same JSON reader.

Ours has the settings that it comes with. The others are as their documentation says, with longer deadlines,
so that a busy machine does not end the run:

- aiocache: ``@cached_stampede``, its protection against stampedes, with its ``JsonSerializer``, and a pool
  as large as the crowd ("you should adapt the pool size as needed").
- cashews: ``@cache(ttl=..., key=...)``, which pickles; once as it comes, where callers of one process
  share a run, and once with ``lock=True``, which its documentation recommends against stampedes.
- dogpile.cache: ``get_or_create`` of a region on ``dogpile.cache.redis``, which pickles, with
  ``distributed_lock=True``, which its documentation recommends where several processes share a server.
"""
