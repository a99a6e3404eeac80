"""The invalidations of one cache or tenant: complete when they return; a failure raises or is queued."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

from strawberry_response_cache.core._engine import Engine
from strawberry_response_cache.core._families import (
    EVERYTHING,
    EVERYTHING_TAGGED,
    shown,
    with_families,
)
from strawberry_response_cache.core._invalidated_tags import InvalidatedTags
from strawberry_response_cache.core._invalidation_log import InvalidationLog
from strawberry_response_cache.core._keys import EntryKeys, Keyspace, tag_digests
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import Invalidated, Subject
from strawberry_response_cache.core._user_values import checked_strings
from strawberry_response_cache.core.algorithm.flights import Generation
from strawberry_response_cache.core.drivers.async_driver import AsyncDriver
from strawberry_response_cache.core.drivers.sync_driver import SyncDriver
from strawberry_response_cache.core.protocol import Clear, Effect, Forget, Invalidate, Unavailable

_EXAMPLE: Final = 'invalidate("Book", "Book:42")'
_QUEUED: Final = (
    "it is queued and tried again, and until it is taken this process reads nothing of its tenant from "
    "Redis"
)
_LOST: Final = (
    "as many tenants as max_queued_invalidations have one that is pending, so it is lost: what it was to "
    "invalidate can be read until its ttl and stale window end"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidation:
    """One invalidation.

    Attributes:
        effects: The effects to perform: one for each slot.
        kind: What is invalidated, for the observer.
        locally: Applies the invalidation to local memory, or notes it in the log of invalidations.
        tables: The tag tables that it changes.
        digests: The digests of the tags that it stamps in these tables; None for everything.
        count: The number of tags.
        names: The tags that `on_invalidate` gets when Redis has taken the invalidation; empty for no call.
        queued: Whether to queue it if Redis does not take it, and not to raise.
        started_ns: When it began, in nanoseconds since 1970.
        began: When it began, in seconds of `time.perf_counter`.
    """

    effects: Sequence[Effect[Unavailable | None]]
    kind: Literal["tags", "key", "clear"]
    locally: Callable[[Memory | InvalidationLog], None]
    tables: Sequence[str]
    digests: tuple[str, ...] | None = None
    count: int = 0
    names: tuple[str, ...] = ()
    queued: bool = False
    started_ns: int = field(default_factory=time.time_ns)
    began: float = field(default_factory=time.perf_counter)


class Invalidations:
    """The invalidations of one cache or tenant."""

    def __init__(self, engine: Engine, keyspace: Keyspace, subject: Subject) -> None:
        self._engine = engine
        self._keyspace = keyspace
        self._subject = subject

    def of_tags(self, tags: Sequence[str], *, queued: bool) -> Invalidation:
        """Return the invalidation of tags; see `ResponseCache.invalidate`."""
        named = checked_strings(tags, "tags", _EXAMPLE)
        digests = tag_digests(with_families(named))
        tables, channel = self._keyspace.tag_tables, self._keyspace.channel
        max_tags = self._engine.settings.max_tags

        def locally(memory: Memory | InvalidationLog) -> None:
            for table in tables:
                memory.invalidate(table, digests)

        effects = [Invalidate(table, channel, digests, max_tags) for table in tables]
        return Invalidation(
            effects=effects,
            kind="tags",
            locally=locally,
            tables=tables,
            digests=digests,
            count=len(tags),
            names=shown(named) if self._engine.announcements.is_wanted else (),
            queued=queued,
        )

    def of_entry(self, keys: EntryKeys) -> Invalidation:
        """Return the invalidation of one entry; see `ResponseCache.forget`."""
        max_tags = self._engine.settings.max_tags
        own = (keys.own_tag, *EVERYTHING)
        elsewhere = [table for table in self._keyspace.tag_tables if table != keys.tags]

        def locally(memory: Memory | InvalidationLog) -> None:
            memory.forget(keys.entry)
            for table in self._keyspace.tag_tables:
                memory.invalidate(table, own)

        others = [Invalidate(table, keys.channel, own, max_tags) for table in elsewhere]
        return Invalidation(
            effects=[Forget(keys, max_tags), *others],
            kind="key",
            locally=locally,
            tables=self._keyspace.tag_tables,
            digests=own,
        )

    def of_everything(self, *, queued: bool) -> Invalidation:
        """Return the invalidation of everything; see `ResponseCache.clear`."""
        tables, channel = self._keyspace.tag_tables, self._keyspace.channel

        def locally(memory: Memory | InvalidationLog) -> None:
            for table in tables:
                memory.clear(table)

        effects = [Clear(table, channel) for table in tables]
        return Invalidation(
            effects=effects,
            kind="clear",
            locally=locally,
            tables=tables,
            names=(EVERYTHING_TAGGED,),
            queued=queued,
        )

    # -- Performing them: in every slot, and with several slots in every slot twice ---------------------

    async def perform(self, invalidate: Invalidation) -> None:
        """Perform an invalidation, also if the caller is cancelled meanwhile.

        Raises:
            CacheStoreError: If Redis did not take the invalidation, and it was not queued.
        """
        driver = self._engine.async_driver()
        await driver.invalidating.hold(self._see_through(invalidate, driver))

    async def _see_through(self, invalidate: Invalidation, driver: AsyncDriver) -> None:
        why_pending = self._why_pending(invalidate)
        result = why_pending()
        for effect in [] if result else [*invalidate.effects] * self._keyspace.passes:
            if (result := await driver.invalidating.invalidate(effect, why_pending)) is not None:
                break
        if self._conclude(invalidate, result, driver):
            driver.invalidating.keep_replaying(self._engine.queue)

    def perform_sync(self, invalidate: Invalidation) -> None:
        """Perform an invalidation; the sync form of `perform`."""
        driver = self._engine.sync_driver()
        why_pending = self._why_pending(invalidate)
        result = why_pending()
        for effect in [] if result else [*invalidate.effects] * self._keyspace.passes:
            if (result := driver.invalidating.invalidate(effect, why_pending)) is not None:
                break
        if self._conclude(invalidate, result, driver):
            driver.invalidating.keep_replaying(self._engine.queue)

    def _why_pending(self, invalidate: Invalidation) -> Callable[[], Unavailable | None]:
        """Return a function that returns why to queue an invalidation without asking Redis; None to ask.

        The reason is that another invalidation of the tenant is pending, which is replayed already. The caller of
        this one would only wait for the same server. Invalidations that are not to be queued are always tried.
        """
        if not invalidate.queued:
            return lambda: None
        return partial(self._engine.queue.why, self._keyspace)

    def _conclude(
        self,
        invalidate: Invalidation,
        result: Unavailable | None,
        by: AsyncDriver | SyncDriver,
    ) -> bool:
        """Apply, count and report an invalidation that was tried. If it failed, queue it or raise.

        Returns:
            Whether it failed and was queued.
        """
        engine = self._engine
        was_queued = False
        if result is not None and invalidate.queued:
            was_queued = engine.queue.add(
                self._keyspace, invalidate.digests, result, invalidate.names
            )
        invalidate.locally(engine.invalidated)
        for driver in engine.drivers():
            self._apply(invalidate, driver, was_queued=was_queued)
            if result is None:
                by.give_back(self._outdated(invalidate, driver))
        error = None if result is None else result.error_type
        seconds = time.perf_counter() - invalidate.began
        engine.counters.calls["invalidate"].add(seconds, failed=error is not None)
        engine.observer.called(engine.name, "invalidate", seconds, error)
        if was_queued or result is None:
            engine.counters.invalidated(invalidate.kind)
        if engine.observer.listening():
            event = Invalidated(
                self._subject,
                invalidate.started_ns,
                time.time_ns(),
                invalidate.kind,
                invalidate.count,
                error,
            )
            engine.observer.invalidated(event)
        if result is None:
            tags = InvalidatedTags(invalidate.names, tenant=self._keyspace.tenant_hash)
            engine.announcements.announce(tags)
        if result is not None and invalidate.queued:
            self._log(result, invalidate, was_queued=was_queued)
        if not was_queued:
            engine.check(result)
        return was_queued

    def _log(self, result: Unavailable, invalidate: Invalidation, *, was_queued: bool) -> None:
        engine = self._engine
        interval = engine.queue.log if was_queued else engine.queue.log_lost
        if (count := interval.counted()) is None:
            return
        logger.error(
            "Redis at %s did not take an invalidation (%s%s); %s. %s",
            engine.handle.place,
            result.error_name,
            count.words,
            _QUEUED if was_queued else _LOST,
            result.trouble.advice,
            extra={
                "response_cache.name": self._keyspace.prefix,
                "response_cache.tag.count": invalidate.count,
                "response_cache.failures": count.number,
                "server.address": engine.handle.address,
                "error.type": result.error_type,
            },
        )

    @staticmethod
    def _apply(
        invalidate: Invalidation, driver: AsyncDriver | SyncDriver, *, was_queued: bool
    ) -> None:
        """Apply an invalidation to the flights and the local memory of one driver."""
        if was_queued:
            driver.flights.seal_all()
        else:
            driver.flights.seal_leaseless()
        if driver.memory is not None:
            invalidate.locally(driver.memory)

    @staticmethod
    def _outdated(
        invalidate: Invalidation, driver: AsyncDriver | SyncDriver
    ) -> Iterable[Generation]:
        """Seal the flights that an invalidation outdates; return the generations whose leases must be released."""
        digests = None if invalidate.digests is None else frozenset(invalidate.digests)
        for table in invalidate.tables:
            yield from driver.flights.seal_outdated(table, digests)

    # -- Pending invalidations --------------------------------------------------------

    async def are_pending(self) -> bool:
        """Whether an invalidation of this tenant is pending; if the replays have stopped, replay the queue first."""
        queue = self._engine.queue
        if not queue.has_pending(self._keyspace):
            return False
        if queue.is_unattended():
            seconds = self._engine.settings.read_deadline
            await self._engine.async_driver().invalidating.replay(queue, within=seconds)
        return queue.has_pending(self._keyspace)

    def are_pending_sync(self) -> bool:
        """Whether an invalidation of this tenant is pending; the sync form of `are_pending`."""
        queue = self._engine.queue
        if not queue.has_pending(self._keyspace):
            return False
        if queue.is_unattended():
            seconds = self._engine.settings.read_deadline
            self._engine.sync_driver().invalidating.replay(queue, within=seconds)
        return queue.has_pending(self._keyspace)
