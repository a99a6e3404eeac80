"""`ResponseCache`: the public class of the core, for REST handlers and for the GraphQL extension."""

import importlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar, Unpack, cast, overload
from uuid import UUID

from strawberry_response_cache.core._all_tenants import AllTenants
from strawberry_response_cache.core._announcements import OnInvalidate
from strawberry_response_cache.core._batch_keys import Wanted
from strawberry_response_cache.core._cached import (
    FROM_ANNOTATION,
    NOT_GIVEN,
    Cached,
    checked_ttl_of,
)
from strawberry_response_cache.core._duration import Duration
from strawberry_response_cache.core._engine import Engine
from strawberry_response_cache.core._environment import PREFIX, URL, naming, required
from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._handle import RedisHandle
from strawberry_response_cache.core._inspection import Inspection
from strawberry_response_cache.core._invalidations import Invalidations
from strawberry_response_cache.core._keys import NO_TENANT, EntryKeys, Keyspace, is_function
from strawberry_response_cache.core._leading import note_unfit_part
from strawberry_response_cache.core._local import are_plain, keys_of, local_hit
from strawberry_response_cache.core._observer import Guarded, Observer, Silence, Subject
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._settings import CacheSettings, SettingsByName
from strawberry_response_cache.core._statistics import CacheStatistics
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
            can be async. A family of tags is ``shelf:*``, a `clear` is
            ``*``, and a `forget` has no tags. Nothing waits for it. If it raises, it is called up to two
            times more, and then counted in `on_invalidate_failures`. A crash loses the calls that were not
            made. None, the default, calls nothing.

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
                f"ResponseCache takes a RedisHandle, not {_named(redis)}. Write "
                "ResponseCache.from_url(url, prefix=...) or ResponseCache(RedisHandle(client), ...)."
            )
            raise CacheConfigurationError(msg)
        if settings is not None and not isinstance(settings, CacheSettings):
            msg = f"settings is {_named(settings)}; pass CacheSettings(...)."
            raise CacheConfigurationError(msg)
        if on_invalidate is not None and not is_function(on_invalidate):
            msg = f"on_invalidate is {_named(on_invalidate)}; pass a function of the tags."
            raise CacheConfigurationError(msg)
        chosen = settings or CacheSettings()
        self._keyspace = Keyspace(prefix, slots_per_tenant=chosen.slots_per_tenant)
        observer = Guarded(_observer_for(telemetry))
        self._engine = Engine(redis, self._keyspace, chosen, observer, on_invalidate)
        self._requests = self._engine.counters.requests["value"]
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
        handle = RedisHandle.from_url(url)
        chosen = CacheSettings(**settings)
        return cls(
            handle,
            prefix=prefix,
            settings=chosen,
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

        Concurrent callers of one key share one run of the generator: in this process they join it, and
        other processes wait for its lease. An exception of the generator is raised unchanged in all callers
        that joined. If Redis fails, the generator runs and its value is returned.

        Values that the generator reads from this cache are parts of its value: the value has the tags of its
        parts and lives no longer than they do.

        Args:
            key_parts: Strings that identify the value: everything that the generator depends on.
            ttl: How long the value is fresh, in seconds or as a timedelta, or a function that receives the
                generated value and returns that. 0 runs the generator and stores nothing.
            generator: An async function without arguments. It runs in the caller's own task.
            as_type: The type to rebuild on a hit: anything that pydantic's ``TypeAdapter`` accepts. None,
                the default, accepts only values that JSON gives back unchanged.
            stale: How long after the ttl the old value may be served, in seconds or as a timedelta, while
                one caller refreshes it or if refreshing fails. None, the default, takes the setting
                ``stale``.
            tags: The tags by which `invalidate` invalidates the value, or a function that receives the
                generated value and returns them. By default there are none.
            cacheable: A function that receives the generated value and returns whether to store it. None,
                the default, stores every value.
            background: Whether a refresh runs in the background while its caller gets the old value at
                once. Use it for generators that open what they need, such as a database session. False,
                the default, lets the caller that refreshes wait.

        Returns:
            The value, with the status and the detail that say where it came from.

        Raises:
            TypeError: If ``key_parts`` or ``tags`` is a bare string or holds anything but strings, or if
                ``generator`` is not an async function.
            CacheConfigurationError: If a duration is not valid, or the handle has no async client.
            CacheSerializationError: If the value would not come back from the cache as it was; see the
                setting ``strict``.

        Source: early refresh is XFetch, from "Optimal Probabilistic Cache Stampede Prevention" (Vattani,
        Chierichetti, Lowenstein; VLDB 2015), https://www.vldb.org/pvldb/vol8/p886-vattani.pdf; ``stale`` is
        ``stale-while-revalidate`` and ``stale-if-error`` of RFC 5861.

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
                self._requests.hit_locally(hit.saved)
                return hit
        serializer = self._serializer(ttl, as_type, stale, tags, cacheable)
        if serializer.ttl_ms == 0:
            self._engine.counters.bypassed("value", CacheDetail.TTL_ZERO.value)
            value = await awaited(generator)
            note_unfit_part(keys)
            return CachedResponse(value, CacheStatus.BYPASS, CacheDetail.TTL_ZERO)
        try:
            response = await self._tenant.run(
                keys,
                serializer,
                lambda: awaited(generator),
                self._subject,
                in_background=background,
            )
        except Exception:
            self._requests.misses += 1
            raise
        self._engine.counters.answered("value", response)
        return response

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
        """Return the cached value of a key, or generate and store it; the sync form of `remember`.

        Args:
            key_parts: As in `remember`; equal parts name the same entry in both forms.
            ttl: As in `remember`: seconds, a timedelta, or a function of the value.
            generator: A function without arguments. It runs in the caller's own thread.
            as_type: As in `remember`; None, the default, for plain JSON.
            stale: As in `remember`: seconds or a timedelta; None, the default, takes the setting.
            tags: As in `remember`; none by default.
            cacheable: As in `remember`; None, the default, stores every value.
            background: As in `remember`; the refresh runs in a thread of its own. False by default.

        Returns:
            The value, with the status and the detail that say where it came from.

        Raises:
            TypeError: As `remember` does, and if ``generator`` is an async function.
            CacheConfigurationError: If a duration is not valid, or the handle has no sync client.
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
                self._requests.hit_locally(hit.saved)
                return hit
        serializer = self._serializer(ttl, as_type, stale, tags, cacheable)
        if serializer.ttl_ms == 0:
            self._engine.counters.bypassed("value", CacheDetail.TTL_ZERO.value)
            value = plain(generator)
            note_unfit_part(keys)
            return CachedResponse(value, CacheStatus.BYPASS, CacheDetail.TTL_ZERO)
        try:
            response = self._tenant.run_sync(
                keys,
                serializer,
                lambda: plain(generator),
                self._subject,
                in_background=background,
            )
        except Exception:
            self._requests.misses += 1
            raise
        self._engine.counters.answered("value", response)
        return response

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

        It can be the ``load_fn`` of a ``strawberry.dataloader.DataLoader``. A loader runs in the context of
        the caller that asked it first. So values that it loads for several generators at once become parts of
        the first generator's value only.

        Args:
            keys: One element for each value: a sequence of strings, or anything that ``key`` turns into
                one. A key that is given twice is loaded once.
            ttl: As in `remember`: seconds, a timedelta, or a function of one value.
            load_many: An async function that receives the list of missing keys and returns their values in
                the same order. It is called once. It is called a second time only for keys that another
                process was generating without success. An exception in the list is returned in place of
                its key's value and is not stored.
            key: A function that turns an element of ``keys`` into key parts. None, the default, takes the
                elements as they are.
            as_type: As in `remember`, for one value; None, the default, for plain JSON.
            stale: As in `remember`: seconds or a timedelta; None, the default, takes the setting.
            tags: The tags of each value, or a function of an element of ``keys`` and its value; none by default.
            cacheable: As in `remember`, for one value; None, the default, stores every value.

        Returns:
            One value, or exception, for each element of ``keys``.

        Raises:
            TypeError: If a key is not a sequence of strings.
            CacheConfigurationError: As `remember` does, and if ``load_many`` does not return one value for
                each key.
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
            for _ in wanted.entries:
                self._engine.counters.bypassed("value", CacheDetail.TTL_ZERO.value)
            note_unfit_part(*wanted.entries)
            return wanted.in_order(await wanted.load(load_many, range(len(wanted.entries))))
        responses = await self._tenant.run_many(
            wanted.entries,
            [serializer.for_key(each) for each in wanted.keys],
            lambda positions: wanted.load(load_many, positions),
            self._subject,
        )
        return wanted.values(responses)

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
        """Return the values of many keys in their order; the sync form of `remember_many`.

        Args:
            keys: As in `remember_many`.
            ttl: As in `remember`: seconds, a timedelta, or a function of one value.
            load_many: As in `remember_many`, but a plain function.
            key: As in `remember_many`; None, the default, takes the elements as they are.
            as_type: As in `remember`, for one value; None, the default, for plain JSON.
            stale: As in `remember`: seconds or a timedelta; None, the default, takes the setting.
            tags: As in `remember_many`; none by default.
            cacheable: As in `remember`, for one value; None, the default, stores every value.

        Returns:
            One value, or exception, for each element of ``keys``.

        Raises:
            TypeError: As `remember_many` does.
            CacheConfigurationError: As `remember_many` does.
            CacheSerializationError: As `remember` does.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     cache.remember_many_sync(
            ...         [2, 3], 60, lambda numbers: [number**2 for number in numbers],
            ...         key=lambda number: ["square", str(number)])
            [4, 9]
        """
        if not callable(load_many):
            raise not_callable(load_many, "remember_many(keys, ttl, load_many)", "load_many")
        serializer = self._serializer(ttl, as_type, stale, tags, cacheable)
        wanted = Wanted(keys, key, self._keyspace)
        if serializer.ttl_ms == 0:
            for _ in wanted.entries:
                self._engine.counters.bypassed("value", CacheDetail.TTL_ZERO.value)
            note_unfit_part(*wanted.entries)
            return wanted.in_order(wanted.load_sync(load_many, range(len(wanted.entries))))
        responses = self._tenant.run_many_sync(
            wanted.entries,
            [serializer.for_key(each) for each in wanted.keys],
            lambda positions: wanted.load_sync(load_many, positions),
            self._subject,
        )
        return wanted.values(responses)

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
            log=self._engine.unstorable,
        )

    # Two overloads, so that type checkers require the ttl. `misplaced` catches wrong calls at run time.
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
        """Return a decorator that caches the return value of a function, by its arguments.

        Put it above an async function, which then runs in `remember`, or above a plain function, which runs
        in `remember_sync`. The function returns its value as before. It gets a method ``key_parts(...)``,
        which returns the key of a call, for `forget`. The key holds the function's module and name and all its
        arguments, defaults included. A function that uses variables of the function around it needs a
        ``key``. Global variables are not part of the key.

        Args:
            misplaced: Do not use it; it catches a call without parentheses or keywords.
            ttl: As in `remember`: seconds, a timedelta, or a function of the value. It is required.
            tags: As in `remember`; none by default.
            key: A function with the same arguments that returns the whole key. Use it if an argument cannot
                be part of a key, such as a database session or the ``self`` of a method. None, the default,
                takes all arguments.
            stale: As in `remember`: seconds or a timedelta; None, the default, takes the setting.
            as_type: As in `remember`; by default the return annotation of the function.
            cacheable: As in `remember`; None, the default, stores every value.

        Returns:
            The decorator.

        Raises:
            CacheConfigurationError: If the decorated object is not a function that returns a value, or a
                duration is not valid; and, at a call, if an argument cannot be part of a key.
            TypeError: If it is written without parentheses or without a ttl.

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
        narrowed._keyspace = self._keyspace.narrowed(tenant)
        narrowed._engine = self._engine
        narrowed._requests = self._requests
        narrowed._subject = self._subject
        narrowed._invalidations = Invalidations(self._engine, narrowed._keyspace, self._subject)
        narrowed._tenant = Tenant(self._engine, narrowed._keyspace, narrowed._invalidations)
        return narrowed

    async def invalidate(self, *tags: str, queued: bool = False) -> None:
        """Invalidate every entry that has one of these tags; the cost does not depend on their number.

        A value that is being generated from older data will not be stored. Values that a generator built
        from such an entry are invalidated too.

        Args:
            *tags: The tags, as strings.
            queued: What happens if Redis does not take it within ``invalidate_deadline``. False, the
                default, raises. True logs it and tries again until Redis takes it; until then this process
                reads nothing of this tenant from Redis.

        Raises:
            TypeError: If a tag is not a string.
            CacheStoreError: If Redis did not take it; the old entries then remain until their ttl and
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
        await self._invalidations.invalidate(tags, queued=queued)

    def invalidate_sync(self, *tags: str, queued: bool = False) -> None:
        """Invalidate every entry that has one of these tags; the sync form of `invalidate`.

        Args:
            *tags: The tags, as strings.
            queued: As in `invalidate`; False by default.

        Raises:
            TypeError: If a tag is not a string.
            CacheStoreError: As `invalidate` does.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     cache.remember_sync(["balance"], 60, lambda: 12, tags=["Account:1"]).value
            ...     cache.invalidate_sync("Account:1")
            ...     cache.remember_sync(["balance"], 60, lambda: 10, tags=["Account:1"]).value
            12
            10
        """
        self._invalidations.invalidate_sync(tags, queued=queued)

    async def forget(self, key_parts: Sequence[str]) -> None:
        """Invalidate one entry, and the values that a generator built from it.

        A value that is being generated for this key will not be stored.

        Args:
            key_parts: As in `remember`.

        Raises:
            TypeError: As `remember` does.
            CacheStoreError: If Redis did not take it within ``invalidate_deadline``.

        Example:
            >>> import asyncio
            >>> async def main() -> None:
            ...     async with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...         await cache.forget(["/v1/ledger", "page=2"])
            >>> asyncio.run(main())
        """
        await self._invalidations.forget(self._keys(key_parts))

    def forget_sync(self, key_parts: Sequence[str]) -> None:
        """Invalidate one entry; the sync form of `forget`.

        Args:
            key_parts: As in `remember`.

        Raises:
            TypeError: As `remember` does.
            CacheStoreError: As `forget` does.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     cache.remember_sync(["balance"], 60, lambda: 12).value
            ...     cache.forget_sync(["balance"])
            ...     cache.remember_sync(["balance"], 60, lambda: 10).value
            12
            10
        """
        self._invalidations.forget_sync(self._keys(key_parts))

    async def clear(self, *, queued: bool = False) -> None:
        """Invalidate all entries of this cache or tenant at once; entries of its tenants stay.

        Args:
            queued: As in `invalidate`; False by default.

        Raises:
            CacheStoreError: If Redis did not take it within ``invalidate_deadline``. With ``queued``, only
                if the queue is full.

        Example:
            >>> import asyncio
            >>> async def main() -> None:
            ...     async with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...         await cache.for_tenant("acme").clear()
            >>> asyncio.run(main())
        """
        await self._invalidations.clear(queued=queued)

    def clear_sync(self, *, queued: bool = False) -> None:
        """Invalidate all entries of this cache or tenant; the sync form of `clear`.

        Args:
            queued: As in `invalidate`; False by default.

        Raises:
            CacheStoreError: As `clear` does.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     cache.remember_sync(["balance"], 60, lambda: 12).value
            ...     cache.clear_sync()
            ...     cache.remember_sync(["balance"], 60, lambda: 10).value
            12
            10
        """
        self._invalidations.clear_sync(queued=queued)

    @property
    def on_invalidate_failures(self) -> int:
        """Of how many invalidations ``on_invalidate`` could not be told, in this process."""
        return self._engine.announcements.lost

    def statistics(self) -> CacheStatistics:
        """Return what this cache and all its tenants did in this process: the figures behind the metrics.

        It needs no OpenTelemetry, and also works with ``telemetry=False``.

        Returns:
            The figures as they are now.

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

        Raises:
            CacheStoreError: If it does not.

        Example:
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     cache.ping_sync()
        """
        self._engine.check(self._engine.sync_driver().invalidating.perform(Ping()))

    # -- The end -----------------------------------------------------------------------------------

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
        """Close it."""
        await self.aclose()

    def __enter__(self) -> Self:
        """Return the cache; it connects when it is first used."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def _named(value: object) -> str:
    """Name the type of a wrong argument, without showing the argument."""
    return (
        f"the class {value.__qualname__} itself"
        if isinstance(value, type)
        else f"a {type(value).__name__}"
    )


def _observer_for(telemetry: bool | Observer) -> Observer:  # noqa: FBT001 - the contract's argument
    if telemetry is True:
        # The only place where the core uses telemetry. It is loaded by name, so that the core does not
        # import a module above it.
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
    """Return a cache's tenant, for clients with a serializer of their own."""
    return cache._tenant  # noqa: SLF001 - the one way to it from outside


def inspection_of(cache: ResponseCache) -> Inspection:
    """Return what looks at the servers of a cache, for operators."""
    return Inspection(cache._engine, cache._keyspace)  # noqa: SLF001 - as above


def all_tenants_of(cache: ResponseCache) -> AllTenants:
    """Return all tenants of a cache, to clear them at once."""
    return AllTenants(cache._engine, cache._keyspace, cache._subject)  # noqa: SLF001 - as above
