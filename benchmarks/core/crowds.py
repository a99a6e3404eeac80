"""Crowds: a hundred callers at once, for a key that is cold and for one that is hot.

A cold key's generator takes 20 ms. The time is that of the whole crowd.
"""

import asyncio
import itertools
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

from benchmarks.core import async_candidates, sync_candidates
from benchmarks.core.async_candidates import AsyncCandidate
from benchmarks.core.rounds import Samples, interleaved, interleaved_sync
from benchmarks.core.server import Server
from benchmarks.core.sync_candidates import SyncCandidate
from benchmarks.core.table import Row, count
from benchmarks.core.work import Work

CALLERS = 100
SECONDS = 0.02

Runs = dict[str, list[int]]


def _slow() -> Work:
    return Work(seconds=SECONDS)


async def asynchronous(server: Server, rounds: int) -> list[Row]:
    """Measure the candidates of the event loop."""
    runs: Runs = {name: [] for name in async_candidates.CACHES}
    async with async_candidates.opened(async_candidates.CACHES, server.url, _slow) as candidates:
        for candidate in candidates.values():
            await _warm_up(candidate, "warm")
        cold = await interleaved(
            rounds,
            {
                name: partial(_cold, name, candidate, runs, map(str, itertools.count()))
                for name, candidate in candidates.items()
            },
        )
    async with async_candidates.opened(async_candidates.ALL, server.url) as candidates:
        for candidate in candidates.values():
            await _warm_up(candidate, "hot")
        hot = await interleaved(
            rounds,
            {name: partial(_crowd, candidate, "hot") for name, candidate in candidates.items()},
        )
    return _rows("async", cold, runs, hot, async_candidates.BARE)


async def _warm_up(candidate: AsyncCandidate, key: str) -> None:
    """Open the connections of a crowd; of one that finds its key, for others take minutes."""
    await candidate.get(key)
    await _crowd(candidate, key)


async def _crowd(candidate: AsyncCandidate, key: str) -> float:
    started = time.perf_counter()
    await asyncio.gather(*(candidate.get(key) for _ in range(CALLERS)))
    return time.perf_counter() - started


async def _cold(name: str, candidate: AsyncCandidate, runs: Runs, keys: "map[str]") -> float:
    before = candidate.work.runs
    seconds = await _crowd(candidate, f"cold {next(keys)}")
    runs[name].append(candidate.work.runs - before)
    return seconds


def synchronous(server: Server, rounds: int) -> list[Row]:
    """Measure the candidates of threads, with a thread for each caller."""
    runs: Runs = {name: [] for name in sync_candidates.CACHES}
    with ThreadPoolExecutor(CALLERS) as threads:
        with sync_candidates.opened(sync_candidates.CACHES, server.url, _slow) as candidates:
            for candidate in candidates.values():
                _warm_up_sync(threads, candidate, "warm sync")
            cold = interleaved_sync(
                rounds,
                {
                    name: partial(
                        _cold_sync, threads, name, candidate, runs, map(str, itertools.count())
                    )
                    for name, candidate in candidates.items()
                },
            )
        with sync_candidates.opened(sync_candidates.ALL, server.url) as candidates:
            for candidate in candidates.values():
                _warm_up_sync(threads, candidate, "hot sync")
            hot = interleaved_sync(
                rounds,
                {
                    name: partial(_crowd_sync, threads, candidate, "hot sync")
                    for name, candidate in candidates.items()
                },
            )
    return _rows("threads", cold, runs, hot, sync_candidates.BARE)


def _warm_up_sync(threads: ThreadPoolExecutor, candidate: SyncCandidate, key: str) -> None:
    candidate.get(key)
    _crowd_sync(threads, candidate, key)


def _crowd_sync(threads: ThreadPoolExecutor, candidate: SyncCandidate, key: str) -> float:
    started = time.perf_counter()
    callers = [threads.submit(candidate.get, key) for _ in range(CALLERS)]
    wait(callers)
    seconds = time.perf_counter() - started
    for caller in callers:
        caller.result()
    return seconds


def _cold_sync(
    threads: ThreadPoolExecutor,
    name: str,
    candidate: SyncCandidate,
    runs: Runs,
    keys: "map[str]",
) -> float:
    before = candidate.work.runs
    seconds = _crowd_sync(threads, candidate, f"cold sync {next(keys)}")
    runs[name].append(candidate.work.runs - before)
    return seconds


def _rows(
    face: str, cold: Samples, runs: Mapping[str, list[int]], hot: Samples, bare: str
) -> list[Row]:
    return [
        *(
            Row(
                f"{CALLERS} callers of a cold key, {face}",
                name,
                seconds,
                (),
                count(runs[name], "run"),
            )
            for name, seconds in cold.items()
        ),
        *(
            Row(f"{CALLERS} callers of a hot key, {face}", name, seconds, hot[bare])
            for name, seconds in hot.items()
        ),
    ]
