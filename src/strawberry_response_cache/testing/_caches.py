"""An empty cache for each test: in memory, or on a server that tests share."""

from typing import Unpack

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._all_tenants import AllTenants
from strawberry_response_cache.core._settings import SettingsByName


def memory_cache(prefix: str = "test", **settings: Unpack[SettingsByName]) -> ResponseCache:
    """Return an empty cache in this process, without a server; it needs the extra ``memory``.

    It refreshes nothing early: the setting ``early_refresh`` is 0 here, so a response is a hit until its ttl ends.

    Args:
        prefix: The name of the cache; ``test`` by default.
        **settings: Fields of ``CacheSettings``; a field that is left out has its default.

    Returns:
        The cache. No other cache shares its entries.

    Raises:
        CacheConfigurationError: If the extra ``memory`` is missing, or a setting is not valid.

    Example:
        >>> memory_cache()
        <ResponseCache 'test' on RedisHandle('memory://')>
    """
    chosen: SettingsByName = {"early_refresh": 0, **settings}
    return ResponseCache.from_url("memory://", prefix=prefix, **chosen)


async def clear_all_tenants(cache: ResponseCache) -> None:
    """Invalidate all entries of a cache, those of every tenant included.

    It reads the names of all keys of the server, so it is for tests only. ``ResponseCache.clear`` clears one
    tenant, at a cost that does not depend on the number of keys.

    Args:
        cache: The cache, or one of its tenants; all tenants of its prefix are cleared.

    Raises:
        CacheConfigurationError: If the server is a cluster; use `clear_all_tenants_sync` there.
        CacheStoreError: If Redis did not take it.

    Example:
        >>> import asyncio
        >>> async def main() -> None:
        ...     async with memory_cache() as cache:
        ...         await clear_all_tenants(cache)
        >>> asyncio.run(main())
    """
    await AllTenants(cache).clear()


def clear_all_tenants_sync(cache: ResponseCache) -> None:
    """Invalidate all entries of a cache, those of every tenant included; the sync form of `clear_all_tenants`.

    Args:
        cache: As in `clear_all_tenants`.

    Raises:
        CacheStoreError: If Redis did not take it.

    Example:
        >>> with memory_cache() as cache:
        ...     acme = cache.for_tenant("acme")
        ...     acme.remember_sync(["name"], 60, lambda: "Acme").status.value
        ...     clear_all_tenants_sync(cache)
        ...     acme.remember_sync(["name"], 60, lambda: "Acme").status.value
        'miss'
        'miss'
    """
    AllTenants(cache).clear_sync()
