"""What an invalidation sends to Redis, changes in this process, counts, reports and logs."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStoreError, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._families import EVERYTHING
from strawberry_response_cache.core._keys import tag_digests
from strawberry_response_cache.core.drivers import async_invalidation, sync_invalidation
from strawberry_response_cache.core.protocol import Clear, Forget, Invalidate
from tests.conftest import Eventually
from tests.core.logs import facts_of, ours
from tests.core.test_invalidations_that_fail import (
    FORBIDDEN,
    NEVER,
    SILENT,
    Refusing,
    read,
)
from tests.core.test_outages import lose


class Kept:
    """In place of local memory: keeps what it is told to invalidate."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def invalidate(self, table: str, tags: Any) -> None:
        self.told.append((table, *sorted(tags)))

    def forget(self, entry: str) -> None:
        self.told.append((entry,))

    def clear(self, table: str) -> None:
        self.told.append((table, "all"))


async def heard(tags: tuple[str, ...]) -> None:
    """Need no more than to be given."""


@pytest.mark.parametrize("slots", [1, 3])
async def test_an_invalidation_of_tags_a_key_or_everything_has_an_effect_for_every_slot(
    new_cache: Callable[..., ResponseCache], slots: int
) -> None:
    cache = new_cache("memory://", slots_per_tenant=slots, on_invalidate=heard)
    invalidations, space = cache._invalidations, tenant_of(cache).keyspace
    tables, kept = space.tag_tables, Kept()
    assert len(tables) == slots

    tags = invalidations.of_tags(["Book:1", "Book"], queued=True)
    digests = tags.digests or ()
    assert {*tag_digests(["Book:1", "Book", "Book:*", "*"])} == {*digests}
    assert [(type(e), e.tag_table, e.tags) for e in tags.effects] == [  # type: ignore[attr-defined] # of its class
        (Invalidate, table, digests) for table in tables
    ]
    tags.locally(kept)  # type: ignore[arg-type] # in place of it
    assert kept.told == [(table, *sorted(digests)) for table in tables]
    assert (tags.kind, tags.count, tags.names, tags.queued) == (
        "tags",
        2,
        ("Book:1", "Book"),
        True,
    )

    kept, keys = Kept(), tenant_of(cache).keys(["a"])
    entry = invalidations.of_entry(keys)
    own = (keys.own_tag, *EVERYTHING)
    first, *others = entry.effects
    assert isinstance(first, Forget)
    assert first.keys == keys
    assert [(e.tag_table, e.tags) for e in others] == [  # type: ignore[attr-defined] # of its class
        (table, own) for table in tables if table != keys.tags
    ]
    entry.locally(kept)  # type: ignore[arg-type] # in place of it
    assert kept.told == [(keys.entry,), *((table, *sorted(own)) for table in tables)]
    assert (entry.kind, entry.count, entry.names, entry.queued) == ("key", 0, (), False)
    assert entry.digests == own

    kept = Kept()
    everything = invalidations.of_everything(queued=True)
    assert [(type(e), e.tag_table) for e in everything.effects] == [  # type: ignore[attr-defined] # of its class
        (Clear, table) for table in tables
    ]
    everything.locally(kept)  # type: ignore[arg-type] # in place of it
    assert kept.told == [(table, "all") for table in tables]
    assert (everything.kind, everything.count, everything.names, everything.queued) == (
        "clear",
        0,
        ("*",),
        True,
    )
    assert everything.digests is None
    assert tags.tables == entry.tables == everything.tables == tables


async def test_names_of_tags_are_not_kept_without_on_invalidate(
    memory_cache: ResponseCache,
) -> None:
    assert memory_cache._invalidations.of_tags(["Book"], queued=True).names == ()


def test_the_error_about_a_wrong_tag_names_its_position(memory_cache: ResponseCache) -> None:
    with pytest.raises(TypeError, match=r"^tags\[1\] .*invalidate\("):
        memory_cache._invalidations.of_tags(["Book", 5], queued=False)  # type: ignore[list-item] # wrongly


def put_between(cache: ResponseCache, face: Any) -> Refusing:
    invalidating = face.driver(cache).invalidating
    invalidating._transport = between = Refusing(invalidating._transport)
    return between


