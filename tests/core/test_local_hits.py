"""A hit in local memory takes a faster path, with the same answers."""

import asyncio
import contextvars
import datetime
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strawberry_response_cache.core import (
    CacheConfigurationError,
    CacheDetail,
    CacheStatus,
    ResponseCache,
)
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core._local import keys_of
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core.protocol import Commit, Unavailable, entry
from tests.conftest import Eventually, Face, driver_of
from tests.core.test_memory import local


def never() -> Any:
    message = "a hit was promised"
    raise AssertionError(message)


@pytest.fixture
def local_cache(new_cache: Callable[..., ResponseCache], url: str) -> ResponseCache:
    """A cache whose local memory is trusted however slow the machine is."""
    return new_cache(url, local_bytes=1_000_000)


async def test_a_hit_in_local_memory_has_value_age_and_ttl(
    local_cache: ResponseCache, face: Any
) -> None:
    await local(local_cache, face, ["a"], tags=["t"])
    response = await face.remember(local_cache, ["a"], 60, never, tags=["t"], stale=5)

    assert (response.value, response.status) == ("value", CacheStatus.HIT)
    assert response.detail is CacheDetail.LOCAL
    assert response.age >= 0
    assert 0 < response.ttl <= 60
    assert response.age + response.ttl == pytest.approx(60)


async def test_arguments_in_other_forms_get_the_same_hit_in_local_memory(
    local_cache: ResponseCache, face: Any
) -> None:
    class Name(str):
        __slots__ = ()

    await local(local_cache, face, ["a"])
    for parts, ttl, more in (
        (("a",), 60, {}),
        ([Name("a")], 60, {}),
        (["a"], datetime.timedelta(minutes=1), {}),
        (["a"], lambda _: 60, {}),
        (["a"], 60.0, {"tags": {"t"}, "stale": datetime.timedelta(seconds=1)}),
        (["a"], 60, {"tags": lambda _: ["t"], "background": True}),
    ):
        response = await face.remember(local_cache, parts, ttl, never, **more)
        assert response.detail is CacheDetail.LOCAL


@pytest.mark.parametrize(
    ("ttl", "more"),
    [
        (float("nan"), {}),
        (-1, {}),
        (10**10, {}),
        ("60", {}),
        (True, {}),
        (60, {"stale": -1}),
        (60, {"stale": True}),
        (60, {"tags": "t"}),
        (60, {"tags": [1]}),
        (60, {"tags": None}),
        (60, {"as_type": object()}),
    ],
)
async def test_wrong_arguments_are_refused_also_for_a_hit_in_local_memory(
    local_cache: ResponseCache, face: Any, ttl: Any, more: dict[str, Any]
) -> None:
    await local(local_cache, face, ["a"])
    with pytest.raises((CacheConfigurationError, TypeError)):
        await face.remember(local_cache, ["a"], ttl, never, **more)


async def test_a_ttl_of_zero_generates_although_local_memory_has_the_entry(
    local_cache: ResponseCache, face: Any
) -> None:
    await local(local_cache, face, ["a"])
    response = await face.remember(local_cache, ["a"], 0, lambda: "new")

    assert (response.value, response.status) == ("new", CacheStatus.BYPASS)


