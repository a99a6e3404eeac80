"""An invalidation that Redis does not take is tried again, raised or queued. Only closing can lose a queued one."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStoreError, ResponseCache, _queue
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core.drivers import async_invalidation, sync_invalidation
from strawberry_response_cache.core.drivers.driving import OWN_LAG
from strawberry_response_cache.core.protocol import Effect, Unavailable
from strawberry_response_cache.core.protocol.troubles import Trouble
from tests.conftest import Eventually, driver_of
from tests.core.logs import facts_of, ours

SILENT = Unavailable("redis.exceptions.TimeoutError", trouble=Trouble.SLOW)
FORBIDDEN = Unavailable("redis.exceptions.NoPermissionError", trouble=Trouble.PERMISSION)
NEVER = 600.0
"""Longer than any test."""


class Refusing:
    """Between what invalidates and its transport: Redis does not take the next effects.

    Attributes:
        failure: What is answered to each effect; None hands effects on.
        left: How many it answers so; then it hands them on.
        deadlines: Those of all effects.
        meanwhile: Called with each effect that is not taken.
        holds: Whether effects are held, and answered by `go_on`.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.failure: Unavailable | None = None
        self.left: float = float("inf")
        self.deadlines: list[float] = []
        self.meanwhile: Callable[[Effect[Any]], object] = lambda _: None
        self.holds = False
        self.is_holding = threading.Event()
        self._may_go_on = threading.Event()
        self._held: list[Callable[[], None]] = []

    def _refusal(self, effect: Effect[Any], deadline: float) -> Unavailable | None:
        self.deadlines.append(deadline)
        if self.failure is None or self.left <= 0:
            return None
        self.left -= 1
        self.meanwhile(effect)
        return self.failure

    def perform(self, effect: Effect[Any], *, deadline: float) -> Any:
        if self.holds:
            self.is_holding.set()
            assert self._may_go_on.wait(60)
        refusal = self._refusal(effect, deadline)
        return refusal or self._transport.perform(effect, deadline=deadline)

    def submit(self, effect: Effect[Any], then: Callable[[Any], None], *, deadline: float) -> None:
        if self.holds:
            self._held.append(lambda: self.submit(effect, then, deadline=deadline))
            self.is_holding.set()
        elif (refusal := self._refusal(effect, deadline)) is not None:
            then(refusal)
        else:
            self._transport.submit(effect, then, deadline=deadline)

    def go_on(self) -> None:
        self.holds = False
        self._may_go_on.set()
        for held in self._held:
            held()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


Make = Callable[..., tuple[ResponseCache, Refusing]]


@pytest.fixture
def make(new_cache: Callable[..., ResponseCache], face: Any) -> Make:
    """Make a cache, and what stands between its invalidations and its store."""

    def make(**settings: Any) -> tuple[ResponseCache, Refusing]:
        cache = new_cache("memory://", **settings)
        invalidating = face.driver(cache).invalidating
        invalidating._transport = between = Refusing(invalidating._transport)
        return cache, between

    return make


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay soon after a try that failed."""
    for module in (async_invalidation, sync_invalidation):
        monkeypatch.setattr(module, "REPLAY_INTERVAL", 0.005)


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay once in the background, and leave the rest to callers and to closing."""
    for module in (async_invalidation, sync_invalidation):
        monkeypatch.setattr(module, "REPLAY_INTERVAL", NEVER)


async def invalidate_queued(cache: ResponseCache, face: Any, *tags: str) -> None:
    if face.synchronous:
        await asyncio.to_thread(cache.invalidate_sync, *tags, queued=True)
    else:
        await cache.invalidate(*tags, queued=True)


async def fill(cache: ResponseCache, face: Any) -> None:
    await face.remember(cache, ["a"], 60, lambda: "old", tags=["t"])


async def read(cache: ResponseCache, face: Any) -> Any:
    return await face.remember(cache, ["a"], 60, lambda: "new", tags=["t"])


# -- Tries ---------------------------------------------------------------------------------------------------


