"""A large value is compressed in a thread, so that it does not block the event loop."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core.drivers.packing import LARGE, Packing
from strawberry_response_cache.core.protocol import Commit, Lease
from strawberry_response_cache.core.protocol.entry import MARKER, ValueRecording
from tests.conftest import Eventually, living
from tests.core.gated_work import GatedWork, gated

LARGE_TEXT = "Middlemarch, " * (LARGE // 10)
SMALL_TEXT = LARGE_TEXT[: LARGE // 2]


async def large() -> str:
    return LARGE_TEXT


async def small() -> str:
    return SMALL_TEXT


@pytest.fixture
def compressing(monkeypatch: pytest.MonkeyPatch) -> Iterator[GatedWork]:
    """What the package compresses."""
    with gated(monkeypatch, "compressobj") as work:
        yield work


async def test_a_large_value_is_compressed_outside_of_the_event_loop(
    valkey_cache: ResponseCache, compressing: GatedWork
) -> None:
    response = await valkey_cache.remember(["a"], 60, large)

    assert (response.value, response.detail) == (LARGE_TEXT, CacheDetail.GENERATED)
    (thread,) = compressing.threads
    assert thread != threading.get_ident()
    assert (await valkey_cache.remember(["a"], 60, small)).value == LARGE_TEXT


async def test_a_smaller_value_is_compressed_at_once(
    valkey_cache: ResponseCache, compressing: GatedWork
) -> None:
    """Handing it to a thread costs the event loop more than it saves."""
    await valkey_cache.remember(["a"], 60, small)

    assert compressing.threads == [threading.get_ident()]


async def test_other_calls_are_answered_while_a_large_value_is_compressed(
    valkey_cache: ResponseCache, compressing: GatedWork, eventually: Eventually
) -> None:
    compressing.go_on.clear()
    storing = asyncio.create_task(valkey_cache.remember(["a"], 60, large))
    await eventually(compressing.began.is_set)

    await valkey_cache.remember(["b"], 60, small)

    assert not storing.done()
    compressing.go_on.set()
    assert (await storing).detail is CacheDetail.GENERATED


async def test_an_invalidation_while_a_large_value_is_compressed_is_not_lost(
    valkey_cache: ResponseCache, compressing: GatedWork, eventually: Eventually
) -> None:
    compressing.go_on.clear()
    storing = asyncio.create_task(valkey_cache.remember(["a"], 60, large, tags=["t"]))
    await eventually(compressing.began.is_set)

    await valkey_cache.invalidate("t")

    compressing.go_on.set()
    assert (await storing).detail is CacheDetail.REFUSED
    assert (await valkey_cache.remember(["a"], 60, small)).value == SMALL_TEXT


async def test_a_large_value_is_stored_although_its_caller_is_cancelled(
    valkey_cache: ResponseCache,
    compressing: GatedWork,
    eventually: Eventually,
    raw_valkey: Any,
) -> None:
    compressing.go_on.clear()
    storing = asyncio.create_task(valkey_cache.remember(["a"], 60, large))
    await eventually(compressing.began.is_set)
    storing.cancel()
    await asyncio.wait({storing})
    assert storing.cancelled()

    compressing.go_on.set()

    keys = tenant_of(valkey_cache).keys(["a"])
    await eventually(lambda: raw_valkey.exists(keys.entry))
    assert not raw_valkey.exists(keys.lease)


async def test_a_large_value_is_stored_where_no_thread_can_be_started(
    valkey_cache: ResponseCache, compressing: GatedWork
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        response = await valkey_cache.remember(["a"], 60, large)

    assert response.detail is CacheDetail.GENERATED
    assert compressing.threads == [threading.get_ident()]


async def test_a_large_value_is_stored_although_the_thread_fails_once(
    valkey_cache: ResponseCache, compressing: GatedWork
) -> None:
    compressing.errors.append(MemoryError())

    assert (await valkey_cache.remember(["a"], 60, large)).detail is CacheDetail.GENERATED
    failed, again = compressing.threads
    assert failed != threading.get_ident()
    assert again == threading.get_ident(), "sending compresses it"


async def test_large_values_are_compressed_in_one_thread(
    valkey_cache: ResponseCache, compressing: GatedWork
) -> None:
    for key in "ab":
        await valkey_cache.remember([key], 60, large)

    assert len(compressing.threads) == 2
    assert len(set(compressing.threads)) == 1


def test_a_small_value_that_is_stored_with_its_marker_is_not_handed_to_a_thread() -> None:
    keys = Keyspace("test").keys(["a"])
    value, marker = ValueRecording(b"small", 1000), ValueRecording(b"{}", 1000, meta=MARKER)
    lease = Lease("token", "epoch", 1)
    commit, passed = Commit(keys, lease, marker, beside=((keys, value),)), list[Commit]()

    Packing().pack(commit, passed.append)

    assert passed == [commit]


async def test_closing_waits_for_what_is_being_compressed(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    compressing: GatedWork,
    eventually: Eventually,
) -> None:
    cache = new_cache(valkey_url)
    compressing.go_on.clear()
    storing = asyncio.create_task(cache.remember(["a"], 60, large))
    await eventually(compressing.began.is_set)
    storing.cancel()
    await asyncio.wait({storing})

    closing = asyncio.create_task(cache.aclose())
    await asyncio.wait({closing}, timeout=0.1)
    assert not closing.done()
    compressing.go_on.set()
    await closing

    assert raw_valkey.exists(tenant_of(cache).keys(["a"]).entry)


async def test_closing_ends_the_thread_that_compresses(
    new_cache: Callable[..., ResponseCache], valkey_url: str, eventually: Eventually
) -> None:
    def is_there() -> bool:
        return any("packing" in each.name for each in threading.enumerate())

    cache = new_cache(valkey_url)
    await cache.remember(["a"], 60, large)
    assert is_there()

    await cache.aclose()

    await eventually(lambda: not is_there())
    await cache.remember(["b"], 60, large)
    assert is_there(), "a cache that is used again has another thread"


async def test_a_large_value_is_freed_from_memory_once_it_is_stored(
    valkey_cache: ResponseCache, eventually: Eventually
) -> None:
    await valkey_cache.remember(["a"], 60, large)

    def is_gone() -> bool:
        gc.collect()
        return not any(isinstance(each, Commit) for each in living())

    await eventually(is_gone)
