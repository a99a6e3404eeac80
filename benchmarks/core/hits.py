"""Hits: one caller, one call after the other, decoding included.

Rounds are short and many: on a busy machine some of them run undisturbed.
"""

from collections.abc import Mapping
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
from benchmarks.core.table import Row
from benchmarks.core.work import SIZE, VALUE

CALLS = 20


async def asynchronous(server: Server, rounds: int) -> list[Row]:
    """Measure the candidates of the event loop."""
    async with async_candidates.opened(async_candidates.ALL, server.url) as candidates:
        for candidate in candidates.values():
            assert [await candidate.get("hit") for _ in range(2)] == [VALUE] * 2
        samples = await interleaved(
            rounds,
            {
                name: partial(seconds_per_call, CALLS, partial(candidate.get, "hit"))
                for name, candidate in candidates.items()
            },
        )
    return _rows("async", samples, candidates, async_candidates.BARE)


def synchronous(server: Server, rounds: int) -> list[Row]:
    """Measure the candidates of threads, in one thread."""
    with sync_candidates.opened(sync_candidates.ALL, server.url) as candidates:
        for candidate in candidates.values():
            assert [candidate.get("hit sync") for _ in range(2)] == [VALUE] * 2
        samples = interleaved_sync(
            rounds,
            {
                name: partial(seconds_per_call_sync, CALLS, partial(candidate.get, "hit sync"))
                for name, candidate in candidates.items()
            },
        )
    return _rows("sync", samples, candidates, sync_candidates.BARE)


def _rows(
    face: str,
    samples: Samples,
    candidates: Mapping[str, AsyncCandidate | SyncCandidate],
    bare: str,
) -> list[Row]:
    rows = []
    for name, seconds in samples.items():
        missed = candidates[name].work.runs - 1
        counted = f"{missed} of {len(seconds) * CALLS} were no hits" if missed else ""
        what = f"hit, {SIZE / 1000:.0f} kB, {face}"
        rows.append(Row(what, name, seconds, samples[bare], counted))
    return rows
