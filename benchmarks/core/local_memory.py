"""Hits in local memory, where this version has it; of a value that takes no time to decode."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from cashews import Cache as Cashews

from benchmarks.core.rounds import (
    interleaved,
    interleaved_sync,
    seconds_per_call,
    seconds_per_call_sync,
)
from benchmarks.core.server import Server
from benchmarks.core.table import Row
from benchmarks.core.work import PATIENCE, TTL, Work
from strawberry_response_cache import CachedResponse, CacheSettings, CacheStatus, ResponseCache

CALLS = 2000
WHAT = "hit in local memory, before decoding"


def _cache(server: Server) -> ResponseCache | None:
    if "local_bytes" not in CacheSettings.model_fields:
        return None
    return ResponseCache.from_url(server.url, prefix="benchmark", local_bytes=2**24)


async def asynchronous(server: Server, rounds: int) -> Sequence[Row]:
    """Measure the event loop, beside the client-side cache of cashews."""
    cashews = Cashews()
    cashews.setup(server.url, client_side=True)

    work = Work(0)
    decorated: Callable[[], Awaitable[object]] = cashews(ttl=TTL, key="local")(work.generate)
    subjects = {"cashews, client_side=True": decorated}
    cache = _cache(server)
    if cache is not None:
        remember = partial(cache.remember, ["local"], TTL, work.generate)
        deadline = time.monotonic() + PATIENCE
        while not _is_local(await remember(), deadline):  # noqa: ASYNC110 - nothing says it is ready
            await asyncio.sleep(0.01)
        subjects = {"ours": remember, **subjects}
    await decorated()
    samples = await interleaved(
        rounds, {name: partial(seconds_per_call, CALLS, call) for name, call in subjects.items()}
    )
    if cache is not None:
        await cache.aclose()
    await cashews.close()
    return [Row(f"{WHAT}, async", name, seconds) for name, seconds in samples.items()]


def synchronous(server: Server, rounds: int) -> Sequence[Row]:
    """Measure a thread."""
    cache = _cache(server)
    if cache is None:
        return []
    with cache:
        remember = partial(cache.remember_sync, ["local"], TTL, Work(0).generate_sync)
        deadline = time.monotonic() + PATIENCE
        while not _is_local(remember(), deadline):
            time.sleep(0.01)
        samples = interleaved_sync(
            rounds, {"ours": partial(seconds_per_call_sync, CALLS, remember)}
        )
    return [Row(f"{WHAT}, sync", name, seconds) for name, seconds in samples.items()]


def _is_local(response: CachedResponse[object], deadline: float) -> bool:
    """Whether a response came from local memory, which fills when its backplane is heard."""
    if time.monotonic() > deadline:
        msg = "No hit came from local memory."
        raise SystemExit(msg)
    return response.status is CacheStatus.HIT and "local" in response.detail
