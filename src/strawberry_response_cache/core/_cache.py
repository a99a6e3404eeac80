"""`ResponseCache`: the public class of the core, for REST handlers and for the GraphQL extension."""

import os
from collections.abc import Mapping, Sequence
from typing import Self, Unpack
from uuid import UUID

from strawberry_response_cache.core._announcements import OnInvalidate
from strawberry_response_cache.core._engine import Engine
from strawberry_response_cache.core._environment import PREFIX, URL, naming, required
from strawberry_response_cache.core._errors import CacheConfigurationError, named
from strawberry_response_cache.core._handle import RedisHandle
from strawberry_response_cache.core._keys import NO_TENANT, Keyspace
from strawberry_response_cache.core._local import keys_of
from strawberry_response_cache.core._observer import Guarded, Observer, observer_for
from strawberry_response_cache.core._settings import CacheSettings, SettingsByName
from strawberry_response_cache.core._statistics import CacheStatistics
from strawberry_response_cache.core._tenant import Tenant
from strawberry_response_cache.core._user_values import is_function
from strawberry_response_cache.core._values import RememberedValues
from strawberry_response_cache.core.protocol import Ping


class ResponseCache(RememberedValues):
    """A cache of responses on Redis or Valkey, for asyncio and for threads.

    It connects when it is first used. It is an async and a sync context manager; leaving it closes the
    connections.

    Args:
        redis: The server. Several caches can share one handle.
        prefix: The name of this cache: letters, digits and ``_ . : -``. Caches with different prefixes
            share nothing.
        settings: Deadlines, lease and limits; None, the default, takes the default of each setting.
        telemetry: True, the default, for OpenTelemetry's global tracer provider, False for no telemetry,
            or an `strawberry_response_cache.telemetry.OpenTelemetry` of your own.
        on_invalidate: A function that is called with the tags of each invalidation after Redis has taken it,
            for example to inform a CDN. It gets an `InvalidatedTags`: a tuple of tags with a hash of their tenant. It
            can be async. A family of tags is ``shelf:*``, a `clear` is ``*``, and a `forget` has no tags. Nothing waits
            for it. If it raises, it is called up to two times more, and then counted in `on_invalidate_failures`. A
            crash loses the calls that were not made. None, the default, calls nothing.

    Raises:
        CacheConfigurationError: If ``redis`` is not a `RedisHandle`, ``prefix`` is not such a name,
            ``settings`` is not a `CacheSettings`, ``telemetry`` is none of these, or ``on_invalidate`` is
            not a function.

    Example:
        >>> import asyncio
        >>> async def main() -> None:
        ...     async with ResponseCache.from_url("memory://", prefix="ledger") as cache:
        ...         async def generate() -> list[int]:
        ...             return [1, 2, 3]
        ...         for _ in range(2):
        ...             page = await cache.remember(["/v1/ledger", "page=2"], 30, generate)
        ...             print(page.status, page.value)
        >>> asyncio.run(main())
        miss [1, 2, 3]
        hit [1, 2, 3]
    """

    def __init__(
        self,
        redis: RedisHandle,
        *,
        prefix: str,
        settings: CacheSettings | None = None,
        telemetry: bool | Observer = True,
        on_invalidate: OnInvalidate | None = None,
    ) -> None:
        if not isinstance(redis, RedisHandle):
            msg = (
                f"ResponseCache takes a RedisHandle, not {named(redis)}. Write "
                "ResponseCache.from_url(url, prefix=...) or ResponseCache(RedisHandle(client), ...)."
            )
            raise CacheConfigurationError(msg)
        if settings is not None and not isinstance(settings, CacheSettings):
            msg = f"settings is {named(settings)}; pass CacheSettings(...)."
            raise CacheConfigurationError(msg)
        if on_invalidate is not None and not is_function(on_invalidate):
            msg = f"on_invalidate is {named(on_invalidate)}; pass a function of the tags."
            raise CacheConfigurationError(msg)
        chosen = settings or CacheSettings()
        keyspace = Keyspace(prefix, slots_per_tenant=chosen.slots_per_tenant)
        observer = Guarded(observer_for(telemetry))
        super().__init__(Engine(redis, keyspace, chosen, observer, on_invalidate), keyspace)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        prefix: str,
        telemetry: bool | Observer = True,
        on_invalidate: OnInvalidate | None = None,
        **settings: Unpack[SettingsByName],
    ) -> Self:
        """Return a cache for a URL, without connecting.

        Args:
            url: The server's URL, such as ``redis://localhost:6379/0``; see `RedisHandle.from_url`.
            prefix: The name of this cache; see `ResponseCache`.
            telemetry: True, the default, False or an ``OpenTelemetry``; see `ResponseCache`.
            on_invalidate: A function, or None, the default; see `ResponseCache`.
            **settings: Fields of `CacheSettings`; a field that is left out has its default.

        Returns:
            The cache. Close it with `aclose` or `close`, or use it as a context manager.

        Raises:
            CacheConfigurationError: If the URL, the prefix, a setting or ``telemetry`` is not valid.

        Example:
            >>> ResponseCache.from_url("redis://localhost:6379/0", prefix="ledger", read_deadline=0.05)
            <ResponseCache 'ledger' on RedisHandle('redis://localhost:6379')>
        """
        return cls(
            RedisHandle.from_url(url),
            prefix=prefix,
            settings=CacheSettings(**settings),
            telemetry=telemetry,
            on_invalidate=on_invalidate,
        )

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        telemetry: bool | Observer = True,
        on_invalidate: OnInvalidate | None = None,
    ) -> Self:
        """Return a cache that environment variables describe, without connecting.

        ``RESPONSE_CACHE_URL`` is the server's URL and ``RESPONSE_CACHE_PREFIX`` the name of the cache; both are
        required. Each setting has a variable of its own, such as ``RESPONSE_CACHE_LEASE``.

        Args:
            environ: The variables; None, the default, takes ``os.environ``.
            telemetry: True, the default, False or an ``OpenTelemetry``; see `ResponseCache`.
            on_invalidate: A function, or None, the default; see `ResponseCache`.

        Returns:
            The cache. Close it with `aclose` or `close`, or use it as a context manager.

        Raises:
            CacheConfigurationError: If the URL or the prefix is missing, if a value is not valid, or if a
                variable with the prefix ``RESPONSE_CACHE_`` is not known. The message names the variable and
                never its value.

        Example:
            >>> ResponseCache.from_environment({
            ...     "RESPONSE_CACHE_URL": "redis://localhost:6379/0",
            ...     "RESPONSE_CACHE_PREFIX": "ledger",
            ...     "RESPONSE_CACHE_READ_DEADLINE": "0.05",
            ... })
            <ResponseCache 'ledger' on RedisHandle('redis://localhost:6379')>
        """
        variables = os.environ if environ is None else environ
        settings = CacheSettings.from_environment(variables)
        prefix, url = required(variables, {PREFIX: "ledger", URL: "redis://localhost:6379/0"})
        with naming(PREFIX):
            Keyspace(prefix)
        with naming(URL):
            handle = RedisHandle.from_url(url)
        return cls(
            handle,
            prefix=prefix,
            settings=settings,
            telemetry=telemetry,
            on_invalidate=on_invalidate,
        )

    def __repr__(self) -> str:
        """Return the cache's name and server, without tenant and password."""
        tenants = ", for one tenant" if self._keyspace.tenant_digest != NO_TENANT else ""
        return f"<ResponseCache {self._keyspace.prefix!r} on {self._engine.handle!r}{tenants}>"

    def for_tenant(self, tenant: str | int | UUID) -> Self:
        """Return this cache for one tenant, with keys, tags and a `clear` of its own.

        Args:
            tenant: The identity of the tenant; an int or a UUID counts as its ``str``. A second call on the
                result narrows it to a tenant inside the tenant.

        Returns:
            A cache that shares the connections of this one.

        Raises:
            CacheConfigurationError: If the tenant is of another type or empty.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     for tenant in ("acme", "globex", "acme"):
            ...         name = cache.for_tenant(tenant).remember_sync(["name"], 60, lambda: tenant)
            ...         print(name.value, name.status)
            acme miss
            globex miss
            acme hit
        """
        narrowed = object.__new__(type(self))
        RememberedValues.__init__(narrowed, self._engine, self._keyspace.narrowed(tenant))
        return narrowed

    async def invalidate(self, *tags: str, queued: bool = False) -> None:
        """Invalidate every entry that has one of these tags; the cost does not depend on the number of entries.

        A value that is being generated from older data will not be stored. Values that a generator built
        from such an entry are invalidated too.

        Args:
            *tags: The tags, as strings.
            queued: What happens if Redis does not take the invalidation within ``invalidate_deadline``. False, the
                default, raises. True logs it and tries again until Redis takes it; until then this process
                reads nothing of this tenant from Redis.

        Raises:
            TypeError: If a tag is not a string.
            CacheStoreError: If Redis did not take the invalidation; the entries then remain until their ttl and
                stale window end. With ``queued``, only if the queue is full.

        Example:
            >>> import asyncio
            >>> async def read() -> int:
            ...     print("reading the balance")
            ...     return 12
            >>> async def main() -> None:
            ...     async with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...         await cache.remember(["balance"], 60, read, tags=["Account:1"])
            ...         await cache.invalidate("Account:1")
            ...         await cache.remember(["balance"], 60, read, tags=["Account:1"])
            >>> asyncio.run(main())
            reading the balance
            reading the balance
        """
        await self._invalidations.perform(self._invalidations.of_tags(tags, queued=queued))

    def invalidate_sync(self, *tags: str, queued: bool = False) -> None:
        """Invalidate every entry that has one of these tags; the sync form of `invalidate`.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     cache.remember_sync(["balance"], 60, lambda: 12, tags=["Account:1"]).value
            ...     cache.invalidate_sync("Account:1")
            ...     cache.remember_sync(["balance"], 60, lambda: 10, tags=["Account:1"]).value
            12
            10
        """
        self._invalidations.perform_sync(self._invalidations.of_tags(tags, queued=queued))

    async def forget(self, key_parts: Sequence[str]) -> None:
        """Invalidate one entry, and the values that a generator built from it.

        A value that is being generated for this key will not be stored.

        Args:
            key_parts: As in `remember`.

        Raises:
            TypeError: If ``key_parts`` is a bare string or holds anything but strings.
            CacheStoreError: If Redis did not take the invalidation within ``invalidate_deadline``.

        Example:
            >>> import asyncio
            >>> async def main() -> None:
            ...     async with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...         await cache.forget(["/v1/ledger", "page=2"])
            >>> asyncio.run(main())
        """
        await self._tenant.forget(keys_of(self._keyspace, key_parts))

    def forget_sync(self, key_parts: Sequence[str]) -> None:
        """Invalidate one entry; the sync form of `forget`.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     cache.remember_sync(["balance"], 60, lambda: 12).value
            ...     cache.forget_sync(["balance"])
            ...     cache.remember_sync(["balance"], 60, lambda: 10).value
            12
            10
        """
        self._tenant.forget_sync(keys_of(self._keyspace, key_parts))

    async def clear(self, *, queued: bool = False) -> None:
        """Invalidate all entries of this cache or tenant at once; entries of its tenants stay.

        Args:
            queued: As in `invalidate`; False by default.

        Raises:
            CacheStoreError: If Redis did not take the invalidation within ``invalidate_deadline``. With ``queued``,
                only if the queue is full.

        Example:
            >>> import asyncio
            >>> async def main() -> None:
            ...     async with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...         await cache.for_tenant("acme").clear()
            >>> asyncio.run(main())
        """
        await self._invalidations.perform(self._invalidations.of_everything(queued=queued))

    def clear_sync(self, *, queued: bool = False) -> None:
        """Invalidate all entries of this cache or tenant; the sync form of `clear`.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     cache.remember_sync(["balance"], 60, lambda: 12).value
            ...     cache.clear_sync()
            ...     cache.remember_sync(["balance"], 60, lambda: 10).value
            12
            10
        """
        self._invalidations.perform_sync(self._invalidations.of_everything(queued=queued))

    @property
    def on_invalidate_failures(self) -> int:
        """For how many invalidations of this process ``on_invalidate`` raised each time, or could not be called."""
        return self._engine.announcements.lost

    def statistics(self) -> CacheStatistics:
        """Return the counts of what this cache and all its tenants did in this process; metrics show the same.

        It needs no OpenTelemetry, and also works with ``telemetry=False``.

        Returns:
            The counts as they are now.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     for _ in range(3):
            ...         page = cache.remember_sync(["totals"], 60, lambda: 12)
            ...     requests = cache.statistics().values
            >>> requests.misses, requests.redis_hits, f"{requests.hit_ratio:.0%}"
            (1, 2, '67%')
        """
        return self._engine.statistics()

    async def ping(self) -> None:
        """Check that the server answers, for example at start.

        Raises:
            CacheStoreError: If it does not. Requests are answered uncached then.

        Example:
            >>> import asyncio
            >>> async def main() -> None:
            ...     async with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...         await cache.ping()
            >>> asyncio.run(main())
        """
        self._engine.check(await self._engine.async_driver().invalidating.perform(Ping()))

    def ping_sync(self) -> None:
        """Check that the server answers; the sync form of `ping`.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     cache.ping_sync()
        """
        self._engine.check(self._engine.sync_driver().invalidating.perform(Ping()))

    async def aclose(self) -> None:
        """Wait for background work, then close the connections of this event loop and of the threads.

        Example:
            >>> import asyncio
            >>> asyncio.run(ResponseCache.from_url("memory://", prefix="ledger").aclose())
        """
        await self._engine.aclose()

    def close(self) -> None:
        """Wait for background work of the threads, then close their connections.

        Example:
            >>> ResponseCache.from_url("memory://", prefix="ledger").close()
        """
        self._engine.close()

    async def __aenter__(self) -> Self:
        """Return the cache, which connects when it is first used."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the cache."""
        await self.aclose()

    def __enter__(self) -> Self:
        """Return the cache; it connects when it is first used."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the cache."""
        self.close()


def tenant_of(cache: ResponseCache) -> Tenant:
    """Return a cache's tenant, for clients with a serializer of their own."""
    return cache._tenant  # noqa: SLF001 - the one way to it from outside