async def test_a_compressed_entry_is_unpacked_once(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    face: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "a" * 10_000
    await face.remember(new_cache(valkey_url, compress_above=10), ["a"], 60, lambda: text)
    unpack, unpacked = entry._inflated, []

    def noted(payload: bytes, max_bytes: int | None) -> bytes:
        unpacked.append(len(payload))
        return unpack(payload, max_bytes)

    monkeypatch.setattr(entry, "_inflated", noted)
    cache = new_cache(valkey_url, local_bytes=1_000_000)
    details: list[CacheDetail] = []
    async with asyncio.timeout(120):
        while details.count(CacheDetail.LOCAL) < 3:
            response = await face.remember(cache, ["a"], 60, never)
            assert response.value == text
            details.append(response.detail)
    assert details[0] is CacheDetail.FRESH
    [size] = unpacked
    assert size < 1_000


async def test_tenants_share_no_entry_in_local_memory(
    local_cache: ResponseCache, face: Any
) -> None:
    await local(local_cache, face, ["a"])
    for tenant in ("one", "two"):
        narrowed = local_cache.for_tenant(tenant)
        first = await face.remember(narrowed, ["a"], 60, lambda t=tenant: t)
        again = await face.remember(narrowed, ["a"], 60, never)
        assert (first.value, again.value) == (tenant, tenant)


async def test_a_local_entry_that_does_not_fit_as_type_is_generated_again(
    local_cache: ResponseCache, face: Any
) -> None:
    await local(local_cache, face, ["a"])
    response = await face.remember(local_cache, ["a"], 60, lambda: 1, as_type=int)

    assert (response.value, response.status) == (1, CacheStatus.MISS)


@pytest.mark.parametrize(("slots", "detail"), [(1, CacheDetail.LOCAL), (8, CacheDetail.FRESH)])
async def test_a_part_is_read_from_local_memory_only_if_its_clock_is_that_of_the_whole(
    new_cache: Callable[..., ResponseCache],
    url: str,
    face: Any,
    slots: int,
    detail: CacheDetail,
) -> None:
    """Each slot has a clock of its own, which says nothing about values in other slots."""
    cache = new_cache(url, local_bytes=1_000_000, slots_per_tenant=slots)
    await local(cache, face, ["part"])
    found: list[CacheDetail] = []

    if face.synchronous:
        cache.remember_sync(
            ["whole"],
            60,
            lambda: found.append(cache.remember_sync(["part"], 60, never).detail),
        )
    else:

        async def generate() -> None:
            found.append((await cache.remember(["part"], 60, never)).detail)

        await cache.remember(["whole"], 60, generate)
    assert found == [detail]


async def test_invalidating_a_part_that_was_a_local_hit_invalidates_the_whole(
    local_cache: ResponseCache, face: Any
) -> None:
    await local(local_cache, face, ["part"], tags=["t"])

    if face.synchronous:

        def generate() -> Any:
            return local_cache.remember_sync(["part"], 60, never).value

        local_cache.remember_sync(["whole"], 60, generate)
    else:

        async def generate_async() -> Any:
            return (await local_cache.remember(["part"], 60, never)).value

        await local_cache.remember(["whole"], 60, generate_async)
    await face.invalidate(local_cache, "t")

    assert (await face.remember(local_cache, ["whole"], 60, lambda: "new")).value == "new"


async def test_local_memory_is_not_read_while_an_invalidation_is_pending(
    local_cache: ResponseCache, face: Any
) -> None:
    await local(local_cache, face, ["a"])
    queue = tenant_of(local_cache).engine.queue
    queue.add(tenant_of(local_cache).keyspace, ("t",), Unavailable("x"))
    running = queue.replay()  # by another caller, who waits for Redis
    next(running)

    response = await face.remember(local_cache, ["a"], 60, lambda: "new")
    assert (response.value, response.detail) == ("new", CacheDetail.INVALIDATION_PENDING)


async def test_the_heartbeat_of_local_memory_is_heard_again_and_again(
    new_cache: Callable[..., ResponseCache], url: str, face: Any, eventually: Eventually
) -> None:
    cache = new_cache(url, local_bytes=1_000_000, local_max_lag=0.4)
    await local(cache, face, ["a"])
    driver: Any = face.driver(cache)
    (heartbeat,) = driver.pub_sub._backplane._heartbeats.values()
    heard: set[float] = set()

    def is_heard_again_and_again() -> bool:
        heard.add(heartbeat._heard_at)
        return len(heard) > 8

    await eventually(is_heard_again_and_again)


class Impostor(str):
    """Claims to be equal to another string."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other == "a"

    def __hash__(self) -> int:
        return hash("a")


def test_a_key_part_that_claims_to_equal_another_gets_keys_of_its_own() -> None:
    keyspace = Keyspace("test")

    assert keys_of(keyspace, [Impostor("b")]) == keys_of(keyspace, ["b"])
    assert keys_of(keyspace, ["a"]) != keys_of(keyspace, [Impostor("b")])


@given(st.lists(st.text()), st.sampled_from([list, tuple]), st.integers(1, 3))
def test_memoized_keys_equal_keys_that_are_computed_anew(
    parts: list[str], kind: Callable[[list[str]], Any], slots_per_tenant: int
) -> None:
    for keyspace in (
        Keyspace("test", slots_per_tenant=slots_per_tenant),
        Keyspace("test", ("t",), slots_per_tenant),
    ):
        for _ in range(2):
            assert keys_of(keyspace, kind(parts)) == keyspace.keys(parts)


@pytest.mark.usefixtures("older")  # the collector is asked many times
async def test_a_subscription_keeps_no_context_variable_of_the_request_that_began_it(
    new_cache: Callable[..., ResponseCache], valkey_url: str, eventually: Eventually
) -> None:
    hurried = {"read_deadline": 1, "connect_deadline": 1}  # until then, timers keep it as well

    class User:
        pass

    current: contextvars.ContextVar[User] = contextvars.ContextVar("current")

    async def value() -> int:
        return 1

    async def request() -> weakref.ref[User]:
        user = User()
        current.set(user)
        cache = new_cache(valkey_url, local_bytes=1_000_000, **hurried)
        await cache.remember(["a"], 60, value)
        return weakref.ref(user)

    user = await asyncio.create_task(request())
    await eventually(lambda: gc.collect() >= 0 and user() is None)


async def test_an_entry_that_is_invalidated_while_the_store_is_asked_is_not_kept(
    local_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The middleware asks for entries in this way."""
    tenant, face = tenant_of(local_cache), Face(synchronous=False)
    keys = tenant.keys(["a"])
    await local(local_cache, face, ["a"], tags=["t"])
    memory = tenant.memory()
    assert memory is not None
    memory.drop(keys)
    asking: Any = type(driver_of(local_cache).lookups)
    find = asking.find

    async def found(*given: Any) -> Any:
        answer = await find(*given)
        await local_cache.invalidate("t")
        return answer

    monkeypatch.setattr(asking, "find", found)
    assert await tenant.find(keys, Subject("test")) is not None
    assert memory.get(keys) is None


async def test_a_value_that_is_invalidated_while_it_is_stored_is_not_kept(
    local_cache: ResponseCache, face: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The invalidation comes after the script has stored the value, and before its caller goes on."""
    await local(local_cache, face, ["trusted"])
    driver: Any = type(face.driver(local_cache))
    ask, invalidated = driver._ask, []

    def asked(*given: Any) -> Any:
        answer = ask(*given)
        if isinstance(given[-2], Commit):
            local_cache.invalidate_sync("t")
            invalidated.append("t")
        return answer

    async def asked_in_a_loop(*given: Any) -> Any:
        answer = await ask(*given)
        if isinstance(given[-2], Commit):
            await local_cache.invalidate("t")
            invalidated.append("t")
        return answer

    monkeypatch.setattr(driver, "_ask", asked if face.synchronous else asked_in_a_loop)
    await face.remember(local_cache, ["a"], 60, lambda: "old", tags=["t"])
    assert invalidated == ["t"]
    monkeypatch.undo()
    response = await face.remember(local_cache, ["a"], 60, lambda: "new", tags=["t"])
    assert response.value == "new"