async def invalidate(cache: ResponseCache, face: Any, what: str) -> None:
    """Invalidate, queued where that can be."""
    if face.synchronous:
        calls: dict[str, Callable[[], None]] = {
            "tags": lambda: cache.invalidate_sync("t", "u", queued=True),
            "key": lambda: cache.forget_sync(["a"]),
            "clear": lambda: cache.clear_sync(queued=True),
        }
        calls[what]()
    else:
        await {
            "tags": lambda: cache.invalidate("t", "u", queued=True),
            "key": lambda: cache.forget(["a"]),
            "clear": lambda: cache.clear(queued=True),
        }[what]()


@pytest.mark.combined
@pytest.mark.parametrize("what", ["tags", "key", "clear"])
@pytest.mark.parametrize("slots", [1, 3])
async def test_an_invalidation_stamps_several_slots_twice(
    new_cache: Callable[..., ResponseCache], face: Any, what: str, slots: int
) -> None:
    """A response that was made of parts from before the first pass is reached by the second pass."""
    cache = new_cache("memory://", slots_per_tenant=slots)
    await face.remember(cache, ["a"], 60, lambda: "old", tags=["t"])
    store = put_between(cache, face)
    await invalidate(cache, face, what)
    assert len(store.deadlines) == (1 if slots == 1 else 2 * slots)
    assert (await read(cache, face)).value == "new"
    assert cache.statistics().invalidations == {what: 1}


@pytest.mark.combined
@pytest.mark.parametrize("what", ["tags", "key", "clear"])
async def test_when_redis_fails_invalidations_by_tag_and_clear_are_queued_and_forget_raises(
    new_cache: Callable[..., ResponseCache],
    face: Any,
    what: str,
    caplog: pytest.LogCaptureFixture,
    eventually: Eventually,
) -> None:
    told: list[tuple[str, ...]] = []
    cache = new_cache(
        "memory://", invalidate_deadline=0.01, slots_per_tenant=2, on_invalidate=told.append
    )
    await face.remember(cache, ["a"], 60, lambda: "old", tags=["t"])
    store = put_between(cache, face)
    store.failure = SILENT
    try:
        await invalidate(cache, face, what)
    except CacheStoreError:
        assert what == "key"
        assert not tenant_of(cache).has_pending()
        assert cache.statistics().invalidations == {}
        assert [r.levelname for r in ours(caplog.records)] == ["WARNING"]
        return
    assert what != "key"
    assert (await read(cache, face)).detail is CacheDetail.INVALIDATION_PENDING
    assert cache.statistics().invalidations == {what: 1}
    errors = [record for record in ours(caplog.records) if record.levelname == "ERROR"]
    assert [facts_of(record)["response_cache.tag.count"] for record in errors] == [
        2 if what == "tags" else 0
    ]
    assert "it is queued and tried again" in errors[0].getMessage()
    assert told == []
    store.failure = None
    await eventually(lambda: not tenant_of(cache).has_pending())
    assert (await read(cache, face)).value == "new"
    await cache.aclose()
    assert told == [("t", "u") if what == "tags" else ("*",)]


