"""What a cache remembers: one value, many, or the results of a function."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar, overload

from strawberry_response_cache.core._batch_keys import BatchKeys
from strawberry_response_cache.core._cached import FROM_ANNOTATION, NOT_GIVEN, Cached, checked_ttl
from strawberry_response_cache.core._duration import Duration
from strawberry_response_cache.core._engine import Engine
from strawberry_response_cache.core._invalidations import Invalidations
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core._local import are_plain, keys_of, local_hit
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._tenant import Tenant
from strawberry_response_cache.core.algorithm.leading import note_unfit_part
from strawberry_response_cache.core.serialization.value import (
    ValueRecipe,
    not_callable,
    plain,
    run_async_generator,
)

T = TypeVar("T")
K = TypeVar("K")


class RememberedValues:
    """The values of a cache or tenant: what `ResponseCache` remembers."""

    def __init__(self, engine: Engine, keyspace: Keyspace) -> None:
        self._engine = engine
        self._keyspace = keyspace
        self._requests = engine.counters.requests["value"]
        self._subject = Subject(keyspace.prefix)
        self._invalidations = Invalidations(engine, keyspace, self._subject)
        self._tenant = Tenant(engine, keyspace, self._invalidations)

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
            CacheSerializationError: If a hit could not return the value unchanged; see the
                setting ``strict``.

        Source: early refresh is XFetch, from "Optimal Probabilistic Cache Stampede Prevention" (Vattani,
        Chierichetti, Lowenstein; VLDB 2015), https://www.vldb.org/pvldb/vol8/p886-vattani.pdf; ``stale`` is
        ``stale-while-revalidate`` and ``stale-if-error`` of RFC 5861.

        Example:
            >>> import asyncio, datetime
            >>> from strawberry_response_cache import ResponseCache
            >>> async def main(cache: ResponseCache) -> None:
            ...     async def generate() -> datetime.date:
            ...         return datetime.date(2026, 1, 31)
            ...     page = await cache.remember(["closing day"], 60, generate, as_type=datetime.date)
            ...     print(page.value, page.detail)
            ...     await cache.aclose()
            >>> asyncio.run(main(ResponseCache.from_url("memory://", prefix="ledger")))
            2026-01-31 generated
        """
        keys = keys_of(self._keyspace, key_parts)
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
            value = await run_async_generator(generator)
            note_unfit_part(keys)
            return CachedResponse(value, CacheStatus.BYPASS, CacheDetail.TTL_ZERO)
        try:
            response = await self._tenant.run(
                keys,
                serializer,
                lambda: run_async_generator(generator),
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

        The generator is a plain function, which runs in the caller's own thread; with ``background``, a refresh
        has a thread of its own. Equal key parts name the same entry in both forms.

        Example:
            >>> from strawberry_response_cache import ResponseCache
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     first = cache.remember_sync(["totals"], 60, lambda: {"EUR": 12})
            ...     again = cache.remember_sync(["totals"], 60, lambda: {"EUR": 99})
            >>> first.status.value, again.status.value, again.value
            ('miss', 'hit', {'EUR': 12})
        """
        keys = keys_of(self._keyspace, key_parts)
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
            CacheConfigurationError: If a duration is not valid, the handle has no async client, or
                ``load_many`` does not return one value for each key.
            CacheSerializationError: If a hit could not return a value unchanged; see the
                setting ``strict``.

        Example:
            >>> import asyncio
            >>> from strawberry_response_cache import ResponseCache
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
        serializer = self._serializer(ttl, as_type, stale, tags, cacheable)
        batch = BatchKeys(keys, key, load_many, self._keyspace)
        if serializer.ttl_ms == 0:
            for _ in batch.entries:
                self._engine.counters.bypassed("value", CacheDetail.TTL_ZERO.value)
            note_unfit_part(*batch.entries)
            return batch.in_order(await batch.load(range(len(batch.entries))))
        serializers = [serializer.for_key(each) for each in batch.keys]
        responses = await self._tenant.run_many(
            batch.entries, serializers, batch.load, self._subject
        )
        return batch.values(responses)

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

        Example:
            >>> from strawberry_response_cache import ResponseCache
            >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
            ...     cache.remember_many_sync(
            ...         [2, 3], 60, lambda numbers: [number**2 for number in numbers],
            ...         key=lambda number: ["square", str(number)])
            [4, 9]
        """
        serializer = self._serializer(ttl, as_type, stale, tags, cacheable)
        batch = BatchKeys(keys, key, load_many, self._keyspace)
        if serializer.ttl_ms == 0:
            for _ in batch.entries:
                self._engine.counters.bypassed("value", CacheDetail.TTL_ZERO.value)
            note_unfit_part(*batch.entries)
            return batch.in_order(batch.load_sync(range(len(batch.entries))))
        serializers = [serializer.for_key(each) for each in batch.keys]
        responses = self._tenant.run_many_sync(
            batch.entries, serializers, batch.load_sync, self._subject
        )
        return batch.values(responses)

    def _serializer(
        self,
        ttl: "Duration | Callable[[T], Duration]",
        as_type: object,
        stale: Duration | None,
        tags: "Iterable[str] | Callable[..., Iterable[str]]",
        cacheable: Callable[[T], bool] | None,
    ) -> ValueRecipe[T]:
        return ValueRecipe(
            self._engine.settings,
            self._engine.unstorable,
            ttl=ttl,
            stale=stale,
            as_type=as_type,
            tags=tags,
            cacheable=cacheable,
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
            >>> from strawberry_response_cache import ResponseCache
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
            ttl=checked_ttl(misplaced, ttl),
            tags=tags,
            key=key,
            stale=stale,
            as_type=as_type,
            cacheable=cacheable,
        )
