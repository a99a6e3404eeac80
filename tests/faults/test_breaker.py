"""Behind an open breaker, nothing is sent to a server that is down, except one probe at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from strawberry_response_cache.core import (
    CacheDetail,
    CachedResponse,
    CacheStatus,
    CacheStoreError,
    ResponseCache,
)
from tests.conftest import Eventually
from tests.faults.callers import Callers, Runs
from tests.faults.proxy import Proxy
from tests.faults.stopwatch import Stopwatch
from tests.faults.ways import AWAY

Ask: TypeAlias = Callable[..., Awaitable[CachedResponse[str]]]
Opened: TypeAlias = Callable[[ResponseCache], Awaitable[None]]
NEVER = 600.0
"""Longer than any test."""

SEEN = ["hung up on", "black hole", "silent", "cut off"]
"""The ways of being away in which the proxy notices every attempt."""


@pytest.fixture
def ask(callers: Callers) -> Ask:
    """Ask for a value that only the server or the generator can give."""

    async def call(cache: ResponseCache, key: str = "a") -> CachedResponse[str]:
        return await callers.remember(cache, [key], 600, lambda: "generated", tags=["t"])

    return call


@pytest.fixture
def opened(ask: Ask, callers: Callers, caplog: pytest.LogCaptureFixture) -> Opened:
    """Call until the breaker is open."""

    async def call(cache: ResponseCache) -> None:
        # A call that the proxy does not see says little: it may wait for a connection that another one opens.
        for number in range(50):
            response = await ask(cache, str(number))
            assert response.value == "generated"
            await callers.settled(cache)
            if any("it is not read" in each.getMessage() for each in caplog.records):
                return
        pytest.fail("the breaker never opened")

    return call


@pytest.mark.parametrize("way", SEEN)
async def test_behind_an_open_breaker_nothing_is_sent_to_the_server(
    proxy: Proxy,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    opened: Opened,
    way: str,
) -> None:
    cache = new_hurried(breaker_failures=3, breaker_seconds=NEVER)
    AWAY[way](proxy)
    await opened(cache)
    await asyncio.to_thread(proxy.settle)  # a connection that is being opened ends in this loop
    before = proxy.traffic

    responses = await asyncio.gather(*(ask(cache, str(number)) for number in range(100)))
    await callers.settled(cache)

    assert proxy.traffic == before
    assert {(each.value, each.status, each.detail) for each in responses} == {
        ("generated", CacheStatus.BYPASS, CacheDetail.STORE_FAILURE)
    }


async def test_the_breaker_stays_closed_below_the_number_of_failures_that_is_set(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
) -> None:
    cache = new_cache(proxy.url, breaker_failures=20, breaker_seconds=NEVER)
    proxy.hang_up()
    for number in range(5):
        await ask(cache, str(number))
        await callers.settled(cache)
    proxy.heal()

    await callers.warm_up(cache, ["a"], 600, "stored")


async def test_failures_with_successes_between_them_do_not_open_the_breaker(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
) -> None:
    cache = new_cache(proxy.url, breaker_failures=20, breaker_seconds=NEVER)
    for _ in range(10):
        proxy.hang_up()
        for number in range(5):
            await ask(cache, str(number))
            await callers.drained(cache)
        proxy.heal()
        await callers.warm_up(cache, ["a"], 600, "stored")


@pytest.mark.parametrize("way", ["hung up on", "black hole"])
async def test_one_probe_at_a_time_asks_whether_the_server_answers_again(
    proxy: Proxy,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    opened: Opened,
    way: str,
) -> None:
    cache = new_hurried(breaker_failures=3, breaker_seconds=3, read_deadline=1)
    AWAY[way](proxy)
    await opened(cache)
    before = proxy.accepted

    async with asyncio.timeout(60):
        while proxy.accepted == before:
            responses = await asyncio.gather(*(ask(cache, str(number)) for number in range(50)))
            assert {response.value for response in responses} == {"generated"}
            await callers.settled(cache)

    assert proxy.accepted - before <= 2, "one probe, and its repeat where the connection was dead"


@pytest.mark.parametrize("way", [*SEEN, "refused", "ignored"])
async def test_a_probe_that_succeeds_closes_the_breaker_and_there_are_hits_again(
    proxy: Proxy,
    direct: ResponseCache,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    way: str,
) -> None:
    await callers.remember(direct, ["a"], 600, lambda: "stored", tags=["t"])
    cache = new_hurried(breaker_failures=3, breaker_seconds=0.2)
    AWAY[way](proxy)
    for number in range(5):
        await ask(cache, str(number))
    proxy.heal()

    async with asyncio.timeout(60):
        while (response := await ask(cache)).status is not CacheStatus.HIT:
            assert response.value == "generated"
    assert response.value == "stored"


async def test_an_open_breaker_delays_no_caller(
    proxy: Proxy,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    opened: Opened,
    stopwatch: Stopwatch,
) -> None:
    cache = new_hurried(breaker_failures=3, breaker_seconds=NEVER)
    proxy.black_hole()
    await opened(cache)

    with stopwatch:
        for number in range(40):
            await ask(cache, str(number))

    assert stopwatch.seconds < 3, "40 deadlines one after the other take 6 s"


async def test_behind_an_open_breaker_callers_share_runs_one_at_a_time(
    proxy: Proxy,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    opened: Opened,
    eventually: Eventually,
) -> None:
    cache = new_hurried(breaker_failures=3, breaker_seconds=NEVER)
    proxy.hang_up()
    await opened(cache)
    runs = Runs()

    calls = [asyncio.create_task(callers.remember(cache, ["a"], 60, runs)) for _ in range(20)]
    try:
        await eventually(lambda: callers.waiting(cache) == len(calls) - 1)
    finally:
        runs.let_go()
        await asyncio.gather(*calls)

    assert runs.most_at_once == 1
    assert runs.count <= 2, "one for the first, and one for all who came after it began"


@pytest.mark.parametrize("what", ["invalidate", "forget", "clear"])
async def test_an_invalidation_behind_an_open_breaker_raises_or_takes_effect(
    proxy: Proxy,
    direct: ResponseCache,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    opened: Opened,
    what: str,
) -> None:
    await callers.remember(direct, ["a"], 600, lambda: "old", tags=["t"])
    cache = new_cache(proxy.url, breaker_failures=3, breaker_seconds=NEVER, invalidate_deadline=1)
    proxy.hang_up()
    await opened(cache)
    with pytest.raises(CacheStoreError):
        await callers.invalidate_by(cache, what)
    proxy.heal()

    try:
        await callers.invalidate_by(cache, what)
    except CacheStoreError:
        return
    new = await callers.remember(direct, ["a"], 600, lambda: "new", tags=["t"])
    assert (new.value, new.status) == ("new", CacheStatus.MISS)
