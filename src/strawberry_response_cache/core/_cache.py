"""`ResponseCache`: the core that REST handlers use as it is and that GraphQL stands on."""

import importlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Self, TypeVar, Unpack, cast, overload
from uuid import UUID

from strawberry_response_cache.core._batch_keys import Wanted
from strawberry_response_cache.core._cached import (
    FROM_ANNOTATION,
    NOT_GIVEN,
    Cached,
    checked_ttl_of,
)
from strawberry_response_cache.core._duration import Duration
from strawberry_response_cache.core._engine import Engine
from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._flights import note_unfit_part
from strawberry_response_cache.core._handle import RedisHandle
from strawberry_response_cache.core._invalidations import Invalidations
from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._local import are_plain, keys_of, local_hit
from strawberry_response_cache.core._observer import Guarded, Observer, Silence, Subject
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._settings import CacheSettings, SettingsByName
from strawberry_response_cache.core._tenant import Tenant
from strawberry_response_cache.core.protocol import Ping
from strawberry_response_cache.core.serialization.value import (
    ValueRecipe,
    awaited,
    not_callable,
    plain,
)

T = TypeVar("T")
K = TypeVar("K")


class ResponseCache:
    """A cache of responses on Redis or Valkey, for asyncio and for threads.

    Args:
        redis: The server. Several caches can share one handle.
        prefix: The name of this cache: letters, digits and ``_ . : -``. Caches of different
            prefixes share nothing.
        settings: Deadlines, lease and limits.
        telemetry: True for OpenTelemetry's global providers, False for none, or an
            `strawberry_response_cache.telemetry.OpenTelemetry` of your own.

    Raises:
        CacheConfigurationError: If ``redis`` is no `RedisHandle` or ``prefix`` is not such a name.

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
    ) -> None:
        if not isinstance(redis, RedisHandle):
            msg = (
                f"ResponseCache takes a RedisHandle, not {_named(redis)}. Write "
                "ResponseCache.from_url(url, prefix=...) or ResponseCache(RedisHandle(client), ...)."
            )
            raise CacheConfigurationError(msg)
        if settings is not None and not isinstance(settings, CacheSettings):
            msg = f"settings is {_named(settings)}; pass CacheSettings(...)."
            raise CacheConfigurationError(msg)
        chosen = settings or CacheSettings()
        self._keyspace = Keyspace(prefix, slots_per_tenant=chosen.slots_per_tenant)
        self._engine = Engine(redis, self._keyspace, chosen, Guarded(_observer_for(telemetry)))
        self._subject = Subject(prefix)
        self._invalidations = Invalidations(self._engine, self._keyspace, self._subject)
        self._tenant = Tenant(self._engine, self._keyspace, self._invalidations)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        prefix: str,
        telemetry: bool | Observer = True,
        **settings: Unpack[SettingsByName],
    ) -> Self:
        """Return a cache for a URL, without connecting.

        Args:
            url: See `RedisHandle.from_url`.
            prefix: The name of this cache.
            telemetry: See `ResponseCache`.
            **settings: Fields of `CacheSettings`.

        Raises:
            CacheConfigurationError: If any of them is not right.
        """
        handle = RedisHandle.from_url(url)
        chosen = CacheSettings(**settings)
        return cls(handle, prefix=prefix, settings=chosen, telemetry=telemetry)

    def __repr__(self) -> str:
        """Name the cache and its server; never a tenant or a password."""
        tenants = ", for one tenant" if self._keyspace.tenants else ""
        return f"<ResponseCache {self._keyspace.prefix!r} on {self._engine.handle!r}{tenants}>"

    # -- Remembering ------------------------------------------------------------------------------

    async def remember(
        self,
        key_parts: Sequence[str],
        ttl: "Duration | Callable[[T], Duration]",
        generator: Callable[[], Awaitable[T]],
        *,
        as_type: object = None,
        stale: Duration | None = None,
        tags: "Iterable[str] | Callable[[T], Iterable[str]]" = (),
        cacheable: Callable[[T], bool] | None = None,
        background: bool = False,
    ) -> CachedResponse[T]:
        """Return the cached value of a key, or generate and store it.

        Concurrent callers for one key share one run of the generator: in this process by joining
        it, across processes by a lease. A generator's own error passes through untouched, to all
        who had joined. A failure of Redis costs a run of the generator, never the request.

        Args:
            key_parts: What identifies the value, as strings: everything that the generator depends on.
            ttl: How long the value is fresh, in seconds or as a timedelta; 0 runs the generator and
                touches nothing. A function of the value is asked after the generation.
            generator: An async function without arguments; it runs in the caller's own task.
            as_type: The type to rebuild on a hit: anything that pydantic's ``TypeAdapter`` takes.
                Without it, only values that JSON gives back unchanged are accepted.
            stale: How much longer, in seconds, the old value may be served while one caller
                refreshes it, or if refreshing fails; None for the cache's setting.
            tags: By which `invalidate` invalidates the value; a function of the value is asked after the
                generation.
            cacheable: Says of a generated value whether it may be stored.
            background: Whether a refresh runs beside the caller, who gets the old value at once;
                for generators that own what they need, such as a session of the database.

        What the generator reads from this cache counts as part of the value: the whole carries
        the tags of its parts and lives no longer than they do.

        Raises:
            TypeError: If ``key_parts`` or ``tags`` is a bare string or holds anything but strings,
                or if ``generator`` is not an async function.
            CacheConfigurationError: If a duration is not one, or the handle has no async client.
            CacheSerializationError: If the value cannot be stored so that reading gives it back.

        Example:
            >>> import asyncio, datetime
            >>> async def main(cache: ResponseCache) -> None:
            ...     async def generate() -> datetime.date:
            ...         return datetime.date(2026, 1, 31)
            ...     page = await cache.remember(["closing day"], 60, generate, as_type=datetime.date)
            ...     print(page.value, page.detail)
            ...     await cache.aclose()
            >>> asyncio.run(main(ResponseCache.from_url("memory://", prefix="ledger")))
            2026-01-31 generated
        """
        keys = self._keys(key_parts)
        if not callable(generator):
            raise not_callable(generator, "remember(key_parts, ttl, load)")
        if self._engine.has_memory and are_plain(ttl, stale, tags):
            memory = self._tenant.memory()
            if memory is not None and (hit := local_hit(memory, keys, as_type)) is not None:
                return hit
        serializer = self._serializer(ttl, as_type, stale, tags, cacheable)
        if serializer.ttl_ms == 0:
            value = await awaited(generator)
            note_unfit_part(keys)
            return CachedResponse(value, CacheStatus.BYPASS, CacheDetail.TTL_ZERO)
        return await self._tenant.run(
            keys, serializer, lambda: awaited(generator), self._subject, in_background=background
        )

    def remember_sync(
        self,
        key_parts: Sequence[str],
        ttl: "Duration | Callable[[T], Duration]",
        generator: Callable[[], T],
        *,
        as_type: object = None,
        stale: Duration | None = None,
        tags: "Iterable[str] | Callable[[T], Iterable[str]]" = (),
        cacheable: Callable[[T], bool] | None = None,
        background: bool = False,
    ) -> CachedResponse[T]:
        """Return the cached value of a key, or generate and store it; the twin of `remember`.

        Args:
            key_parts: As in `remember`, and it names the same entry.
            ttl: As in `remember`.
            generator: A function without arguments; it runs in the caller's own thread.
            as_type: As in `remember`.
            stale: As in `remember`.
            tags: As in `remember`.
            cacheable: As in `remember`.
            background: As in `remember`; the refresh runs in a thread of its own.

        Raises:
            TypeError: As `remember` does, and if ``generator`` is an async function.
            CacheConfigurationError: If a duration is not one, or the handle has no sync client.
            CacheSerializationError: As `remember` does.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     first = cache.remember_sync(["totals"], 60, lambda: {"EUR": 12})
            ...     again = cache.remember_sync(["totals"], 60, lambda: {"EUR": 99})
            >>> first.status.value, again.status.value, again.value
            ('miss', 'hit', {'EUR': 12})
        """
        keys = self._keys(key_parts)
        if not callable(generator):
            raise not_callable(generator, "remember_sync(key_parts, ttl, load)")
        if self._engine.has_memory and are_plain(ttl, stale, tags):
            memory = self._tenant.memory_sync()
            if memory is not None and (hit := local_hit(memory, keys, as_type)) is not None:
                return hit
        serializer = self._serializer(ttl, as_type, stale, tags, cacheable)
        if serializer.ttl_ms == 0:
            value = plain(generator)
            note_unfit_part(keys)
            return CachedResponse(value, CacheStatus.BYPASS, CacheDetail.TTL_ZERO)
        return self._tenant.run_sync(
            keys, serializer, lambda: plain(generator), self._subject, in_background=background
        )

    async def remember_many(
        self,
        keys: Sequence[K],
        ttl: "Duration | Callable[[T], Duration]",
        load_many: Callable[[list[K]], Awaitable[Sequence[T | Exception]]],
        *,
        key: Callable[[K], Sequence[str]] | None = None,
        as_type: object = None,
        stale: Duration | None = None,
        tags: "Iterable[str] | Callable[[K, T], Iterable[str]]" = (),
        cacheable: Callable[[T], bool] | None = None,
    ) -> list[T | Exception]:
        """Return the values of many keys in their order, with one round trip for all.

        It fits ``strawberry.dataloader.DataLoader(load_fn=...)``. Such a loader runs for whoever asked
        it first: what it loads for several generators at once is a part of the first one's value alone.

        Args:
            keys: What identifies each value: sequences of strings, or anything that ``key`` turns
                into one. The same key twice is loaded once.
            ttl: As in `remember`.
            load_many: An async function from the keys that are missing to their values, in their
                order. It is called once; a second time only for keys whose generation elsewhere,
                waited for after the first, came to nothing. An exception among the values is its
                key's alone: it is returned in its place and not stored.
            key: Turns an element of ``keys`` into key parts.
            as_type: As in `remember`, of one value.
            stale: As in `remember`.
            tags: The tags of each value, or a function of an element of ``keys`` and its value.
            cacheable: As in `remember`, of one value.

        Raises:
            TypeError: If a key is not a sequence of strings.
            CacheConfigurationError: As `remember` does, and if ``load_many`` does not return one
                value for each key.
            CacheSerializationError: As `remember` does.

        Example:
            >>> import asyncio
            >>> async def main() -> None:
            ...     async with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...         async def load(numbers: list[int]) -> list[int]:
            ...             print("loading", numbers)
            ...             return [number * number for number in numbers]
            ...         for numbers in ([1, 2], [2, 3]):
            ...             print(await cache.remember_many(
            ...                 numbers, 60, load, key=lambda number: ["square", str(number)]))
            >>> asyncio.run(main())
            loading [1, 2]
            [1, 4]
            loading [3]
            [4, 9]
        """
        if not callable(load_many):
            raise not_callable(load_many, "remember_many(keys, ttl, load_many)", "load_many")
        serializer = self._serializer(ttl, as_type, stale, tags, cacheable)
        wanted = Wanted(keys, key, self._keyspace)
        if serializer.ttl_ms == 0:
            note_unfit_part(*wanted.entries)
            return wanted.in_order(await wanted.load(load_many, range(len(wanted.entries))))
        results = await self._tenant.run_many(
            wanted.entries,
            [serializer.for_key(each) for each in wanted.keys],
            lambda positions: wanted.load(load_many, positions),
            self._subject,
        )
        return wanted.in_order(results)

    def remember_many_sync(
        self,
        keys: Sequence[K],
        ttl: "Duration | Callable[[T], Duration]",
        load_many: Callable[[list[K]], Sequence[T | Exception]],
        *,
        key: Callable[[K], Sequence[str]] | None = None,
        as_type: object = None,
        stale: Duration | None = None,
        tags: "Iterable[str] | Callable[[K, T], Iterable[str]]" = (),
        cacheable: Callable[[T], bool] | None = None,
    ) -> list[T | Exception]:
        """Return the values of many keys in their order; the twin of `remember_many`.

        Args:
            keys: As in `remember_many`.
            ttl: As in `remember`.
            load_many: A function, as in `remember_many`.
            key: As in `remember_many`.
            as_type: As in `remember`, of one value.
            stale: As in `remember`.
            tags: As in `remember_many`.
            cacheable: As in `remember`, of one value.

        Raises:
            TypeError: As `remember_many` does.
            CacheConfigurationError: As `remember_many` does.
            CacheSerializationError: As `remember` does.
        """
        if not callable(load_many):
            raise not_callable(load_many, "remember_many(keys, ttl, load_many)", "load_many")
        serializer = self._serializer(ttl, as_type, stale, tags, cacheable)
        wanted = Wanted(keys, key, self._keyspace)
        if serializer.ttl_ms == 0:
            note_unfit_part(*wanted.entries)
            return wanted.in_order(wanted.load_sync(load_many, range(len(wanted.entries))))
        results = self._tenant.run_many_sync(
            wanted.entries,
            [serializer.for_key(each) for each in wanted.keys],
            lambda positions: wanted.load_sync(load_many, positions),
            self._subject,
        )
        return wanted.in_order(results)

    def _serializer(
        self,
        ttl: "Duration | Callable[[T], Duration]",
        as_type: object,
        stale: Duration | None,
        tags: "Iterable[str] | Callable[..., Iterable[str]]",
        cacheable: Callable[[T], bool] | None,
    ) -> ValueRecipe[T]:
        settings = self._engine.settings
        return ValueRecipe(
            ttl=ttl,
            stale=settings.stale if stale is None else stale,
            as_type=as_type,
            tags=tags,
            cacheable=cacheable,
            max_bytes=settings.max_entry_bytes,
            strict=settings.strict,
        )

    # Two forms, so that type checkers ask for the ttl; what is written wrongly is told in words.
    @overload
    def cached(
        self,
        *,
        ttl: Duration,
        tags: "Iterable[str] | Callable[[Any], Iterable[str]]" = (),
        key: Callable[..., Sequence[str]] | None = None,
        stale: Duration | None = None,
        as_type: object = FROM_ANNOTATION,
        cacheable: Callable[[Any], bool] | None = None,
    ) -> Cached: ...

    @overload
    def cached(
        self,
        *,
        ttl: "Callable[[Any], Duration]",
        tags: "Iterable[str] | Callable[[Any], Iterable[str]]" = (),
        key: Callable[..., Sequence[str]] | None = None,
        stale: Duration | None = None,
        as_type: object = FROM_ANNOTATION,
        cacheable: Callable[[Any], bool] | None = None,
    ) -> Cached: ...

    def cached(
        self,
        *misplaced: object,
        ttl: object = NOT_GIVEN,
        tags: "Iterable[str] | Callable[[Any], Iterable[str]]" = (),
        key: Callable[..., Sequence[str]] | None = None,
        stale: Duration | None = None,
        as_type: object = FROM_ANNOTATION,
        cacheable: Callable[[Any], bool] | None = None,
    ) -> Cached:
        """Return a decorator that remembers what a function returns, by its arguments.

        It stands above an async function (which then runs in `remember`) or a plain one (in
        `remember_sync`). The function returns its value as before, and has ``key_parts(...)``, which
        gives the key of a call to `forget`. The key is made of the function's module and name and of
        all its arguments, defaults included. A function that takes variables from the function
        around it needs a ``key``; global variables count for nothing.

        Args:
            misplaced: Nothing; it is there to tell what was written wrongly.
            ttl: As in `remember`.
            tags: As in `remember`.
            key: A function of the same arguments that returns the whole key; for arguments such as
                sessions, of which no key can be made, and for methods, whose ``self`` is one.
            stale: As in `remember`.
            as_type: As in `remember`; by default what the function's annotation says it returns.
            cacheable: As in `remember`.

        Raises:
            CacheConfigurationError: If it stands above anything but a function that returns a value,
                or a duration is not one; and at a call, if no key can be made of an argument.
            TypeError: If it is written without its parentheses or without a ttl.

        Example:
            >>> import asyncio, datetime
            >>> cache = ResponseCache.from_url("memory://", prefix="ledger")
            >>> @cache.cached(ttl=60)
            ... async def closing_day(year: int, *, leap: bool = False) -> datetime.date:
            ...     print("reading the calendar")
            ...     return datetime.date(year, 12, 31)
            >>> async def main() -> None:
            ...     async with cache:
            ...         print(await closing_day(2026), await closing_day(year=2026, leap=False))
            ...         await cache.forget(closing_day.key_parts(2026))
            ...         await closing_day(2026)
            >>> asyncio.run(main())
            reading the calendar
            2026-12-31 2026-12-31
            reading the calendar
        """
        return Cached(
            self,
            ttl=checked_ttl_of(misplaced, ttl),
            tags=tags,
            key=key,
            stale=stale,
            as_type=as_type,
            cacheable=cacheable,
        )

    def _keys(self, key_parts: Sequence[str]) -> EntryKeys:
        return keys_of(self._keyspace, key_parts)

    # -- Tenants and invalidations ------------------------------------------------------------------------

    def for_tenant(self, tenant: str | int | UUID) -> Self:
        """Return this cache narrowed to one tenant: own keys, own tags, own `clear`.

        Args:
            tenant: What identifies the tenant; an int or a UUID counts as its ``str``. Calls compose.

        Raises:
            CacheConfigurationError: If the tenant is of another type or empty.

        Example:
            >>> cache = ResponseCache.from_url("memory://", prefix="ledger")
            >>> cache.for_tenant("acme")
            <ResponseCache 'ledger' on RedisHandle('memory://'), for one tenant>
        """
        narrowed = object.__new__(type(self))
        narrowed._keyspace = self._keyspace.narrowed(tenant)
        narrowed._engine = self._engine
        narrowed._subject = self._subject
        narrowed._invalidations = Invalidations(self._engine, narrowed._keyspace, self._subject)
        narrowed._tenant = Tenant(self._engine, narrowed._keyspace, narrowed._invalidations)
        return narrowed

    async def invalidate(self, *tags: str, queued: bool = False) -> None:
        """Invalidate every entry that carries one of these tags, at a cost independent of their number.

        What is being generated from older data meanwhile will not be stored, and what was made of
        such an entry inside another generator goes with it.

        Args:
            *tags: The tags, as strings.
            queued: What to do if Redis does not take it within ``invalidate_deadline``. False
                raises. True logs it, lets this cache read nothing of this tenant from Redis, and
                tries again until it is taken.

        Raises:
            TypeError: If a tag is not a string.
            CacheStoreError: If Redis did not take it; the old entries then live on until their ttl
                and stale window end. With ``queued``, only if the queue is full.
        """
        await self._invalidations.invalidate(tags, queued=queued)

    def invalidate_sync(self, *tags: str, queued: bool = False) -> None:
        """Invalidate every entry that carries one of these tags; the twin of `invalidate`.

        Raises:
            TypeError: If a tag is not a string.
            CacheStoreError: As `invalidate` does.
        """
        self._invalidations.invalidate_sync(tags, queued=queued)

    async def forget(self, key_parts: Sequence[str]) -> None:
        """Invalidate one entry, and what was made of it inside another generator.

        What is being generated for it meanwhile will not be stored.

        Raises:
            TypeError: As `remember` does.
            CacheStoreError: If Redis did not take it.
        """
        await self._invalidations.forget(self._keys(key_parts))

    def forget_sync(self, key_parts: Sequence[str]) -> None:
        """Invalidate one entry; the twin of `forget`.

        Raises:
            TypeError: As `remember` does.
            CacheStoreError: If Redis did not take it.
        """
        self._invalidations.forget_sync(self._keys(key_parts))

    async def clear(self, *, queued: bool = False) -> None:
        """Invalidate all entries of this cache or tenant, at once; tenants inside it are left alone.

        Args:
            queued: As in `invalidate`.

        Raises:
            CacheStoreError: If Redis did not take it. With ``queued``, only if the queue is full.
        """
        await self._invalidations.clear(queued=queued)

    def clear_sync(self, *, queued: bool = False) -> None:
        """Invalidate all entries of this cache or tenant; the twin of `clear`.

        Raises:
            CacheStoreError: As `clear` does.
        """
        self._invalidations.clear_sync(queued=queued)

    async def ping(self) -> None:
        """Ask whether the server answers, such as once at start.

        Raises:
            CacheStoreError: If it does not; requests would be answered all the same, uncached.
        """
        self._engine.check(await self._engine.async_driver().invalidating.perform(Ping()))

    def ping_sync(self) -> None:
        """Ask whether the server answers; the twin of `ping`.

        Raises:
            CacheStoreError: If it does not.
        """
        self._engine.check(self._engine.sync_driver().invalidating.perform(Ping()))

    # -- The end -----------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Let background work end and close this loop's connections and those of the threads."""
        await self._engine.aclose()

    def close(self) -> None:
        """Let background work of the threads end and close their connections."""
        self._engine.close()

    async def __aenter__(self) -> Self:
        """Return the cache; it connects when it is first used."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.aclose()

    def __enter__(self) -> Self:
        """Return the cache; it connects when it is first used."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def _named(value: object) -> str:
    """Name what was passed in place of an object of ours, without showing it."""
    return (
        f"the class {value.__qualname__} itself"
        if isinstance(value, type)
        else f"a {type(value).__name__}"
    )


def _observer_for(telemetry: bool | Observer) -> Observer:  # noqa: FBT001 - the contract's argument
    if telemetry is True:
        # The only place where the core meets telemetry; it is loaded by name so that the core's
        # imports point nowhere but down.
        module: Any = importlib.import_module("strawberry_response_cache.telemetry")
        return cast("Observer", module.OpenTelemetry())
    if telemetry is False:
        return Silence()
    if isinstance(telemetry, type) or not callable(getattr(telemetry, "listening", None)):
        msg = (
            f"telemetry is {_named(telemetry)}; pass True, False or "
            "OpenTelemetry(tracer_provider=...)."
        )
        raise CacheConfigurationError(msg)
    return telemetry


def tenant_of(cache: ResponseCache) -> Tenant:
    """Return a cache's entries, for clients that bring a serializer of their own."""
    return cache._tenant  # noqa: SLF001 - the one way to it from outside
