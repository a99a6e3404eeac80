"""If the server fails during a lookup, the caller generates after the read deadline at the latest."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from tests.conftest import Eventually
from tests.faults.callers import Callers, Runs, giving
from tests.faults.proxy import Proxy
from tests.faults.stopwatch import Stopwatch
from tests.faults.ways import AWAY
from tests.faults.wire import Cut, Delay, Hold, Lose, Trickle

BIG = "stored" * 500


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "not connected"])
@pytest.mark.parametrize("way", AWAY)
async def test_after_a_failed_read_the_caller_generates_in_time_and_later_calls_hit(
    proxy: Proxy,
    direct: ResponseCache,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    stopwatch: Stopwatch,
    way: str,
    connected: bool,
) -> None:
    await callers.remember(direct, ["a"], 600, lambda: BIG, tags=["t"])

    cache = new_hurried()
    if connected:
        await callers.warm_up(cache, ["a"], 600, BIG)
    AWAY[way](proxy)

    with stopwatch:
        response = await callers.remember(cache, ["a"], 600, lambda: "generated")

    assert (response.value, response.status, response.detail) == (
        "generated",
        CacheStatus.BYPASS,
        CacheDetail.STORE_FAILURE,
    )
    assert stopwatch.seconds < 1.5
    proxy.heal()
    await callers.warm_up(cache, ["a"], 600, BIG)


async def test_the_deadline_is_for_the_whole_answer_and_not_for_each_byte_of_it(
    proxy: Proxy, new_hurried: Callable[..., ResponseCache], callers: Callers
) -> None:
    cache = new_hurried(read_deadline=2)
    await callers.warm_up(cache, ["a"], 600, BIG)
    delivered = proxy.delivered
    proxy.replies(Trickle(0.4))

    response = await callers.remember(cache, ["a"], 600, lambda: "generated")

    assert (response.value, response.status, response.detail) == (
        "generated",
        CacheStatus.BYPASS,
        CacheDetail.STORE_FAILURE,
    )
    assert proxy.delivered - delivered < 12, "5 bytes come within the deadline"


@pytest.mark.parametrize("way", ["refused", "black hole", "silent"])
async def test_callers_who_come_while_the_server_is_away_share_runs_one_at_a_time(
    proxy: Proxy,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    eventually: Eventually,
    way: str,
) -> None:
    cache = new_hurried()
    AWAY[way](proxy)
    runs = Runs()

    calls = [asyncio.create_task(callers.remember(cache, ["a"], 60, runs)) for _ in range(20)]
    try:
        await eventually(lambda: callers.waiting(cache) == len(calls) - 1)
    finally:
        runs.let_go()
        responses = await asyncio.gather(*calls)

    assert {response.value for response in responses} == {"generated"}
    assert runs.most_at_once == 1
    assert runs.count <= 2, "one for the first, and one for all who came after it began"
    assert callers.under_way(cache) == 0


async def test_a_slow_answer_within_the_deadline_is_a_hit(
    proxy: Proxy, unhurried: ResponseCache, callers: Callers
) -> None:
    await callers.warm_up(unhurried, ["a"], 600, "stored")
    proxy.replies(Delay(0.1))

    response = await callers.remember(unhurried, ["a"], 600, lambda: "generated")

    assert (response.value, response.status) == ("stored", CacheStatus.HIT)


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(
    proxy: Proxy,
    direct: ResponseCache,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
) -> None:
    cache = new_hurried()
    for key in ("a", "b"):
        await callers.remember(direct, [key], 600, giving(f"of {key}"))
    await callers.warm_up(cache, ["a"], 600, "of a")

    for _ in range(5):
        proxy.replies(Hold())
        late = await callers.remember(cache, ["a"], 600, lambda: "generated")
        assert late.value == "generated"
        proxy.heal()
        for key in ("b", "a", "b"):
            response = await callers.remember(cache, [key], 600, lambda: "generated")
            assert response.value in {f"of {key}", "generated"}
    await callers.warm_up(cache, ["b"], 600, "of b")


async def test_a_lookup_whose_answer_was_cut_off_once_is_repeated_and_hits(
    proxy: Proxy, direct: ResponseCache, unhurried: ResponseCache, callers: Callers
) -> None:
    await callers.remember(direct, ["a"], 600, lambda: "stored")
    await callers.warm_up(unhurried, ["warm"], 600, "stored")
    proxy.replies(Cut(once=True))

    response = await callers.remember(unhurried, ["a"], 600, lambda: "generated")

    assert (response.value, response.status) == ("stored", CacheStatus.HIT)


async def test_a_lease_whose_grant_was_cut_off_is_recognised_as_the_callers_own(
    proxy: Proxy, unhurried: ResponseCache, callers: Callers
) -> None:
    await callers.warm_up(unhurried, ["warm"], 600, "stored")
    proxy.replies(Cut(once=True))

    response = await callers.remember(unhurried, ["a"], 600, lambda: "generated")

    assert (response.value, response.detail) == ("generated", CacheDetail.GENERATED)


async def test_a_lease_whose_grant_was_lost_is_released(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    raw_valkey: Any,
) -> None:
    cache = new_cache(proxy.url, read_deadline=2, lease=3600, wait_budget=3600)
    await callers.warm_up(cache, ["warm"], 600, "stored")
    proxy.replies(Lose())

    response = await callers.remember(cache, ["a"], 600, lambda: "generated")

    assert response.detail is CacheDetail.STORE_FAILURE
    await callers.settled(cache)
    assert not raw_valkey.exists(tenant_of(cache).keys(["a"]).lease)