async def test_an_invalidation_is_tried_until_redis_takes_it(make: Make, face: Any) -> None:
    cache, store = make(invalidate_deadline=20)
    await fill(cache, face)
    store.failure, store.left = SILENT, 2
    await face.invalidate(cache, "t")

    assert (await read(cache, face)).value == "new"
    first, second, third = store.deadlines
    assert 0 < third < second < first <= 20, "all tries have one deadline together"


async def test_an_invalidation_pauses_between_its_tries_and_raises_at_its_deadline(
    make: Make, face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cache, store = make(invalidate_deadline=0.3)
    store.failure = SILENT
    with pytest.raises(CacheStoreError) as raised:
        await face.invalidate(cache, "t")
    assert raised.value.error_type == SILENT.error_type
    assert len(store.deadlines) < 10
    assert not tenant_of(cache).has_pending()
    assert [facts_of(each)["error.type"] for each in ours(caplog.records)] == [SILENT.error_type]


async def test_an_invalidation_that_redis_forbids_is_tried_once(make: Make, face: Any) -> None:
    cache, store = make(invalidate_deadline=20)
    store.failure = FORBIDDEN
    with pytest.raises(CacheStoreError):
        await face.invalidate(cache, "t")
    assert len(store.deadlines) == 1


async def test_a_ping_has_the_deadline_of_invalidations(make: Make, face: Any) -> None:
    cache, store = make(invalidate_deadline=7)
    await face.ping(cache)
    assert store.deadlines == [7]


async def test_a_queued_invalidation_stops_its_tries_once_another_is_pending(
    make: Make, face: Any, eventually: Eventually, soon: None
) -> None:
    cache, store = make(invalidate_deadline=20)
    await fill(cache, face)
    space, queue = tenant_of(cache).keyspace, tenant_of(cache).engine.queue
    store.meanwhile = lambda _: queue.add(space, (), FORBIDDEN)
    store.failure, store.left = SILENT, 1
    await invalidate_queued(cache, face, "t")

    await eventually(lambda: not tenant_of(cache).has_pending())
    assert (await read(cache, face)).value == "new"
    assert len(store.deadlines) == 2, "one try, and its replay"


# -- Replays -------------------------------------------------------------------------------------------------


async def test_each_outage_is_followed_by_replays_in_the_background(
    make: Make, face: Any, eventually: Eventually, soon: None
) -> None:
    cache, store = make(invalidate_deadline=0.05, read_deadline=0.5)
    for _ in range(2):
        await fill(cache, face)
        store.failure = SILENT
        await invalidate_queued(cache, face, "t")
        await invalidate_queued(cache, face, "t")
        tries = len(store.deadlines)
        await eventually(lambda: len(store.deadlines) > tries + 2)  # noqa: B023 - at once
        assert set(store.deadlines[tries:]) == {0.5}, "no caller waits, so they have more time"
        assert tenant_of(cache).has_pending()
        store.failure = None
        await eventually(lambda: not tenant_of(cache).has_pending())
        assert (await read(cache, face)).value == "new"
        await face.clear(cache)


async def test_replays_pause_after_each_try(
    make: Make, face: Any, eventually: Eventually, once: None
) -> None:
    cache, store = make(invalidate_deadline=0.01)
    store.failure = SILENT
    await invalidate_queued(cache, face, "t")
    await eventually(lambda: store.deadlines.count(20) == 1)
    for _ in range(20):
        assert (await read(cache, face)).detail is CacheDetail.INVALIDATION_PENDING
    assert store.deadlines.count(20) == 1
    threads = [each for each in threading.enumerate() if each.name == "response-cache-replay"]
    assert len(threads) == (1 if face.synchronous else 0)
    assert all(each.daemon for each in threads), "the interpreter can end"
    store.failure = None


async def test_a_caller_replays_within_the_deadline_of_reads(
    make: Make, face: Any, eventually: Eventually, once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, store = make(invalidate_deadline=0.01, read_deadline=60)
    await fill(cache, face)
    store.failure = SILENT
    await invalidate_queued(cache, face, "t")
    await eventually(lambda: 60 in store.deadlines)
    monkeypatch.setattr(_queue, "REPLAY_INTERVAL", -1)  # long ago
    assert (await read(cache, face)).detail is CacheDetail.INVALIDATION_PENDING
    assert 30 < store.deadlines[-1] < 60

    store.failure = None
    response = await read(cache, face)
    assert (response.value, response.detail) == ("new", CacheDetail.GENERATED)
    assert 30 < store.deadlines[-1] < 60


async def test_a_caller_replays_no_longer_than_it_may_wait(
    make: Make, face: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, store = make()
    queue = tenant_of(cache).engine.queue
    for tenant in ("a", "b", "c"):
        queue.add(tenant_of(cache.for_tenant(tenant)).keyspace, ("t",), SILENT)
    now = 100.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now

    for module in (async_invalidation, sync_invalidation):
        monkeypatch.setattr(module, "time", Clock)
    hand_on = store._refusal

    def take_a_while(effect: Effect[Any], deadline: float) -> Unavailable | None:
        nonlocal now
        now += 0.25
        return hand_on(effect, deadline)

    store._refusal = take_a_while  # type: ignore[method-assign] # of this object alone
    replay = face.driver(cache).invalidating.replay
    is_done = replay(queue, within=0.5) if face.synchronous else await replay(queue, within=0.5)
    assert (is_done, store.deadlines, queue.pending) == (False, [0.5, 0.25], 1)

    is_done = replay(queue, within=0.5) if face.synchronous else await replay(queue, within=0.5)
    assert (is_done, queue.pending) == (True, 0)


# -- Closing -------------------------------------------------------------------------------------------------


@pytest.mark.combined
@pytest.mark.parametrize("is_back", [True, False])
async def test_closing_tries_a_last_time_and_logs_what_is_lost(
    make: Make,
    face: Any,
    eventually: Eventually,
    once: None,
    caplog: pytest.LogCaptureFixture,
    *,
    is_back: bool,
) -> None:
    cache, store = make(invalidate_deadline=0.01)
    store.failure = SILENT
    await invalidate_queued(cache, face, "t")
    await eventually(lambda: 20 in store.deadlines)
    store.failure = None if is_back else FORBIDDEN
    caplog.clear()
    async with asyncio.timeout(60):
        await cache.aclose()
    assert tenant_of(cache).has_pending() is not is_back
    lost = [
        facts_of(each)["error.type"]
        for each in ours(caplog.records)
        if "has not taken all queued invalidations" in each.getMessage()
    ]
    assert lost == ([] if is_back else [FORBIDDEN.error_type])


async def test_closing_waits_for_a_replay_that_is_under_way(
    make: Make,
    face: Any,
    eventually: Eventually,
    soon: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache, store = make(invalidate_deadline=0.01)
    store.failure = SILENT
    await invalidate_queued(cache, face, "t")
    store.is_holding.clear()
    store.holds = True
    await eventually(store.is_holding.is_set)
    caplog.clear()
    closing = asyncio.create_task(cache.aclose())
    invalidating = face.driver(cache).invalidating
    if face.synchronous:
        await eventually(invalidating._stopping.is_set)
    store.failure = None
    store.go_on()
    async with asyncio.timeout(60):
        await closing
    assert not tenant_of(cache).has_pending()
    assert ours(caplog.records) == []


async def test_an_outage_after_the_cache_was_drained_is_followed_by_replays(
    make: Make, face: Any, eventually: Eventually, once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that are under way when the cache is closed still invalidate."""
    cache, store = make(invalidate_deadline=0.01)
    store.failure = SILENT
    await invalidate_queued(cache, face, "t")
    await eventually(lambda: 20 in store.deadlines)
    store.failure = None
    drained = face.driver(cache).invalidating.drain()
    if not face.synchronous:
        await drained
    assert not tenant_of(cache).has_pending()

    for module in (async_invalidation, sync_invalidation):
        monkeypatch.setattr(module, "REPLAY_INTERVAL", 0.005)
    store.failure = SILENT
    await invalidate_queued(cache, face, "t")
    store.failure = None
    await eventually(lambda: not tenant_of(cache).has_pending())


async def test_nothing_is_replayed_at_closing_if_nothing_is_pending(
    make: Make, face: Any, eventually: Eventually, soon: None
) -> None:
    cache, store = make(invalidate_deadline=0.01)
    store.failure = SILENT
    await invalidate_queued(cache, face, "t")
    store.failure = None
    await eventually(lambda: not tenant_of(cache).has_pending())
    tries = len(store.deadlines)
    await cache.aclose()
    assert len(store.deadlines) == tries


# -- Callers that are cancelled ------------------------------------------------------------------------------


async def cancel_while_held(cache: ResponseCache, store: Refusing, eventually: Eventually) -> None:
    """Cancel an invalidation that was sent and is not answered yet."""
    store.holds = True
    invalidate = asyncio.create_task(cache.invalidate("t"))
    await eventually(store.is_holding.is_set)
    invalidate.cancel()
    await asyncio.wait({invalidate})
    assert invalidate.cancelled()


@pytest.mark.parametrize("face", ["async"], indirect=True)
async def test_closing_waits_for_an_invalidation_whose_caller_was_cancelled(
    make: Make, face: Any, eventually: Eventually
) -> None:
    cache, store = make()
    await cancel_while_held(cache, store, eventually)

    closing = asyncio.create_task(cache.aclose())
    await asyncio.wait({closing}, timeout=0.1)
    assert not closing.done()
    store.go_on()
    async with asyncio.timeout(60):
        await closing
    assert len(store.deadlines) == 1
    assert not driver_of(cache).invalidating._trying


@pytest.mark.parametrize("face", ["async"], indirect=True)
async def test_an_invalidation_that_fails_after_its_caller_was_cancelled_is_logged_once_per_interval(
    make: Make, face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cache, store = make(invalidate_deadline=0.02)
    trying = driver_of(cache).invalidating._trying

    async def fail_without_a_caller(failure: Unavailable | None) -> None:
        store.failure = failure
        invalidate = asyncio.create_task(cache.invalidate("t"))
        await asyncio.sleep(0)
        invalidate.cancel()
        await asyncio.wait({invalidate})
        while trying:
            await asyncio.wait({*trying})

    def logged() -> list[logging.LogRecord]:
        return [r for r in ours(caplog.records) if "caller was cancelled" in r.getMessage()]

    await fail_without_a_caller(None)
    assert logged() == []
    await fail_without_a_caller(SILENT)
    (record,) = logged()
    assert facts_of(record) == {
        "response_cache.name": "test",
        "response_cache.failures": 1,
        "server.address": "memory://",
        "error.type": SILENT.error_type,
    }
    await fail_without_a_caller(SILENT)
    assert logged() == [record]


@pytest.mark.parametrize("face", ["async"], indirect=True)
async def test_an_invalidation_cancelled_with_its_event_loop_raises_in_no_callback(
    make: Make, face: Any, eventually: Eventually
) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    cache, store = make()
    await cancel_while_held(cache, store, eventually)
    trying = {*driver_of(cache).invalidating._trying}
    for task in trying:
        task.cancel()
    await asyncio.wait(trying)
    await asyncio.sleep(0)
    assert complaints == []


@pytest.mark.parametrize("face", ["async"], indirect=True)
async def test_a_slow_answer_within_the_deadline_counts(make: Make, face: Any) -> None:
    cache, store = make(invalidate_deadline=20)
    store.holds = True
    asyncio.get_running_loop().call_later(2 * OWN_LAG, store.go_on)
    await cache.ping()
    assert store.deadlines == [20]


@pytest.mark.parametrize("face", ["async"], indirect=True)
async def test_a_store_that_never_answers_fails_an_invalidation(make: Make, face: Any) -> None:
    cache, store = make(invalidate_deadline=0.01)
    store.holds = True
    with pytest.raises(CacheStoreError) as raised:
        await cache.invalidate("t")
    assert raised.value.error_type == "TimeoutError"
