"""No caller waits too long for a run that hangs, nor for a run that an invalidation has outdated."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CachedResponse, ResponseCache
from strawberry_response_cache.core._families import all_of_family
from tests.conftest import Eventually, UntilJoined

NewCache = Callable[..., ResponseCache]

VERY_LONG: dict[str, Any] = {"lease": 3600, "wait_budget": 7200}
"""For tests that would not end if somebody waited."""


class Leader:
    """A caller whose generator goes on until it is let go."""

    def __init__(self, face: Any) -> None:
        self._face = face
        self._go = threading.Event()
        self.is_generating = threading.Event()
        self._responses: list[asyncio.Future[CachedResponse[Any]]] = []

    def begin(self, cache: ResponseCache, *, meanwhile: Any = lambda: None, **how: Any) -> None:
        """Begin to generate the entry `a`."""

        def generate() -> str:
            meanwhile()
            self.is_generating.set()
            assert self._go.wait(120)
            return "old"

        self._responses.append(self._face.begin(cache, ["a"], 60, generate, **how))

    async def ends(self) -> CacheDetail:
        """Let it go; return how it ended."""
        self._go.set()
        return (await self._responses[0]).detail


@pytest.fixture
async def leader(face: Any) -> AsyncIterator[Leader]:
    """A caller whose generator hangs for as long as the test takes."""
    made = Leader(face)
    yield made
    await made.ends()


async def ask(face: Any, cache: ResponseCache, **how: Any) -> CachedResponse[Any]:
    """Ask for the entry `a` in another task or thread; a test that would wait for hours fails."""
    async with asyncio.timeout(60):
        response: CachedResponse[Any] = await face.begin(cache, ["a"], 60, lambda: "new", **how)
    return response


async def test_nobody_waits_longer_than_the_wait_budget_for_a_run_that_hangs(
    new_cache: NewCache, url: str, face: Any, leader: Leader, eventually: Eventually
) -> None:
    cache = new_cache(url, lease=0.1, wait_budget=0.2)
    leader.begin(cache)
    await eventually(leader.is_generating.is_set)

    responses = await asyncio.gather(*(ask(face, cache) for _ in range(5)))

    assert {(each.value, each.detail) for each in responses} == {("new", CacheDetail.WAITED_OUT)}


async def test_a_batch_waits_for_a_run_that_hangs_no_longer_than_the_wait_budget(
    new_cache: NewCache, url: str, face: Any, leader: Leader, eventually: Eventually
) -> None:
    cache = new_cache(url, lease=0.1, wait_budget=0.2)
    leader.begin(cache)
    await eventually(leader.is_generating.is_set)
    loads: list[list[list[str]]] = []

    def load(keys: list[list[str]]) -> list[str]:
        loads.append(keys)
        return ["new"] * len(keys)

    async def load_async(keys: list[list[str]]) -> list[str]:
        return load(keys)

    keys = [["a"], ["b"]]
    async with asyncio.timeout(60):
        if face.synchronous:
            values = await asyncio.to_thread(cache.remember_many_sync, keys, 60, load)
        else:
            values = await cache.remember_many(keys, 60, load_async)

    assert values == ["new", "new"]
    assert loads == [[["b"]], [["a"]]], "what nobody else generates is not held up"


@pytest.mark.parametrize("what", ["invalidate", "forget", "clear"])
async def test_a_caller_after_an_invalidation_does_not_wait_for_a_run_from_before(
    new_cache: NewCache, url: str, face: Any, leader: Leader, eventually: Eventually, what: str
) -> None:
    cache = new_cache(url, **VERY_LONG)
    leader.begin(cache, tags=["t"])
    await eventually(leader.is_generating.is_set)
    await face.invalidate_by(cache, what)

    responses = await asyncio.gather(*(ask(face, cache, tags=["t"]) for _ in range(5)))

    assert {each.value for each in responses} == {"new"}
    assert [each.detail for each in responses].count(CacheDetail.GENERATED) == 1
    assert await leader.ends() is CacheDetail.REFUSED
    assert (await ask(face, cache)).value == "new"


async def test_a_caller_after_an_invalidation_of_a_family_does_not_wait_for_a_run_from_before(
    new_cache: NewCache, url: str, face: Any, leader: Leader, eventually: Eventually
) -> None:
    cache = new_cache(url, **VERY_LONG)
    leader.begin(cache, tags=["t:1"])
    await eventually(leader.is_generating.is_set)
    await face.invalidate(cache, *all_of_family("t"))
    assert (await ask(face, cache, tags=["t:1"])).value == "new"
    assert await leader.ends() is CacheDetail.REFUSED


@pytest.mark.parametrize("what", ["invalidate", "forget", "clear"])
async def test_no_caller_waits_for_a_run_from_before_an_invalidation_by_another_process(
    new_cache: NewCache,
    valkey_url: str,
    face: Any,
    leader: Leader,
    eventually: Eventually,
    what: str,
) -> None:
    cache = new_cache(valkey_url, local_bytes=1_000_000, **VERY_LONG)
    other, third = (new_cache(valkey_url, **VERY_LONG) for _ in range(2))
    driver = face.driver(cache)
    await eventually(driver.pub_sub._is_trusted)
    leader.begin(cache, tags=["t"])
    await eventually(leader.is_generating.is_set)
    await face.invalidate_by(other, what)
    await eventually(lambda: not len(driver.flights))

    response = await ask(face, third, tags=["t"])
    assert (response.value, response.detail) == ("new", CacheDetail.GENERATED)
    assert (await ask(face, cache)).value == "new"
    assert await leader.ends() is CacheDetail.REFUSED


async def test_no_caller_waits_for_a_run_after_an_invalidation_of_a_part_that_it_has_read(
    new_cache: NewCache, url: str, face: Any, leader: Leader, eventually: Eventually
) -> None:
    cache = new_cache(url, **VERY_LONG)
    part: Any = (["part"], 60, lambda: "part")
    cache.remember_sync(*part, tags=["of the part"])
    leader.begin(cache, meanwhile=lambda: cache.remember_sync(*part))
    await eventually(leader.is_generating.is_set)
    await face.invalidate(cache, "of the part")

    assert (await ask(face, cache)).detail is CacheDetail.GENERATED
    assert await leader.ends() is CacheDetail.REFUSED


async def test_a_run_that_an_invalidation_does_not_concern_is_shared(
    new_cache: NewCache,
    url: str,
    face: Any,
    leader: Leader,
    eventually: Eventually,
    until_joined: UntilJoined,
) -> None:
    cache = new_cache(url, **VERY_LONG)
    leader.begin(cache, tags=["t"])
    await eventually(leader.is_generating.is_set)
    await face.invalidate(cache, "another")
    await face.forget(cache, ["another"])
    asking = asyncio.create_task(ask(face, cache))
    await until_joined(cache, 1, ["a"], synchronous=face.synchronous)

    assert await leader.ends() is CacheDetail.GENERATED
    assert (await asking).detail is CacheDetail.JOINED
