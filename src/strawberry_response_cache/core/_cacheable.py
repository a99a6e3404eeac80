"""`Cacheable`: a base class for values that know their own key, ttl and generator."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from strawberry_response_cache.core._cache import ResponseCache
from strawberry_response_cache.core._duration import Duration
from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._response import CachedResponse

T = TypeVar("T")


class Cacheable(ABC, Generic[T]):
    """A base class for view-models, which can also be dataclasses and pydantic models.

    A subclass defines ``cache_key_parts()``, ``generate()`` and ``ttl``. If its value is more than JSON, it
    also defines ``as_type()``.

    Attributes:
        ttl: How long the value is fresh, in seconds or as a timedelta; an attribute or a property.

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
        """Return the strings that identify the value; see ``key_parts`` of `ResponseCache.remember`."""

    @abstractmethod
    async def generate(self) -> T:
        """Return a new value."""

    def as_type(self) -> object:
        """Return the type to rebuild on a hit; None, the default, for plain JSON."""
        return None

    def cache_tags(self, value: T) -> Iterable[str]:  # noqa: ARG002 - for subclasses to use
        """Return the tags of a value; none by default.

        Args:
            value: The generated value.
        """
        return ()

    async def into_cached(self, cache: ResponseCache) -> CachedResponse[T]:
        """Return the value from a cache, or generate and store it; see `ResponseCache.remember`.

        Args:
            cache: The cache; pass ``cache.for_tenant(...)`` for the data of one tenant.

        Returns:
            The value, with the status and the detail that say where it came from.

        Raises:
            TypeError: If ``cache`` is not a `ResponseCache`, or the key parts or the tags are not strings.
            CacheConfigurationError: If the class has no ttl, or a ttl that is not valid.
            CacheSerializationError: If a hit could not return the value unchanged.
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