async def test_while_an_invalidation_is_pending_others_are_queued_without_a_try(
    new_cache: Callable[..., ResponseCache],
    face: Any,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A try would only wait for the same server. An invalidation that cannot be queued is tried."""
    for module in (async_invalidation, sync_invalidation):
        monkeypatch.setattr(module, "REPLAY_INTERVAL", NEVER)
    cache = new_cache("memory://", invalidate_deadline=0.01)
    store = put_between(cache, face)
    store.failure = SILENT
    await invalidate(cache, face, "tags")
    await eventually(lambda: 20 in store.deadlines)  # its one replay
    tries = len(store.deadlines)
    await invalidate(cache, face, "tags")
    await invalidate(cache, face, "clear")
    assert (await read(cache, face)).detail is CacheDetail.INVALIDATION_PENDING
    assert len(store.deadlines) == tries
    store.failure = None
    await invalidate(cache, face, "key")
    assert len(store.deadlines) == tries + 1


@pytest.mark.combined
@pytest.mark.parametrize("what", ["tags", "key", "clear"])
async def test_an_invalidation_that_one_slot_refuses_is_raised_or_replayed_for_every_slot(
    new_cache: Callable[..., ResponseCache], face: Any, what: str, eventually: Eventually
) -> None:
    cache = new_cache("memory://", slots_per_tenant=2)
    store = put_between(cache, face)
    store.failure, store.left = FORBIDDEN, 1
    if what == "key":
        with pytest.raises(CacheStoreError):
            await invalidate(cache, face, what)
        assert len(store.deadlines) == 1
    else:
        await invalidate(cache, face, what)
        await eventually(lambda: not tenant_of(cache).has_pending())
        assert len(store.deadlines) == 1 + 4, "one try, then every slot twice"


async def test_an_invalidation_that_does_not_fit_into_the_queue_raises_and_is_logged(
    new_cache: Callable[..., ResponseCache], face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cache = new_cache("memory://", invalidate_deadline=0.01, max_queued_invalidations=1)
    put_between(cache, face).failure = SILENT
    await invalidate(cache.for_tenant("other"), face, "tags")
    with pytest.raises(CacheStoreError):
        await invalidate(cache, face, "tags")
    errors = [record for record in ours(caplog.records) if record.levelname == "ERROR"]
    assert ["so it is lost" in record.getMessage() for record in errors] == [False, True]
    assert cache.statistics().invalidations == {"tags": 1}, "the one that was queued"


async def test_an_invalidation_without_tags_calls_no_on_invalidate(
    new_cache: Callable[..., ResponseCache], face: Any
) -> None:
    told: list[tuple[str, ...]] = []
    cache = new_cache("memory://", on_invalidate=told.append)
    await face.forget(cache, ["a"])
    await cache.aclose()
    assert told == []


async def test_a_caller_after_an_invalidation_joins_no_run_without_a_lease(
    memory_cache: ResponseCache, face: Any
) -> None:
    """Redis did not answer the lookup of the run, so nothing tells whether it missed the invalidation."""
    cache, began, go = memory_cache, threading.Event(), threading.Event()
    lose(cache, face, lookup=2)

    def slow() -> str:
        began.set()
        go.wait(60)
        return "old"

    leader = face.begin(cache, ["a"], 60, slow, tags=["t"])
    try:
        assert await asyncio.to_thread(began.wait, 60)
        await face.invalidate(cache, "t")
        async with asyncio.timeout(60):
            later = await face.begin(cache, ["a"], 60, lambda: "new", tags=["t"])
        assert (later.value, later.detail) == ("new", CacheDetail.STORE_FAILURE)
        assert not leader.done()
    finally:
        go.set()
    assert (await leader).value == "old"


@pytest.mark.combined
@pytest.mark.parametrize("what", ["tags", "key", "clear"])
@pytest.mark.parametrize("is_taken", [True, False])
async def test_a_caller_after_an_invalidation_joins_no_run_that_began_before(
    new_cache: Callable[..., ResponseCache], face: Any, what: str, *, is_taken: bool
) -> None:
    cache = new_cache("memory://", invalidate_deadline=0.01)
    flights = face.driver(cache).flights
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    if face.synchronous:

        def slow() -> str:
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
            return "old"

        leader = asyncio.ensure_future(
            asyncio.to_thread(cache.remember_sync, ["a"], 60, slow, tags=["t"])
        )
    else:

        async def slow_async() -> str:
            begun.set()
            await go_on.wait()
            return "old"

        leader = asyncio.ensure_future(cache.remember(["a"], 60, slow_async, tags=["t"]))
    await begun.wait()
    assert flights.is_open(tenant_of(cache).keys(["a"]).entry)
    if not is_taken:
        put_between(cache, face).failure = SILENT
    if what != "key" or is_taken:
        await invalidate(cache, face, what)
        async with asyncio.timeout(60):
            later = asyncio.ensure_future(
                asyncio.to_thread(cache.remember_sync, ["a"], 60, lambda: "new", tags=["t"])
                if face.synchronous
                else read(cache, face)
            )
            assert (await later).value == "new"
    go_on.set()
    assert (await leader).value == "old"
