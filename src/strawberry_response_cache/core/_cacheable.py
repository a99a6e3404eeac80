"""`Cacheable`: a view-model that knows its key, its lifetime and how to make itself."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from strawberry_response_cache.core._cache import ResponseCache
from strawberry_response_cache.core._duration import Duration
from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._response import CachedResponse

T = TypeVar("T")


class Cacheable(ABC, Generic[T]):
    """A base for view-models, also for dataclasses and pydantic models.

    A subclass gives ``cache_key_parts()``, ``generate()`` and, as an attribute or a property,
    ``ttl``; where its value is more than JSON, ``as_type()`` names the type to rebuild.

    Example:
        >>> import asyncio
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class LedgerPage(Cacheable[list[int]]):
        ...     number: int
        ...     ttl = 30
        ...     def cache_key_parts(self) -> list[str]:
        ...         return ["/v1/ledger", f"page={self.number}"]
        ...     async def generate(self) -> list[int]:
        ...         return [self.number] * 3
        >>> async def main() -> None:
        ...     async with ResponseCache.from_url("memory://", prefix="ledger") as cache:
        ...         print((await LedgerPage(2).into_cached(cache)).value)
        >>> asyncio.run(main())
        [2, 2, 2]
    """

    ttl: Duration

    @abstractmethod
    def cache_key_parts(self) -> Sequence[str]:
        """Return what identifies the value; see `ResponseCache.remember`."""

    @abstractmethod
    async def generate(self) -> T:
        """Make the value."""

    def as_type(self) -> object:
        """Return the type to rebuild on a hit; None for plain JSON."""
        return None

    def cache_tags(self, value: T) -> Iterable[str]:  # noqa: ARG002 - for subclasses to use
        """Return the tags of a value."""
        return ()

    async def into_cached(self, cache: ResponseCache) -> CachedResponse[T]:
        """Return the value from a cache, or generate and store it; see `ResponseCache.remember`.

        Raises:
            TypeError: If ``cache`` is no `ResponseCache`, and as `ResponseCache.remember` does.
            CacheConfigurationError: If the class gives no ttl, and as `ResponseCache.remember` does.
        """
        if not isinstance(cache, ResponseCache):
            kind = type(cache).__name__
            msg = f"into_cached takes a ResponseCache, not a {kind}: ResponseCache.from_url(...)."
            raise TypeError(msg)
        if not hasattr(type(self), "ttl") and "ttl" not in getattr(self, "__dict__", {}):
            msg = f"{type(self).__qualname__} lacks a line such as: ttl = 30"
            raise CacheConfigurationError(msg)
        return await cache.remember(
            self.cache_key_parts(),
            self.ttl,
            self.generate,
            as_type=self.as_type(),
            tags=self.cache_tags,
        )
