"""The candidates of the event loop; each answers for a key, or generates and stores."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import redis.asyncio
from aiocache import Cache as AioCache
from aiocache import cached_stampede
from aiocache.serializers import JsonSerializer
from cashews import Cache as Cashews
from pydantic_core import from_json, to_json

from benchmarks.core.work import PATIENCE, TTL, Work
from strawberry_response_cache import ResponseCache

LARGEST_CROWD = 1000

# It logs each caller's failure with its traceback; here callers are counted.
logging.getLogger("aiocache").setLevel(logging.CRITICAL)


class AsyncCandidate(Protocol):
    """One way to have a value cached."""

    work: Work

    async def get(self, key: str) -> object:
        """Return the value of a key."""
        ...

    async def aclose(self) -> None:
        """Disconnect."""
        ...


class BareGet:
    """No cache: what the client itself takes, to read or to read and write."""

    def __init__(self, server_url: str, work: Work) -> None:
        self.work = work
        self._client = redis.asyncio.Redis.from_url(
            server_url, socket_timeout=None, socket_connect_timeout=PATIENCE
        )

    async def get(self, key: str) -> object:
        """Read and decode, or generate, encode and write."""
        stored = await self._client.get(key)
        if stored is not None:
            return from_json(stored, cache_strings="keys")
        value = await self.work.generate()
        await self._client.set(key, to_json(value), px=TTL * 1000)
        return value

    async def aclose(self) -> None:
        """Disconnect."""
        await self._client.aclose()


class Ours:
    """`ResponseCache.remember`, with the settings that it comes with."""

    def __init__(self, server_url: str, work: Work) -> None:
        self.work = work
        self._cache = ResponseCache.from_url(server_url, prefix="benchmark")

    async def get(self, key: str) -> object:
        """Remember the value."""
        return (await self._cache.remember([key], TTL, self.work.generate)).value

    async def aclose(self) -> None:
        """Disconnect."""
        await self._cache.aclose()


class Aiocache:
    """``aiocache.cached_stampede``."""

    def __init__(self, server_url: str, work: Work) -> None:
        self.work = work
        address = redis.asyncio.connection.parse_url(server_url)
        decorate = cached_stampede(
            ttl=TTL,
            key_builder=lambda _function, key: f"aiocache:{key}",
            cache=AioCache.REDIS,
            endpoint=address["host"],
            port=address["port"],
            pool_max_size=LARGEST_CROWD,
            timeout=PATIENCE,
            create_connection_timeout=PATIENCE,
            connection_pool_kwargs={"socket_timeout": PATIENCE},
            serializer=JsonSerializer(),
        )

        async def generate(_key: str) -> object:
            return await work.generate()

        self._decorated: Any = decorate(generate)

    async def get(self, key: str) -> object:
        """Call the decorated function."""
        value: object = await self._decorated(key)
        return value

    async def aclose(self) -> None:
        """Disconnect."""
        await self._decorated.cache.close()


class CashewsDefault:
    """``cashews.Cache()``, as it comes."""

    lock = False

    def __init__(self, server_url: str, work: Work) -> None:
        self.work = work
        self._cache = Cashews()
        self._cache.setup(server_url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)

        async def generate(key: str) -> object:  # noqa: ARG001 - it is in the key
            return await work.generate()

        name = type(self).__name__
        decorate = self._cache(ttl=TTL, key=f"{name}:{{key}}", lock=self.lock)
        self._decorated: Callable[[str], Awaitable[object]] = decorate(generate)

    async def get(self, key: str) -> object:
        """Call the decorated function."""
        return await self._decorated(key)

    async def aclose(self) -> None:
        """Disconnect."""
        await self._cache.close()


class CashewsLocked(CashewsDefault):
    """``cashews.Cache()`` with its protection against stampedes."""

    lock = True


BARE = "bare GET"

CACHES: Mapping[str, Callable[[str, Work], AsyncCandidate]] = {
    "ours": Ours,
    "aiocache": Aiocache,
    "cashews": CashewsDefault,
    "cashews, lock=True": CashewsLocked,
}

ALL: Mapping[str, Callable[[str, Work], AsyncCandidate]] = {BARE: BareGet, **CACHES}


@asynccontextmanager
async def opened(
    makers: Mapping[str, Callable[[str, Work], AsyncCandidate]],
    server_url: str,
    work: Callable[[], Work] = Work,
) -> AsyncIterator[dict[str, AsyncCandidate]]:
    """Make candidates, each with work of its own, and disconnect them at the end."""
    candidates = {name: make(server_url, work()) for name, make in makers.items()}
    try:
        yield candidates
    finally:
        for candidate in candidates.values():
            await candidate.aclose()
