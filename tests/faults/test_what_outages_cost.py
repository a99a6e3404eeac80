"""During an outage, no caller waits long for a connection, nor for a server that already failed others."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import (
    CacheDetail,
    CacheStatus,
    CacheStoreError,
    ResponseCache,
)
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core.drivers import driving
from strawberry_response_cache.core.protocol import Unavailable
from tests.conftest import Eventually, Face
from tests.core.logs import facts_of, ours
from tests.faults.callers import Callers
from tests.faults.proxy import Proxy
from tests.faults.stopwatch import Stopwatch
from tests.faults.test_breaker import NEVER, Ask, Opened, ask, opened
from tests.faults.wire import Delay, Hold
from tests.servers.valkey import valkey_node

__all__ = ["ask", "opened"]

LONG: dict[str, Any] = {"read_deadline": 0.15, "connect_deadline": 60, "breaker_failures": 1000}
"""Connecting may take so long that nobody can wait for it and go unnoticed."""

WHY = Unavailable("x")


async def queue_invalidation(cache: ResponseCache, face: Face, callers: Callers) -> None:
    """Invalidate the tag `t` as a mutation does."""
    if face.synchronous:
        await callers._somewhere(lambda: cache.invalidate_sync("t", queued=True))
    else:
        await cache.invalidate("t", queued=True)


# -- Leases -----------------------------------------------------------------------------------------------


async def test_a_lease_that_a_server_grants_after_a_hang_keeps_no_caller_waiting(
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    face: Face,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By then its caller has ended, and the pauses between the tries to release the lease are long."""
    monkeypatch.setattr(driving, "_FIRST_PAUSE", NEVER)
    with valkey_node() as node:
        url = f"redis://{node.address}"
        cache = new_cache(url, **LONG | {"connect_deadline": 5}, lease=NEVER, wait_budget=NEVER)
        await callers.warm_up(cache, ["warm"], 600, "stored")
        node.pause()
        assert (await ask(cache, "a")).detail is CacheDetail.STORE_FAILURE
        housekeeping = face.driver(cache)._housekeeping
        late = "_waiting" if face.synchronous else "_late"
        await eventually(lambda: getattr(housekeeping, late))
        node.resume()

        async with asyncio.timeout(60):
            while (response := await ask(cache, "a")).detail is CacheDetail.STORE_FAILURE:
                pass

        assert response.status is CacheStatus.MISS
        await eventually(lambda: not getattr(housekeeping, late))


# -- Connecting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "not connected"])
async def test_no_caller_waits_longer_for_a_connection_than_for_an_answer(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    stopwatch: Stopwatch,
    connected: bool,
) -> None:
    """A server that hangs ends the connection of each call that it does not answer."""
    cache = new_cache(proxy.url, **LONG)
    if connected:
        await callers.warm_up(cache, ["a"], 600, "stored")
    proxy.black_hole()

    with stopwatch:
        for number in range(8):
            response = await ask(cache, str(number))
            assert response.detail is CacheDetail.STORE_FAILURE
    proxy.heal()
    proxy.cut()

    assert stopwatch.seconds < 20, "8 deadlines are 1.2 s, and connecting takes a minute"


async def test_connecting_goes_on_after_its_callers_stopped_waiting(
    proxy: Proxy,
    direct: ResponseCache,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
) -> None:
    await callers.remember(direct, ["a"], 600, lambda: "stored", tags=["t"])
    cache = new_cache(proxy.url, **LONG)
    proxy.replies(Hold())
    for number in range(5):
        assert (await ask(cache, str(number))).detail is CacheDetail.STORE_FAILURE
    assert proxy.accepted == 1, "each waited for the one that is being opened"
    proxy.heal()

    async with asyncio.timeout(60):
        while (response := await ask(cache)).status is not CacheStatus.HIT:
            pass
    assert response.value == "stored"
    assert proxy.accepted == 1


async def test_a_connection_that_opens_late_lets_an_open_breaker_try_at_once(
    proxy: Proxy,
    direct: ResponseCache,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    opened: Opened,
) -> None:
    await callers.remember(direct, ["a"], 600, lambda: "stored", tags=["t"])
    cache = new_cache(proxy.url, **LONG | {"breaker_failures": 3, "breaker_seconds": NEVER})
    proxy.replies(Hold())
    await opened(cache)
    proxy.heal()

    async with asyncio.timeout(60):
        while (response := await ask(cache)).status is not CacheStatus.HIT:
            await asyncio.sleep(0)
    assert response.value == "stored"


