"""A damaged entry is deleted only if it was not replaced meanwhile, and is generated again once."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from tests.conftest import Eventually
from tests.faults.callers import Callers, giving
from tests.faults.proxy import Proxy


def _flip_the_payload(stored: bytes) -> bytes:
    return stored[:-2] + bytes([stored[-2] ^ 1]) + stored[-1:]


def _flip_the_header(stored: bytes) -> bytes:
    return stored.replace(b"rc1 ", b"rc9 ", 1)


DAMAGES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "truncated": lambda stored: stored[:-1],
    "flipped payload": _flip_the_payload,
    "flipped header": _flip_the_header,
    "foreign": lambda stored: b'{"value": "foreign"}',
}
SEEN_BY_THE_SCRIPT = {"flipped header", "foreign"}
"""The damages that the server's script sees, which reads only the header."""


@pytest.fixture
async def damaged(
    unhurried: ResponseCache, callers: Callers, raw_valkey: Any
) -> Callable[[str], str]:
    """Store an entry, to be damaged in place; that returns its key."""
    await callers.warm_up(unhurried, ["a"], 600, "stored")
    key: str = tenant_of(unhurried).keys(["a"]).entry

    def damage(kind: str) -> str:
        if stored := raw_valkey.get(key):
            raw_valkey.set(key, DAMAGES[kind](stored), keepttl=True)
        return key

    return damage


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_entry_costs_one_more_lookup_at_most(
    proxy: Proxy,
    unhurried: ResponseCache,
    callers: Callers,
    damaged: Callable[[str], str],
    damage: str,
) -> None:
    damaged(damage)
    before = proxy.seen["EVALSHA"]

    response = await callers.remember(unhurried, ["a"], 600, lambda: "new")

    assert (response.value, response.detail) == ("new", CacheDetail.GENERATED)
    looks = proxy.seen["EVALSHA"] - before - 1  # the last one is the commit
    assert looks == (1 if damage in SEEN_BY_THE_SCRIPT else 2)
    assert proxy.seen["EVAL"] <= 2


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_entry_is_generated_once_for_all_callers(
    unhurried: ResponseCache,
    callers: Callers,
    damaged: Callable[[str], str],
    eventually: Eventually,
    damage: str,
) -> None:
    damaged(damage)
    runs: list[int] = []
    all_have_come = threading.Event()

    def generate() -> str:
        runs.append(1)
        all_have_come.wait(60)
        return "new"

    calls = [
        asyncio.create_task(callers.remember(unhurried, ["a"], 600, generate)) for _ in range(20)
    ]
    try:
        await eventually(lambda: callers.waiting(unhurried) == len(calls) - 1)
    finally:
        all_have_come.set()
        responses = await asyncio.gather(*calls)

    assert {response.value for response in responses} == {"new"}
    assert len(runs) == 1


async def test_an_entry_that_replaced_a_damaged_one_is_not_deleted(
    proxy: Proxy,
    direct: ResponseCache,
    unhurried: ResponseCache,
    callers: Callers,
    damaged: Callable[[str], str],
    raw_valkey: Any,
) -> None:
    key = damaged("flipped payload")
    judged = proxy.seen["EVALSHA"] + 1

    def replace() -> None:
        if proxy.seen["EVALSHA"] > judged:
            proxy.before("EVALSHA", lambda: None)
            raw_valkey.unlink(key)
            direct.remember_sync(["a"], 600, lambda: "another's")

    proxy.before("EVALSHA", replace)
    response = await callers.remember(unhurried, ["a"], 600, lambda: "new")

    assert (response.value, response.status) == ("another's", CacheStatus.HIT)
    kept = await callers.remember(direct, ["a"], 600, lambda: "no")
    assert (kept.value, kept.status) == ("another's", CacheStatus.HIT)


async def test_an_entry_replaced_between_its_check_and_its_reading_is_read_anew(
    proxy: Proxy,
    direct: ResponseCache,
    unhurried: ResponseCache,
    callers: Callers,
    raw_valkey: Any,
) -> None:
    await callers.warm_up(unhurried, ["a"], 600, "old")

    def replace() -> None:
        proxy.before("GET", lambda: None)
        direct.invalidate_sync("t")
        direct.remember_sync(["a"], 600, lambda: "new", tags=["t"])

    proxy.before("GET", replace)
    response = await callers.remember(unhurried, ["a"], 600, lambda: "generated")

    assert (response.value, response.status) == ("new", CacheStatus.HIT)


async def test_an_entry_that_is_damaged_again_and_again_is_generated_each_time(
    proxy: Proxy,
    unhurried: ResponseCache,
    callers: Callers,
    damaged: Callable[[str], str],
) -> None:
    for number in range(5):
        proxy.before("GET", lambda: damaged("truncated"))
        before = proxy.seen["EVALSHA"]
        response = await callers.remember(unhurried, ["a"], 600, giving(number))
        assert response.value == number
        assert proxy.seen["EVALSHA"] - before <= 4
