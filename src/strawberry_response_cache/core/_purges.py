"""Purges of one cache or tenant: complete before they return, raised or queued if they fail."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from strawberry_response_cache.core._drivers.async_driver import AsyncDriver
from strawberry_response_cache.core._engine import Engine
from strawberry_response_cache.core._keys import (
    EVERYTHING,
    EntryKeys,
    Keyspace,
    checked_strings,
    tag_digests,
    with_families,
)
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import Purged, Subject
from strawberry_response_cache.core._port import Clear, Effect, Forget, Invalidate, Unavailable

logger = logging.getLogger("strawberry_response_cache")

_EXAMPLE: Final = 'invalidate("Book", "Book:42")'


@dataclass(frozen=True, slots=True)
class _Purge:
    """One purge.

    Attributes:
        effects: What to ask of Redis: one effect for each slot.
        kind: What is purged, for the observer.
        locally: What to do to local memory.
        count: The number of tags.
        owed: What to queue if Redis does not take it; None for everything.
        queued: Whether to queue that, and not to raise.
        started_ns: When it began, in nanoseconds since 1970.
    """

    effects: Sequence[Effect[Unavailable | None]]
    kind: Literal["tags", "key", "clear"]
    locally: Callable[[Memory], None]
    count: int = 0
    owed: tuple[str, ...] | None = None
    queued: bool = False
    started_ns: int = field(default_factory=time.time_ns)


class Purges:
    """The purges of one cache or tenant.

    Args:
        engine: What the cache shares with its tenants.
        keyspace: The keys of the cache or tenant.
        subject: On whose behalf, for the observer.
    """

    def __init__(self, engine: Engine, keyspace: Keyspace, subject: Subject) -> None:
        self._engine = engine
        self._keyspace = keyspace
        self._subject = subject

    async def invalidate(self, tags: Sequence[str], *, queued: bool) -> None:
        """Purge tags; see `ResponseCache.invalidate`."""
        await self._perform(self._of_tags(tags, queued=queued))

    def invalidate_sync(self, tags: Sequence[str], *, queued: bool) -> None:
        """Purge tags; the twin of `invalidate`."""
        self._perform_sync(self._of_tags(tags, queued=queued))

    async def forget(self, keys: EntryKeys) -> None:
        """Purge one entry; see `ResponseCache.forget`."""
        await self._perform(self._of_entry(keys))

    def forget_sync(self, keys: EntryKeys) -> None:
        """Purge one entry; the twin of `forget`."""
        self._perform_sync(self._of_entry(keys))

    async def clear(self, *, queued: bool) -> None:
        """Purge everything; see `ResponseCache.clear`."""
        await self._perform(self._of_everything(queued=queued))

    def clear_sync(self, *, queued: bool) -> None:
        """Purge everything; the twin of `clear`."""
        self._perform_sync(self._of_everything(queued=queued))

    # -- What there is to do -----------------------------------------------------------------------

    def _of_tags(self, tags: Sequence[str], *, queued: bool) -> _Purge:
        named = checked_strings(tags, "tags", _EXAMPLE)
        digests = tag_digests(with_families(named))
        tables, channel = self._keyspace.tag_tables, self._keyspace.channel
        max_tags = self._engine.settings.max_tags

        def locally(memory: Memory) -> None:
            for table in tables:
                memory.purge(table, digests)

        effects = [Invalidate(table, channel, digests, max_tags) for table in tables]
        return _Purge(effects, "tags", locally, len(tags), digests, queued)

    def _of_entry(self, keys: EntryKeys) -> _Purge:
        max_tags = self._engine.settings.max_tags
        own = (keys.own_tag, *EVERYTHING)
        elsewhere = [table for table in self._keyspace.tag_tables if table != keys.tags]

        def locally(memory: Memory) -> None:
            memory.forget(keys.entry)
            for table in self._keyspace.tag_tables:
                memory.purge(table, own)

        others = [Invalidate(table, keys.channel, own, max_tags) for table in elsewhere]
        return _Purge([Forget(keys, max_tags), *others], "key", locally)

    def _of_everything(self, *, queued: bool) -> _Purge:
        tables, channel = self._keyspace.tag_tables, self._keyspace.channel

        def locally(memory: Memory) -> None:
            for table in tables:
                memory.clear(table)

        effects = [Clear(table, channel) for table in tables]
        return _Purge(effects, "clear", locally, queued=queued)

    # -- Doing it: every slot, and where there are several, every slot once more ---------------------

    async def _perform(self, purge: _Purge) -> None:
        driver = self._engine.async_driver()
        await driver.purging.hold(self._see_through(purge, driver))

    async def _see_through(self, purge: _Purge, driver: AsyncDriver) -> None:
        result = None
        for effect in [*purge.effects] * self._keyspace.passes:
            if (result := await driver.purging.purge(effect)) is not None:
                break
        if self._conclude(purge, result):
            driver.purging.keep_replaying(self._engine.queue)

    def _perform_sync(self, purge: _Purge) -> None:
        driver = self._engine.sync_driver()
        result = None
        for effect in [*purge.effects] * self._keyspace.passes:
            if (result := driver.purging.purge(effect)) is not None:
                break
        if self._conclude(purge, result):
            driver.purging.keep_replaying(self._engine.queue)

    def _conclude(self, purge: _Purge, result: Unavailable | None) -> bool:
        """Tell this process and the observer of a purge that is over, and raise if it failed.

        Returns:
            Whether it failed and was queued.
        """
        engine = self._engine
        was_queued = False
        if result is not None and purge.queued:
            was_queued = engine.queue.add(self._keyspace, purge.owed)
        for driver in engine.drivers():
            if was_queued:
                driver.flights.seal_all()
            else:
                driver.flights.seal_leaseless()
            if driver.memory is not None:
                purge.locally(driver.memory)
        error = None if result is None else result.error_type
        if engine.observer.listening():
            event = Purged(
                self._subject, purge.started_ns, time.time_ns(), purge.kind, purge.count, error
            )
            engine.observer.purged(event)
        if result is None or not was_queued:
            engine.check(result)
            return False
        logger.error(
            "Redis at %s did not take an invalidation (%s); it is queued and tried again, and until "
            "it is taken this process reads nothing of its tenant from Redis. %s",
            engine.handle.place,
            result.error_name,
            result.trouble.advice,
            extra={
                "response_cache.name": self._keyspace.prefix,
                "response_cache.tag.count": purge.count,
                "server.address": engine.handle.address,
                "error.type": error,
            },
        )
        return True

    # -- Purges that Redis did not take yet --------------------------------------------------------

    async def are_pending(self) -> bool:
        """Whether Redis owes this tenant a purge, after trying once more."""
        queue = self._engine.queue
        if not queue.owes(self._keyspace):
            return False
        await self._engine.async_driver().purging.replay(queue)
        return queue.owes(self._keyspace)

    def are_pending_sync(self) -> bool:
        """Whether Redis owes this tenant a purge, after trying once more."""
        queue = self._engine.queue
        if not queue.owes(self._keyspace):
            return False
        self._engine.sync_driver().purging.replay(queue)
        return queue.owes(self._keyspace)