async def test_no_caller_waits_longer_for_the_slot_map_of_a_cluster_than_for_an_answer(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    ask: Ask,
    stopwatch: Stopwatch,
) -> None:
    cache = new_cache(f"redis+cluster://127.0.0.1:{proxy.port}", **LONG)
    proxy.black_hole()

    with stopwatch:
        for number in range(8):
            response = await ask(cache, str(number))
            assert response.detail is CacheDetail.STORE_FAILURE
    proxy.heal()
    proxy.cut()

    assert stopwatch.seconds < 20, "8 deadlines are 1.2 s, and connecting takes a minute"


async def test_no_read_is_sent_to_a_cluster_of_which_no_node_tells_the_slot_map(
    proxy: Proxy, new_cache: Callable[..., ResponseCache], callers: Callers, ask: Ask, face: Face
) -> None:
    url = f"redis+cluster://127.0.0.1:{proxy.port}"
    cache = new_cache(url, **LONG, breaker_seconds=NEVER, invalidate_deadline=2)
    proxy.hang_up()
    async with asyncio.timeout(60):
        while proxy.accepted == 0 or face.driver(cache).transport._learning is not None:
            await ask(cache)
    before = proxy.accepted
    for number in range(50):
        assert (await ask(cache, str(number))).detail is CacheDetail.STORE_FAILURE
    assert proxy.accepted == before

    with pytest.raises(CacheStoreError):
        await callers.invalidate_by(cache, "invalidate")
    assert proxy.accepted > before, "invalidations are tried all the same"


# -- The breaker -----------------------------------------------------------------------------------------


async def test_under_load_the_breaker_opens_within_some_read_deadlines(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    stopwatch: Stopwatch,
) -> None:
    cache = new_cache(proxy.url, **LONG | {"breaker_failures": 5, "breaker_seconds": NEVER})
    await callers.warm_up(cache, ["a"], 600, "stored")
    proxy.black_hole()

    async def keep_asking(number: int) -> None:
        while not cache.statistics().is_breaker_open:
            await ask(cache, str(number))

    with stopwatch:
        await asyncio.gather(*(keep_asking(number) for number in range(20)))
    proxy.heal()
    proxy.cut()

    assert stopwatch.seconds < 5, "twice 0.15 s; connecting takes a minute"


async def test_a_successful_invalidation_does_not_let_reads_try_again(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
) -> None:
    """The server is too far away for reads, and near enough for invalidations."""
    cache = new_cache(proxy.url, read_deadline=0.15, breaker_failures=3, breaker_seconds=NEVER)
    await callers.warm_up(cache, ["a"], 600, "stored")
    proxy.replies(Delay(0.6))
    async with asyncio.timeout(60):
        while not cache.statistics().is_breaker_open:
            await ask(cache, "b")

    for _ in range(3):
        await callers.invalidate_by(cache, "invalidate")
        assert cache.statistics().is_breaker_open
        assert (await ask(cache, "b")).status is CacheStatus.BYPASS


async def test_failing_invalidations_do_not_open_the_breaker(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
) -> None:
    cache = new_cache(proxy.url, breaker_failures=1, breaker_seconds=NEVER, invalidate_deadline=0.2)
    await callers.warm_up(cache, ["a"], 600, "stored")
    proxy.replies(Hold())
    for _ in range(3):
        with pytest.raises(CacheStoreError):
            await callers.invalidate_by(cache, "invalidate")
    proxy.heal()

    assert not cache.statistics().is_breaker_open


