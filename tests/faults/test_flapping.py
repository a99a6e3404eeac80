"""A server that is up and down in turns: every caller gets its value, and waits no longer than the deadlines."""

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable

import pytest

from strawberry_response_cache.core import CacheStatus, ResponseCache
from tests.faults.callers import Callers
from tests.faults.proxy import Proxy
from tests.faults.stopwatch import Stopwatch

SECONDS = 4
CALLERS = 20
GENERATOR = 0.02
"""How long a run takes: long enough for the server to go away between lookup and commit."""

TTL = 0.1
"""So short that there are misses all the time."""

BOUND = 1.5
"""Deadlines and generator come to 0.5 s. Waiting for the end of a lease takes 10 s."""


@pytest.mark.parametrize("period", [0.1, 0.02])
async def test_callers_get_their_values_in_time_while_the_server_flaps(
    proxy: Proxy,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    stopwatch: Stopwatch,
    record_property: Callable[[str, object], None],
    period: float,
) -> None:
    cache = new_hurried(breaker_seconds=0.05)
    seconds: list[float] = []
    statuses: Counter[CacheStatus] = Counter()

    def generate(key: str) -> str:
        time.sleep(GENERATOR)
        return f"of {key}"

    async def keep_calling(number: int) -> None:
        end, turn = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            started = stopwatch.now()
            turn += 1
            key = f"{number % 10} {turn % 3}"
            response = await callers.remember(cache, [key], TTL, functools.partial(generate, key))
            seconds.append(stopwatch.now() - started)
            assert response.value == f"of {key}"
            statuses[response.status] += 1

    proxy.flap(period)
    await asyncio.gather(*(keep_calling(number) for number in range(CALLERS)))
    proxy.heal()

    seconds.sort()
    p99 = seconds[len(seconds) * 99 // 100]
    record_property("calls", len(seconds))
    record_property("p99", round(p99, 3))
    assert p99 < BOUND
    if period > 2 * GENERATOR:  # else the server is gone by each commit
        assert statuses[CacheStatus.MISS] > 0
    assert statuses[CacheStatus.BYPASS] > 0
