"""Misses: one caller, each call for a key that nobody asked for before, and a generator that is quick."""

import itertools
from functools import partial

from benchmarks.core import async_candidates, sync_candidates
from benchmarks.core.async_candidates import AsyncCandidate
from benchmarks.core.rounds import (
    Samples,
    interleaved,
    interleaved_sync,
    seconds_per_call,
    seconds_per_call_sync,
)
from benchmarks.core.server import Server
from benchmarks.core.sync_candidates import SyncCandidate
from benchmarks.core.table import Row, count
from benchmarks.core.work import SIZE, Work

CALLS = 10
COUNTED_CALLS = 10


def _small() -> Work:
    """A value that the server reads at once, so that reads count round trips."""
    return Work(["small"])


async def asynchronous(server: Server, rounds: int) -> list[Row]:
    """Measure the candidates of the event loop."""
    keys = map(str, itertools.count())

    async def miss(candidate: AsyncCandidate) -> object:
        return await candidate.get(next(keys))

    trips = {}
    async with async_candidates.opened(async_candidates.ALL, server.url, _small) as candidates:
        for name, candidate in candidates.items():
            await miss(candidate)
            before = server.reads()
            for _ in range(COUNTED_CALLS):
                await miss(candidate)
            trips[name] = _trips(before, server.reads())
    async with async_candidates.opened(async_candidates.ALL, server.url) as candidates:
        for candidate in candidates.values():
            await miss(candidate)
        samples = await interleaved(
            rounds,
            {
                name: partial(seconds_per_call, CALLS, partial(miss, candidate))
                for name, candidate in candidates.items()
            },
        )
    return _rows("async", samples, trips, async_candidates.BARE)


def synchronous(server: Server, rounds: int) -> list[Row]:
    """Measure the candidates of threads, in one thread."""
    keys = map(str, itertools.count())

    def miss(candidate: SyncCandidate) -> object:
        return candidate.get(f"sync {next(keys)}")

    trips = {}
    with sync_candidates.opened(sync_candidates.ALL, server.url, _small) as candidates:
        for name, candidate in candidates.items():
            miss(candidate)
            before = server.reads()
            for _ in range(COUNTED_CALLS):
                miss(candidate)
            trips[name] = _trips(before, server.reads())
    with sync_candidates.opened(sync_candidates.ALL, server.url) as candidates:
        for candidate in candidates.values():
            miss(candidate)
        samples = interleaved_sync(
            rounds,
            {
                name: partial(seconds_per_call_sync, CALLS, partial(miss, candidate))
                for name, candidate in candidates.items()
            },
        )
    return _rows("sync", samples, trips, sync_candidates.BARE)


def _trips(before: int, after: int) -> int:
    """Round trips of a call; the question for their number is one, too."""
    return round((after - before - 1) / COUNTED_CALLS)


def _rows(face: str, samples: Samples, trips: dict[str, int], bare: str) -> list[Row]:
    what = f"miss, {SIZE / 1000:.0f} kB, {face}"
    return [
        Row(
            what,
            f"{name} and SET" if name == bare else name,
            seconds,
            samples[bare],
            count([trips[name]], "round trip"),
        )
        for name, seconds in samples.items()
    ]