async def test_the_opening_and_closing_of_the_breaker_are_logged_with_the_number_of_failures(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = LONG | {"breaker_failures": 3, "breaker_seconds": 0.3, "connect_deadline": 0.15}
    cache = new_cache(proxy.url, **settings)
    await callers.warm_up(cache, ["a"], 600, "stored")
    proxy.black_hole()
    async with asyncio.timeout(60):
        while "it is not read" not in caplog.text:
            await ask(cache, "b")
    proxy.heal()
    proxy.cut()
    async with asyncio.timeout(60):
        while "answers again" not in caplog.text:
            await ask(cache, "b")

    told = [r for r in ours(caplog.records) if "failed 3 times" in r.message]
    told += [r for r in ours(caplog.records) if "answers again" in r.message]
    assert [record.levelno for record in told] == [logging.WARNING] * 2
    failures = [int(str(facts_of(record)["response_cache.failures"])) for record in told]
    assert failures[0] == 3 <= failures[1]
    assert f"after {failures[1]} failures" in told[1].getMessage()
    for record in told:
        assert f"Redis at 127.0.0.1:{proxy.port}" in record.getMessage()


# -- Invalidations ---------------------------------------------------------------------------------------


async def test_a_replay_is_sent_despite_an_open_breaker(
    proxy: Proxy,
    direct: ResponseCache,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    face: Face,
    eventually: Eventually,
) -> None:
    """Until Redis takes the invalidation, other processes read outdated entries."""
    await callers.remember(direct, ["a"], 600, lambda: "old", tags=["t"])
    cache = new_cache(proxy.url, breaker_failures=1, breaker_seconds=NEVER, invalidate_deadline=0.3)
    proxy.hang_up()
    assert (await ask(cache, "b")).detail is CacheDetail.STORE_FAILURE
    assert cache.statistics().is_breaker_open
    proxy.refuse()
    await queue_invalidation(cache, face, callers)
    assert (await ask(cache)).detail is CacheDetail.INVALIDATION_PENDING
    proxy.heal()

    await eventually(lambda: not cache.statistics().pending_invalidations)

    assert cache.statistics().is_breaker_open
    new = await callers.remember(direct, ["a"], 600, lambda: "new", tags=["t"])
    assert new.value == "new"


@pytest.mark.parametrize("way", ["refused", "black hole"])
async def test_mutations_do_not_wait_while_their_tenant_has_a_pending_invalidation(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    face: Face,
    stopwatch: Stopwatch,
    way: str,
) -> None:
    cache = new_cache(proxy.url, **LONG, invalidate_deadline=2)
    await callers.warm_up(cache, ["a"], 600, "stored")
    (proxy.refuse if way == "refused" else proxy.black_hole)()
    await queue_invalidation(cache, face, callers)

    with stopwatch:
        for _ in range(20):
            await queue_invalidation(cache, face, callers)
        for _ in range(20):
            response = await callers.remember(cache, ["a"], 600, lambda: "generated")
            assert response.detail is CacheDetail.INVALIDATION_PENDING
    proxy.heal()
    proxy.cut()

    assert stopwatch.seconds < 2, "each by itself takes as long"
    assert (await callers.remember(cache, ["b"], 600, lambda: "v")).value == "v"


async def test_an_invalidation_stops_trying_when_another_of_its_tenant_is_pending(
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    face: Face,
    unused_port: int,
    eventually: Eventually,
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}", invalidate_deadline=60)
    trying = asyncio.create_task(queue_invalidation(cache, face, callers))
    failures = tenant_of(cache).engine._failures.interval
    await eventually(lambda: failures._number)
    tenant_of(cache).engine.queue.add(tenant_of(cache).keyspace, ("t",), WHY)

    async with asyncio.timeout(30):
        await trying


async def test_an_invalidation_in_a_thread_takes_no_longer_than_its_deadline(
    proxy: Proxy, new_cache: Callable[..., ResponseCache], stopwatch: Stopwatch
) -> None:
    """The deadline includes waiting for a turn and for a connection."""
    cache = new_cache(proxy.url, **LONG, invalidate_deadline=1)
    proxy.black_hole()

    with stopwatch:
        results = await asyncio.gather(
            *(asyncio.to_thread(cache.invalidate_sync, "t") for _ in range(6)),
            return_exceptions=True,
        )
    proxy.heal()
    proxy.cut()

    assert {type(each) for each in results} == {CacheStoreError}
    assert stopwatch.seconds < 10


# -- Distance --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("deadline", "is_too_far"), [(0.4, True), (20, False)])
async def test_a_server_that_is_too_far_away_for_the_deadline_is_reported_once(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    ask: Ask,
    caplog: pytest.LogCaptureFixture,
    deadline: float,
    is_too_far: bool,
) -> None:
    cache = new_cache(proxy.url, read_deadline=deadline, breaker_failures=1000)
    proxy.replies(Delay(0.25))
    async with asyncio.timeout(60):
        for _ in range(4):
            while (await ask(cache, "a")).status is CacheStatus.BYPASS:
                pass  # it is connecting
            await callers.settled(cache)
            proxy.cut()

    told = [record for record in ours(caplog.records) if "for a round trip" in record.message]
    assert len(told) == is_too_far
    for record in told:
        facts, text = facts_of(record), record.getMessage()
        assert float(str(facts["response_cache.round_trip"])) >= 0.25
        assert f"Redis at 127.0.0.1:{proxy.port} takes" in text
        assert "read_deadline is 400 ms" in text


# -- The log ---------------------------------------------------------------------------------------------


async def test_invalidations_that_are_lost_are_logged_once_per_interval_with_the_server(
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    face: Face,
    unused_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = new_cache(
        f"redis://127.0.0.1:{unused_port}", invalidate_deadline=0.05, max_queued_invalidations=0
    )
    for _ in range(5):
        with pytest.raises(CacheStoreError):
            await queue_invalidation(cache, face, callers)

    (record,) = [record for record in ours(caplog.records) if "it is lost" in record.message]
    assert record.levelno == logging.ERROR
    assert f"Redis at 127.0.0.1:{unused_port} did not take an invalidation" in record.getMessage()
    assert facts_of(record)["response_cache.failures"] == 1
