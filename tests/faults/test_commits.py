"""If the server fails at the commit, the value is returned, and nothing wrong is stored."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import (
    CacheDetail,
    CachedResponse,
    CacheStatus,
    ResponseCache,
)
from strawberry_response_cache.core._cache import tenant_of
from tests.conftest import Eventually, settings_of
from tests.faults.callers import Callers
from tests.faults.proxy import Proxy
from tests.faults.stopwatch import Stopwatch
from tests.faults.ways import AWAY, REQUESTS_LOST
from tests.faults.wire import Cut, Hold, Trickle


@pytest.mark.parametrize("way", AWAY)
async def test_a_failing_commit_returns_the_value_and_stores_it_or_nothing(
    proxy: Proxy,
    direct: ResponseCache,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    raw_valkey: Any,
    stopwatch: Stopwatch,
    way: str,
) -> None:
    keys = tenant_of(direct).keys(["a"])
    cache = new_hurried(read_deadline=0.5)

    def generate() -> str:
        AWAY[way](proxy)
        return "generated"

    response = None
    while response is None or response.status is CacheStatus.BYPASS:  # the lookup failed already
        proxy.heal()
        raw_valkey.unlink(keys.lease)
        await callers.warm_up(cache, ["warm"], 600, "stored")
        with stopwatch:
            response = await callers.remember(cache, ["a"], 600, generate)

    assert (response.value, response.detail) == ("generated", CacheDetail.STORE_FAILURE)
    assert (response.age, response.ttl) == (0, 0)
    assert stopwatch.seconds < 2.5
    if way in REQUESTS_LOST:
        assert not raw_valkey.exists(keys.entry)
        assert 0 < raw_valkey.pttl(keys.lease) <= settings_of(cache).lease * 1000
    else:
        assert not raw_valkey.exists(keys.lease)
        kept = await callers.remember(direct, ["a"], 600, lambda: "again")
        assert (kept.value, kept.status) == ("generated", CacheStatus.HIT)


async def test_the_deadline_of_a_commit_covers_the_whole_answer(
    proxy: Proxy, new_hurried: Callable[..., ResponseCache], callers: Callers
) -> None:
    cache = new_hurried(read_deadline=2)
    await callers.warm_up(cache, ["warm"], 600, "stored")

    def generate() -> str:
        proxy.replies(Trickle(0.4))
        return "generated"

    response = await callers.remember(cache, ["a"], 600, generate)

    assert (response.value, response.detail) == ("generated", CacheDetail.STORE_FAILURE)


async def test_a_commit_whose_answer_was_cut_off_once_is_repeated_and_stored_once(
    proxy: Proxy, unhurried: ResponseCache, callers: Callers
) -> None:
    await callers.warm_up(unhurried, ["warm"], 600, "stored")

    def generate() -> str:
        proxy.replies(Cut(once=True))
        return "generated"

    response = await callers.remember(unhurried, ["a"], 600, generate)

    assert (response.value, response.detail) == ("generated", CacheDetail.GENERATED)
    hit = await callers.remember(unhurried, ["a"], 600, lambda: "again")
    assert (hit.value, hit.status) == ("generated", CacheStatus.HIT)


@pytest.mark.parametrize("what", ["invalidate", "forget", "clear"])
async def test_a_commit_that_reaches_redis_after_its_deadline_and_an_invalidation_stores_nothing(
    proxy: Proxy,
    direct: ResponseCache,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    raw_valkey: Any,
    eventually: Eventually,
    what: str,
) -> None:
    cache = new_hurried()
    sent = 0

    def generate() -> str:
        nonlocal sent
        sent = proxy.seen["EVALSHA"]
        proxy.requests(Hold())
        return "old"

    while True:
        await callers.warm_up(cache, ["warm"], 600, "stored")
        response = await callers.remember(cache, ["a"], 600, generate, tags=["t"])
        if response.status is CacheStatus.MISS:
            break
        proxy.heal()
    assert (response.value, response.detail) == ("old", CacheDetail.STORE_FAILURE)
    assert proxy.seen["EVALSHA"] > sent, "the commit is on its way"
    await callers.invalidate_by(direct, what)
    run = raw_valkey.info("commandstats")["cmdstat_evalsha"]["calls"]
    proxy.heal()
    await eventually(lambda: raw_valkey.info("commandstats")["cmdstat_evalsha"]["calls"] > run)
    await callers.settled(cache)

    raw_valkey.delete(tenant_of(cache).keys(["a"]).lease)
    new = await callers.remember(direct, ["a"], 600, lambda: "new", tags=["t"])
    assert (new.value, new.status) == ("new", CacheStatus.MISS)


async def test_callers_who_came_during_a_run_whose_commit_failed_share_the_next_one(
    proxy: Proxy,
    unhurried: ResponseCache,
    callers: Callers,
    eventually: Eventually,
) -> None:
    await callers.warm_up(unhurried, ["warm"], 600, "stored")
    runs: list[int] = []
    go_on = {1: threading.Event(), 2: threading.Event()}

    def generate() -> str:
        runs.append(1)
        number = len(runs)
        assert go_on[number].wait(60)
        if number == 1:
            proxy.hang_up()
        return f"generated {number}"

    def call() -> "asyncio.Task[CachedResponse[str]]":
        return asyncio.create_task(callers.remember(unhurried, ["a"], 60, generate))

    first = call()
    try:
        await eventually(lambda: runs)
        later = [call() for _ in range(19)]
        await eventually(lambda: callers.waiting(unhurried) == len(later))
        go_on[1].set()
        await eventually(lambda: callers.waiting(unhurried) == len(later) - 1)
    finally:
        for event in go_on.values():
            event.set()
        responses = await asyncio.gather(first, *later)

    assert responses[0].value == "generated 1"
    assert {response.value for response in responses[1:]} == {"generated 2"}
    assert len(runs) == 2
    assert callers.under_way(unhurried) == 0


async def test_entries_that_cannot_be_stored_are_logged_once_per_interval_with_their_number(
    proxy: Proxy,
    unhurried: ResponseCache,
    callers: Callers,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def generate() -> str:
        proxy.hang_up()
        return "hunter2"

    with caplog.at_level(logging.DEBUG, "strawberry_response_cache"):
        for number in range(4):
            if number == 3:
                tenant_of(unhurried).engine._failures.interval.end()
            proxy.heal()
            response = await callers.remember(unhurried, [str(number)], 60, generate)
            assert response.detail is CacheDetail.STORE_FAILURE

    ours = [record for record in caplog.records if record.name == "strawberry_response_cache"]
    assert [vars(record)["response_cache.failures"] for record in ours] == [1, 3]
    assert "hunter2" not in caplog.text


async def test_a_stale_value_is_served_while_its_refresh_cannot_be_stored(
    proxy: Proxy,
    direct: ResponseCache,
    unhurried: ResponseCache,
    callers: Callers,
    raw_valkey: Any,
) -> None:
    keys = tenant_of(direct).keys(["a"])
    await callers.remember(direct, ["a"], 1000, lambda: "old", stale=1000)
    raw_valkey.pexpire(keys.entry, 900_000)

    def generate() -> str:
        proxy.hang_up()
        return "new"

    refreshed = await callers.remember(unhurried, ["a"], 1000, generate, stale=1000)
    assert (refreshed.value, refreshed.detail) == ("new", CacheDetail.STORE_FAILURE)

    other = await callers.remember(direct, ["a"], 1000, lambda: "newer", stale=1000)
    assert (other.value, other.detail) == ("old", CacheDetail.STALE)
