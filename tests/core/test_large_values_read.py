"""A large value is unpacked in a thread, so that it does not block the event loop."""

import asyncio
import random
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core.drivers.packing import AT_ONCE
from tests.conftest import Eventually
from tests.core.gated_work import GatedWork, gated

# Half of it is left when it is compressed.
LARGE_TEXT = random.Random(1).randbytes(AT_ONCE).hex()  # noqa: S311 - the same in each run
SMALL_TEXT = LARGE_TEXT[:100_000]
assert len(zlib.compress(LARGE_TEXT.encode())) > AT_ONCE


async def large() -> str:
    return LARGE_TEXT


async def small() -> str:
    return SMALL_TEXT


async def other() -> str:
    return "other"


@pytest.fixture
def unpacking(monkeypatch: pytest.MonkeyPatch) -> Iterator[GatedWork]:
    """What the package unpacks."""
    with gated(monkeypatch, "decompressobj") as work:
        yield work


async def test_a_large_value_is_unpacked_outside_of_the_event_loop(
    valkey_cache: ResponseCache, unpacking: GatedWork
) -> None:
    await valkey_cache.remember(["a"], 60, large)

    response = await valkey_cache.remember(["a"], 60, other)

    assert (response.value, response.detail) == (LARGE_TEXT, CacheDetail.FRESH)
    (thread,) = unpacking.threads
    assert thread != threading.get_ident()


async def test_a_smaller_value_is_unpacked_at_once(
    valkey_cache: ResponseCache, unpacking: GatedWork
) -> None:
    """Handing it to a thread costs the event loop more than it saves."""
    await valkey_cache.remember(["a"], 60, small)

    assert (await valkey_cache.remember(["a"], 60, other)).value == SMALL_TEXT
    assert unpacking.threads == [threading.get_ident()]


async def test_other_calls_are_answered_while_a_large_value_is_unpacked(
    valkey_cache: ResponseCache, unpacking: GatedWork, eventually: Eventually
) -> None:
    await valkey_cache.remember(["a"], 60, large)
    unpacking.go_on.clear()
    reading = asyncio.create_task(valkey_cache.remember(["a"], 60, other))
    await eventually(unpacking.began.is_set)

    await valkey_cache.remember(["b"], 60, small)

    assert not reading.done()
    unpacking.go_on.set()
    assert (await reading).value == LARGE_TEXT


async def test_lookups_sent_together_with_that_of_a_large_value_are_answered(
    valkey_cache: ResponseCache, unpacking: GatedWork
) -> None:
    await valkey_cache.remember(["a"], 60, large)
    await valkey_cache.remember(["b"], 60, small)

    found = await asyncio.gather(
        *(valkey_cache.remember([key], 60, other) for key in ("a", "b", "c"))
    )

    assert [each.value for each in found] == [LARGE_TEXT, SMALL_TEXT, "other"]
    assert [each.status for each in found] == [CacheStatus.HIT] * 2 + [CacheStatus.MISS]
    assert threading.get_ident() not in unpacking.threads


@pytest.mark.parametrize("local_bytes", [0, 10_000_000])
async def test_an_invalidation_while_a_large_value_is_unpacked_is_not_lost(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    unpacking: GatedWork,
    eventually: Eventually,
    local_bytes: int,
) -> None:
    """Local memory does not keep what was read before the invalidation."""
    writing = new_cache(valkey_url)
    await writing.remember(["a"], 60, large, tags=["t"])
    reading = new_cache(valkey_url, local_bytes=local_bytes)
    await reading.remember(["warm"], 60, other)
    unpacking.go_on.clear()
    first = asyncio.create_task(reading.remember(["a"], 60, other))
    await eventually(unpacking.began.is_set)

    await reading.invalidate("t")

    unpacking.go_on.set()
    await first
    assert (await reading.remember(["a"], 60, other)).value == "other"


async def test_a_caller_that_is_cancelled_while_its_large_value_is_unpacked_leaves_no_lease(
    valkey_cache: ResponseCache, unpacking: GatedWork, eventually: Eventually, raw_valkey: Any
) -> None:
    await valkey_cache.remember(["a"], 60, large)
    unpacking.go_on.clear()
    reading = asyncio.create_task(valkey_cache.remember(["a"], 60, other))
    await eventually(unpacking.began.is_set)
    reading.cancel()
    await asyncio.wait({reading})
    assert reading.cancelled()

    unpacking.go_on.set()

    assert (await valkey_cache.remember(["a"], 60, other)).value == LARGE_TEXT
    assert not raw_valkey.exists(tenant_of(valkey_cache).keys(["a"]).lease)


async def test_a_large_value_is_unpacked_at_once_where_no_thread_can_be_started(
    valkey_cache: ResponseCache, unpacking: GatedWork
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    await valkey_cache.remember(["a"], 60, large)
    await valkey_cache.aclose()  # the thread that compressed has ended
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        response = await valkey_cache.remember(["a"], 60, other)

    assert response.value == LARGE_TEXT
    assert unpacking.threads == [threading.get_ident()]


async def test_a_caller_generates_where_the_thread_that_unpacks_fails(
    valkey_cache: ResponseCache, unpacking: GatedWork
) -> None:
    await valkey_cache.remember(["a"], 60, large)
    unpacking.errors.append(MemoryError())

    response = await valkey_cache.remember(["a"], 60, other)

    assert (response.value, response.status) == ("other", CacheStatus.BYPASS)
    assert (await valkey_cache.remember(["a"], 60, other)).value == LARGE_TEXT


async def test_a_damaged_large_value_is_generated_again(
    valkey_cache: ResponseCache, unpacking: GatedWork, raw_valkey: Any
) -> None:
    await valkey_cache.remember(["a"], 60, large)
    raw_valkey.setrange(tenant_of(valkey_cache).keys(["a"]).entry, AT_ONCE, b"damage")

    response = await valkey_cache.remember(["a"], 60, other)

    assert (response.value, response.status) == ("other", CacheStatus.MISS)
    assert unpacking.threads == [], "its checksum is compared first"
    assert (await valkey_cache.remember(["a"], 60, large)).value == "other"


async def test_closing_waits_for_what_is_being_unpacked(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    unpacking: GatedWork,
    eventually: Eventually,
) -> None:
    cache = new_cache(valkey_url)
    await cache.remember(["a"], 60, large)
    unpacking.go_on.clear()
    reading = asyncio.create_task(cache.remember(["a"], 60, other))
    await eventually(unpacking.began.is_set)

    closing = asyncio.create_task(cache.aclose())
    await asyncio.wait({closing}, timeout=0.1)
    assert not closing.done()
    unpacking.go_on.set()
    await closing

    assert (await reading).value == LARGE_TEXT
