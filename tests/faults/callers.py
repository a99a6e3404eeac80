"""Callers of both faces, who never wait for ever."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

from strawberry_response_cache.core import CachedResponse, CacheStatus, ResponseCache
from tests.conftest import driver_of, joined

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.conftest import Face

T = TypeVar("T")

GIVEN_UP = 60
"""Seconds after which a call hangs."""


class Callers:
    """Calls a cache through one face: in the loop, or each call in a thread of its own.

    No call is waited for without end. Generators are plain functions that may block.
    """

    def __init__(self, face: "Face", threads: ThreadPoolExecutor) -> None:
        self._face = face
        self._threads = threads

    async def remember(
        self,
        cache: ResponseCache,
        parts: Any,
        ttl: Any,
        generator: Callable[[], Any],
        **more: Any,
    ) -> CachedResponse[Any]:
        if self._face.synchronous:
            return await self._in_a_thread(
                self._face.remember(cache, parts, ttl, generator, **more)
            )

        async def generate() -> Any:
            return await self._somewhere(generator)

        call = cache.remember(parts, ttl, generate, **more)
        return await asyncio.wait_for(call, GIVEN_UP)

    async def invalidate_by(self, cache: ResponseCache, what: str) -> None:
        """Invalidate as `Face.invalidate_by` does."""
        call = self._face.invalidate_by(cache, what)
        if self._face.synchronous:
            await self._in_a_thread(call)
        else:
            await asyncio.wait_for(call, GIVEN_UP)

    async def warm_up(self, cache: ResponseCache, parts: Any, ttl: Any, value: Any) -> None:
        """Store a value, and read it until it is a hit: the cache is connected then."""
        for _ in range(100):
            response = await self.remember(cache, parts, ttl, lambda: value, tags=["t"])
            if response.status is CacheStatus.HIT and response.value == value:
                return
        pytest.fail("the cache never had a hit")

    async def settled(self, cache: ResponseCache) -> None:
        """Wait until nothing is under way in the background."""
        if self._face.synchronous:
            await self._somewhere(driver_of(cache, synchronous=True).drain)
        else:
            await until_idle(cache)

    async def drained(self, cache: ResponseCache) -> None:
        """Wait until nothing is under way in the background, nor tried again later."""
        if self._face.synchronous:
            await self.settled(cache)
        else:
            await driver_of(cache).drain()

    def waiting(self, cache: ResponseCache) -> int:
        """Count the callers who have joined another one's generation."""
        return joined(cache, synchronous=self._face.synchronous)

    def under_way(self, cache: ResponseCache) -> int:
        """Count the generations under way."""
        return len(self._face.driver(cache).flights)

    async def _in_a_thread(self, call: "Coroutine[Any, Any, T]") -> T:
        return await self._somewhere(lambda: _without_a_loop(call))

    async def _somewhere(self, work: Callable[[], T]) -> T:
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        return await asyncio.wait_for(running, GIVEN_UP)


class Runs:
    """A generator that goes on when it is told to, and counts its runs.

    Attributes:
        count: How many there were.
        most_at_once: How many there were at the same time.
    """

    def __init__(self) -> None:
        self.count = 0
        self.most_at_once = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._go = threading.Event()

    def __call__(self) -> str:
        with self._lock:
            self.count += 1
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        assert self._go.wait(GIVEN_UP)
        with self._lock:
            self._under_way -= 1
        return "generated"

    def let_go(self) -> None:
        """Let this run and all later ones end."""
        self._go.set()


async def until_idle(cache: ResponseCache) -> None:
    """Wait until nothing of the running loop is under way."""
    driver = driver_of(cache)
    link: Any = cast("Any", driver.transport)._link
    while driver._background or link._batches or link._waiting:
        await asyncio.sleep(0.001)


def _without_a_loop(call: "Coroutine[Any, Any, T]") -> T:
    """Run a call that waits for nothing in this thread, as a program without asyncio would."""
    try:
        call.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError


def giving(value: T) -> Callable[[], T]:
    """Return a generator that gives a value."""
    return lambda: value
