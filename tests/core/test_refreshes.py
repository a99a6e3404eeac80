"""When a value is refreshed: early, in the background, and not all values at the same time."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from strawberry_response_cache.core import (
    CacheDetail,
    CacheSerializationError,
    CacheStatus,
    ResponseCache,
)
from strawberry_response_cache.core._cache import tenant_of
from tests.conftest import Eventually, driver_of


def make_dear(raw: Any, cache: ResponseCache, parts: list[str], cost_ms: int) -> None:
    """Store an entry again as if it had cost that much."""
    make_dear_at(raw, tenant_of(cache).keys(parts).entry, cost_ms)


def make_dear_at(raw: Any, key: Any, cost_ms: int) -> None:
    """Store the entry of a key again as if it had cost that much."""
    from strawberry_response_cache.core.protocol.entry import decode, encode

    entry = decode(raw.get(key), pttl_ms=60_000)
    recording = replace(entry.recording, cost_ms=cost_ms)
    stored = encode(recording, write_id=entry.write_id, epoch=entry.epoch, clock=entry.clock)
    raw.set(key, stored, keepttl=True)


async def test_an_expensive_entry_is_refreshed_before_it_expires(
    new_cache: Callable[..., ResponseCache], url: str, face: Any, raw_of: Callable[..., Any]
) -> None:
    cache = new_cache(url, early_refresh=100)
    await face.remember(cache, ["a"], 60, lambda: "old")
    make_dear(raw_of(cache), cache, ["a"], cost_ms=10**9)

    response = await face.remember(cache, ["a"], 60, lambda: "new")

    assert (response.value, response.detail) == ("new", CacheDetail.GENERATED)


async def test_the_old_value_is_served_while_another_process_refreshes_it_early(
    new_cache: Callable[..., ResponseCache], url: str, face: Any, raw_of: Callable[..., Any]
) -> None:
    cache = new_cache(url, early_refresh=100)
    await face.remember(cache, ["a"], 60, lambda: "old")
    make_dear(raw_of(cache), cache, ["a"], cost_ms=10**9)
    raw_of(cache).set(tenant_of(cache).keys(["a"]).lease, "another process", px=60_000)

    response = await face.remember(cache, ["a"], 60, lambda: "no")

    assert (response.value, response.detail) == ("old", CacheDetail.FRESH)


async def test_an_early_refresh_that_fails_serves_the_old_value(
    new_cache: Callable[..., ResponseCache], url: str, face: Any, raw_of: Callable[..., Any]
) -> None:
    cache = new_cache(url, early_refresh=100)
    await face.remember(cache, ["a"], 60, lambda: "old")
    make_dear(raw_of(cache), cache, ["a"], cost_ms=10**9)

    def fail() -> str:
        raise LookupError

    response = await face.remember(cache, ["a"], 60, fail)
    assert (response.value, response.detail) == ("old", CacheDetail.FRESH)


def lease_of(raw: Any, cache: ResponseCache) -> bytes:
    """Return what stands under the lease of the entry `a`."""
    return bytes(raw.get(tenant_of(cache).keys(["a"]).lease) or b"")


@pytest.mark.parametrize("what", ["invalidate", "forget", "clear", "its end"])
async def test_a_caller_generates_at_once_if_a_refresh_failed_and_the_stale_value_is_gone(
    new_cache: Callable[..., ResponseCache],
    url: str,
    face: Any,
    raw_of: Callable[..., Any],
    eventually: Eventually,
    what: str,
) -> None:
    """The lease of a failed refresh keeps others from trying; it is not a run to wait for."""
    cache = new_cache(url, lease=3600, wait_budget=7200)
    raw, entry = raw_of(cache), tenant_of(cache).keys(["a"]).entry
    await face.remember(cache, ["a"], 60, lambda: "old", stale=600, tags=["t"])
    make_stale(cache, raw, ["a"])

    def fail() -> str:
        raise LookupError

    for _ in range(2):  # the second is not asked
        failed = await face.remember(cache, ["a"], 60, fail, stale=600, tags=["t"])
        assert (failed.value, failed.detail) == ("old", CacheDetail.STALE)
        await eventually(lambda: lease_of(raw, cache).startswith(b"- "))
    if what == "its end":
        raw.delete(entry)
    else:
        await face.invalidate_by(cache, what)

    async with asyncio.timeout(60):
        again = await face.remember(cache, ["a"], 60, lambda: "new", stale=600, tags=["t"])
    assert (again.value, again.detail) == ("new", CacheDetail.GENERATED)


async def test_a_caller_that_waits_for_a_refresh_is_woken_when_it_fails(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    eventually: Eventually,
) -> None:
    cache, other = new_cache(valkey_url), new_cache(valkey_url)
    raw, entry = raw_valkey, tenant_of(cache).keys(["a"]).entry
    fails = asyncio.Event()

    async def value() -> str:
        return "value"

    async def refresh() -> str:
        await fails.wait()
        raise LookupError

    await cache.remember(["a"], 60, value, stale=600)
    make_stale(cache, raw, ["a"])
    refreshing = asyncio.create_task(cache.remember(["a"], 60, refresh, stale=600))
    await eventually(lambda: lease_of(raw, cache))
    raw.delete(entry)
    waiting = asyncio.create_task(other.remember(["a"], 60, value, stale=600))
    await eventually(lambda: lease_of(raw, cache).endswith(b"!"))
    fails.set()

    assert (await refreshing).detail is CacheDetail.STALE
    assert (await waiting).detail is CacheDetail.GENERATED


@pytest.mark.parametrize("what", ["invalidate", "clear"])
async def test_no_caller_waits_for_a_refresh_of_an_entry_that_was_invalidated_meanwhile(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    face: Any,
    raw_valkey: Any,
    eventually: Eventually,
    what: str,
) -> None:
    """The refreshed value will be refused, whichever process generates it."""
    cache, other = (new_cache(valkey_url, lease=3600, wait_budget=7200) for _ in range(2))
    raw = raw_valkey
    go = threading.Event()

    def refresh() -> str:
        assert go.wait(60)
        return "outdated"

    await face.remember(cache, ["a"], 60, lambda: "old", stale=600, tags=["t"])
    make_stale(cache, raw, ["a"])
    refreshing = face.begin(cache, ["a"], 60, refresh, stale=600, tags=["t"])
    try:
        await eventually(lambda: lease_of(raw, cache))
        await face.invalidate_by(other, what)
        async with asyncio.timeout(60):
            again = await face.remember(other, ["a"], 60, lambda: "new", tags=["t"])
        assert (again.value, again.detail) == ("new", CacheDetail.GENERATED)
    finally:
        go.set()
    assert (await refreshing).detail is CacheDetail.REFUSED
    assert (await face.remember(cache, ["a"], 60, lambda: "no", tags=["t"])).value == "new"


async def test_a_caller_waits_for_a_refresh_after_an_invalidation_of_another_tag(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    eventually: Eventually,
) -> None:
    cache, other = new_cache(valkey_url), new_cache(valkey_url)
    raw, go = raw_valkey, asyncio.Event()

    async def value() -> str:
        return "value"

    async def refresh() -> str:
        await go.wait()
        return "new"

    await cache.remember(["a"], 60, value, stale=600, tags=["t"])
    make_stale(cache, raw, ["a"])
    refreshing = asyncio.create_task(cache.remember(["a"], 60, refresh, stale=600, tags=["t"]))
    await eventually(lambda: lease_of(raw, cache))
    await other.invalidate("another tag")
    raw.delete(tenant_of(cache).keys(["a"]).entry)
    waiting = asyncio.create_task(other.remember(["a"], 60, value, tags=["t"]))
    await eventually(lambda: lease_of(raw, cache).endswith(b"!"))
    go.set()

    assert (await refreshing).detail is CacheDetail.GENERATED
    assert (await waiting).value == "new"


async def test_a_cheap_entry_is_not_refreshed_before_it_expires(
    new_cache: Callable[..., ResponseCache], url: str, face: Any
) -> None:
    cache = new_cache(url, early_refresh=1)
    await face.remember(cache, ["a"], 600, lambda: "old")

    assert (await face.remember(cache, ["a"], 600, lambda: "no")).value == "old"


async def test_jitter_shortens_the_ttl_and_never_extends_it(
    new_cache: Callable[..., ResponseCache], face: Any
) -> None:
    cache = new_cache("memory://", jitter=0.5)
    ttls = [
        (await face.remember(cache, [str(number)], 100, lambda: "value")).ttl
        for number in range(30)
    ]

    assert all(50 <= ttl <= 100 for ttl in ttls)
    assert len(set(ttls)) > 10


async def test_the_setting_stale_is_the_default_stale_window(
    new_cache: Callable[..., ResponseCache], url: str, face: Any, raw_of: Callable[..., Any]
) -> None:
    cache = new_cache(url, stale=600)
    await face.remember(cache, ["a"], 60, lambda: "old")
    await face.remember(cache, ["b"], 60, lambda: "old", stale=0)
    raw = raw_of(cache)

    assert raw.pttl(tenant_of(cache).keys(["a"]).entry) > 600_000
    assert raw.pttl(tenant_of(cache).keys(["b"]).entry) <= 60_000


# -- In the background -------------------------------------------------------------------------------


def make_stale(cache: ResponseCache, raw: Any, parts: list[str]) -> None:
    raw.pexpire(tenant_of(cache).keys(parts).entry, 100_000)


async def test_a_refresh_in_the_background_serves_the_old_value_at_once(
    cache: ResponseCache, raw: Any, eventually: Eventually
) -> None:
    go = asyncio.Event()

    async def generate() -> str:
        await go.wait()
        return "new"

    async def old() -> str:
        return "old"

    await cache.remember(["a"], 60, old, stale=600)
    make_stale(cache, raw, ["a"])

    response = await cache.remember(["a"], 60, generate, stale=600, background=True)
    assert (response.value, response.detail) == ("old", CacheDetail.STALE)
    go.set()
    await cache.aclose()

    assert (await cache.remember(["a"], 60, old)).value == "new"


async def test_a_sync_background_refresh_serves_the_old_value_at_once_and_runs_in_a_thread(
    cache: ResponseCache, raw: Any, eventually: Eventually
) -> None:
    go, threads = threading.Event(), []

    def generate() -> str:
        assert go.wait(60)
        threads.append(threading.current_thread())
        return "new"

    cache.remember_sync(["a"], 60, lambda: "old", stale=600)
    make_stale(cache, raw, ["a"])

    response = cache.remember_sync(["a"], 60, generate, stale=600, background=True)
    assert (response.value, response.detail) == ("old", CacheDetail.STALE)
    go.set()
    cache.close()

    assert cache.remember_sync(["a"], 60, lambda: "no").value == "new"
    assert threading.current_thread() not in threads


async def test_above_max_background_the_old_value_is_served_and_a_later_caller_refreshes_it(
    new_cache: Callable[..., ResponseCache], url: str, face: Any, raw_of: Callable[..., Any]
) -> None:
    cache = new_cache(url, max_background=0)
    await face.remember(cache, ["a"], 60, lambda: "old", stale=600)
    make_stale(cache, raw_of(cache), ["a"])

    for _ in range(2):
        response = await face.remember(cache, ["a"], 60, lambda: "no", stale=600, background=True)
        assert (response.value, response.detail) == ("old", CacheDetail.STALE)
    await cache.aclose()
    again = await face.remember(cache, ["a"], 60, lambda: "new", stale=600)
    assert (again.value, again.status) == ("new", CacheStatus.MISS)


@pytest.mark.parametrize("most", [1, 2])
def test_as_many_threads_refresh_at_once_as_max_background_allows(
    raw_of: Callable[..., Any], most: int
) -> None:
    with ResponseCache.from_url("memory://", prefix="room", max_background=most) as cache:
        raw, go, began = raw_of(cache), threading.Event(), threading.Semaphore(0)
        keys = [[f"key {number}"] for number in range(most + 1)]
        names: list[str] = []
        for parts in keys:
            cache.remember_sync(parts, 60, lambda: "old", stale=600)
            make_stale(cache, raw, parts)

        def refresh() -> str:
            names.append(threading.current_thread().name)
            began.release()
            go.wait(60)
            return "new"

        for parts in keys:
            response = cache.remember_sync(parts, 60, refresh, stale=600, background=True)
            assert (response.value, response.detail) == ("old", CacheDetail.STALE)
        for _ in range(most):
            assert began.acquire(timeout=60)
        go.set()
        cache.close()
        assert len(names) == most
        assert all(name.startswith("response-cache_") for name in names)


async def test_a_background_refresh_that_fails_is_logged_and_the_old_value_is_served(
    cache: ResponseCache, raw: Any, face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        msg = "hunter2"
        raise LookupError(msg)

    await face.remember(cache, ["a"], 60, lambda: "old", stale=600)
    make_stale(cache, raw, ["a"])

    assert (await face.remember(cache, ["a"], 60, fail, stale=600, background=True)).value == "old"
    await cache.aclose()

    (record,) = [r for r in caplog.records if "refresh failed" in r.message]
    assert "hunter2" not in f"{vars(record)}"


@pytest.mark.parametrize("fails", [False, True], ids=["it succeeds", "it fails"])
async def test_a_refresh_that_has_ended_no_longer_counts_towards_max_background(
    new_cache: Callable[..., ResponseCache],
    url: str,
    face: Any,
    raw_of: Callable[..., Any],
    eventually: Eventually,
    fails: bool,
) -> None:
    cache = new_cache(url, max_background=1)
    raw, runs = raw_of(cache), 0

    def generate() -> str:
        nonlocal runs
        runs += 1
        if fails:
            raise LookupError
        return f"run {runs}"

    for number in (1, 2, 3):
        parts = [f"key {number}"]
        await face.remember(cache, parts, 60, lambda: "old", stale=600)
        make_stale(cache, raw, parts)
        # The room of the one before is given back a moment after its value is there.
        refreshed = f"run {number}"

        async def ask(parts: list[str] = parts) -> Any:
            return await face.remember(cache, parts, 60, generate, stale=600, background=True)

        async with asyncio.timeout(60):
            while runs < number:
                assert (await ask()).value in {"old", refreshed}
                await asyncio.sleep(0.002)
    assert runs == 3


async def test_a_refresh_whose_thread_cannot_start_blocks_no_later_refresh(
    new_cache: Callable[..., ResponseCache], url: str, raw_of: Callable[..., Any]
) -> None:
    cache = new_cache(url, max_background=1)
    cache.remember_sync(["a"], 60, lambda: "old", stale=600)
    make_stale(cache, raw_of(cache), ["a"])

    def ask() -> Any:
        return cache.remember_sync(["a"], 60, lambda: "new", stale=600, background=True)

    driver_of(cache, synchronous=True)._background.shutdown()  # as where the interpreter ends
    assert ask().value == "old"
    driver_of(cache, synchronous=True).drain()
    async with asyncio.timeout(60):
        while ask().value == "old":
            await asyncio.sleep(0.002)


async def test_entries_read_by_a_background_refresh_are_no_parts_of_its_callers_value(
    new_cache: Callable[..., ResponseCache], url: str, raw_of: Callable[..., Any]
) -> None:
    """Entries that the refresh reads are parts of the refreshed value only."""
    cache = new_cache(url, early_refresh=100)
    taken, leave = asyncio.Event(), asyncio.Event()

    async def value() -> str:
        return "value"

    async def refresh() -> str:
        await cache.remember(["unfit"], 60, value, cacheable=lambda _: False)
        taken.set()
        await leave.wait()
        return "refreshed"

    async def whole() -> str:
        part = await cache.remember(["part"], 60, refresh, background=True)
        await taken.wait()
        return f"made of {part.value}"

    await cache.remember(["part"], 60, value)
    make_dear(raw_of(cache), cache, ["part"], cost_ms=10**9)
    response = await cache.remember(["whole"], 60, whole)
    leave.set()
    assert (response.value, response.detail) == ("made of value", CacheDetail.GENERATED)


def test_entries_read_by_a_sync_background_refresh_are_no_parts_of_its_callers_value(
    new_cache: Callable[..., ResponseCache], url: str, raw_of: Callable[..., Any]
) -> None:
    cache = new_cache(url, early_refresh=100)
    taken, leave = threading.Event(), threading.Event()

    def refresh() -> str:
        cache.remember_sync(["unfit"], 60, lambda: "value", cacheable=lambda _: False)
        taken.set()
        assert leave.wait(60)
        return "refreshed"

    def whole() -> str:
        part = cache.remember_sync(["part"], 60, refresh, background=True)
        assert taken.wait(60)
        return f"made of {part.value}"

    cache.remember_sync(["part"], 60, lambda: "value")
    make_dear(raw_of(cache), cache, ["part"], cost_ms=10**9)
    try:
        response = cache.remember_sync(["whole"], 60, whole)
    finally:
        leave.set()
    assert (response.value, response.detail) == ("made of value", CacheDetail.GENERATED)


# -- What cannot be stored ---------------------------------------------------------------------------


async def test_with_strict_off_a_value_that_cannot_be_stored_is_returned_and_logged(
    new_cache: Callable[..., ResponseCache], face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    strict, lenient = new_cache("memory://"), new_cache("memory://", strict=False)
    with pytest.raises(CacheSerializationError):
        await face.remember(strict, ["a"], 60, lambda: (1, 2))

    response = await face.remember(lenient, ["a"], 60, lambda: (1, 2))

    assert (response.value, response.detail) == ((1, 2), CacheDetail.UNCACHEABLE)
    assert "returned without being stored" in caplog.text


# -- Values that turned out not to be shared ---------------------------------------------------------


async def test_after_a_value_was_not_stored_callers_of_its_key_do_not_wait_for_each_other(
    cache: ResponseCache, eventually: Eventually
) -> None:
    running = 0
    go = asyncio.Event()

    async def generate() -> str:
        nonlocal running
        running += 1
        await go.wait()
        return "value"

    async def quick() -> str:
        return "value"

    veto: Any = {"cacheable": lambda _: False}
    await cache.remember(["a"], 60, quick, **veto)
    callers = [asyncio.create_task(cache.remember(["a"], 60, generate, **veto)) for _ in range(5)]
    await eventually(lambda: running == 5)
    go.set()
    details = {response.detail for response in await asyncio.gather(*callers)}

    assert details == {CacheDetail.UNCACHEABLE}


async def test_the_mark_of_a_value_that_was_not_stored_is_removed_once_one_is_stored(
    cache: ResponseCache, face: Any
) -> None:
    await face.remember(cache, ["a"], 60, lambda: "value", cacheable=lambda _: False)
    await face.remember(cache, ["a"], 60, lambda: "value")

    assert (await face.remember(cache, ["a"], 60, lambda: "no")).status is CacheStatus.HIT
    driver = face.driver(cache)
    assert not driver.flights.marks


# -- Compression ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress_above", [0, 10**9])
async def test_large_values_come_back_whole_compressed_or_not(
    new_cache: Callable[..., ResponseCache],
    url: str,
    face: Any,
    raw_of: Callable[..., Any],
    compress_above: int,
) -> None:
    cache = new_cache(url, compress_above=compress_above)
    value = ["row"] * 10_000
    await face.remember(cache, ["a"], 60, lambda: value)

    response = await face.remember(cache, ["a"], 60, lambda: "no")
    assert (response.value, response.status) == (value, CacheStatus.HIT)
    size = raw_of(cache).strlen(tenant_of(cache).keys(["a"]).entry)
    assert (size < 2_000) == (compress_above == 0)


@pytest.mark.parametrize(
    "large",
    ["x" * 10**6, int("1" * 4000)],
    ids=["a text", "digits, of which fewer are a number too"],
)
async def test_an_entry_that_unpacks_to_more_than_the_bound_is_a_miss(
    new_cache: Callable[..., ResponseCache], url: str, face: Any, large: object
) -> None:
    generous = new_cache(url, compress_above=0, max_entry_bytes=10**8)
    await face.remember(generous, ["a"], 60, lambda: large)
    careful = ResponseCache(
        tenant_of(generous).engine.handle,
        prefix="test",
        settings=tenant_of(generous).engine.settings.model_copy(update={"max_entry_bytes": 1000}),
        telemetry=False,
    )

    response = await face.remember(careful, ["a"], 60, lambda: "small")
    await careful.aclose()

    assert (response.value, response.status) == ("small", CacheStatus.MISS)
