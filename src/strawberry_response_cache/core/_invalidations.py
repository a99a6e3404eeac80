"""Invalidations of one cache or tenant: complete before they return, raised or queued if they fail."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

from strawberry_response_cache.core._engine import Engine
from strawberry_response_cache.core._keys import (
    EVERYTHING,
    EntryKeys,
    Keyspace,
    checked_strings,
    tag_digests,
    with_families,
)
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import Invalidated, Subject
from strawberry_response_cache.core.drivers.async_driver import AsyncDriver
from strawberry_response_cache.core.protocol import Clear, Effect, Forget, Invalidate, Unavailable

_EXAMPLE: Final = 'invalidate("Book", "Book:42")'
_QUEUED: Final = (
    "it is queued and tried again, and until it is taken this process reads nothing of its tenant from "
    "Redis"
)
_LOST: Final = (
    "more tenants than max_queued_invalidations are owed one already, so it is lost: what it was to "
    "invalidate can be read until its ttl and stale window end"
)


@dataclass(frozen=True, slots=True)
class _Invalidation:
    """One invalidation.

    Attributes:
        effects: What to ask of Redis: one effect for each slot.
        kind: What is invalidated, for the observer.
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


class Invalidations:
    """The invalidations of one cache or tenant.

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
        """Invalidate tags; see `ResponseCache.invalidate`."""
        await self._perform(self._of_tags(tags, queued=queued))

    def invalidate_sync(self, tags: Sequence[str], *, queued: bool) -> None:
        """Invalidate tags; the twin of `invalidate`."""
        self._perform_sync(self._of_tags(tags, queued=queued))

    async def forget(self, keys: EntryKeys) -> None:
        """Invalidate one entry; see `ResponseCache.forget`."""
        await self._perform(self._of_entry(keys))

    def forget_sync(self, keys: EntryKeys) -> None:
        """Invalidate one entry; the twin of `forget`."""
        self._perform_sync(self._of_entry(keys))

    async def clear(self, *, queued: bool) -> None:
        """Invalidate everything; see `ResponseCache.clear`."""
        await self._perform(self._of_everything(queued=queued))

    def clear_sync(self, *, queued: bool) -> None:
        """Invalidate everything; the twin of `clear`."""
        self._perform_sync(self._of_everything(queued=queued))

    # -- What there is to do -----------------------------------------------------------------------

    def _of_tags(self, tags: Sequence[str], *, queued: bool) -> _Invalidation:
        named = checked_strings(tags, "tags", _EXAMPLE)
        digests = tag_digests(with_families(named))
        tables, channel = self._keyspace.tag_tables, self._keyspace.channel
        max_tags = self._engine.settings.max_tags

        def locally(memory: Memory) -> None:
            for table in tables:
                memory.invalidate(table, digests)

        effects = [Invalidate(table, channel, digests, max_tags) for table in tables]
        return _Invalidation(effects, "tags", locally, len(tags), digests, queued)

    def _of_entry(self, keys: EntryKeys) -> _Invalidation:
        max_tags = self._engine.settings.max_tags
        own = (keys.own_tag, *EVERYTHING)
        elsewhere = [table for table in self._keyspace.tag_tables if table != keys.tags]

        def locally(memory: Memory) -> None:
            memory.forget(keys.entry)
            for table in self._keyspace.tag_tables:
                memory.invalidate(table, own)

        others = [Invalidate(table, keys.channel, own, max_tags) for table in elsewhere]
        return _Invalidation([Forget(keys, max_tags), *others], "key", locally)

    def _of_everything(self, *, queued: bool) -> _Invalidation:
        tables, channel = self._keyspace.tag_tables, self._keyspace.channel

        def locally(memory: Memory) -> None:
            for table in tables:
                memory.clear(table)

        effects = [Clear(table, channel) for table in tables]
        return _Invalidation(effects, "clear", locally, queued=queued)

    # -- Doing it: every slot, and where there are several, every slot once more ---------------------

    async def _perform(self, invalidate: _Invalidation) -> None:
        driver = self._engine.async_driver()
        await driver.invalidating.hold(self._see_through(invalidate, driver))

    async def _see_through(self, invalidate: _Invalidation, driver: AsyncDriver) -> None:
        is_owed = self._is_owed(invalidate)
        result = is_owed()
        for effect in [] if result else [*invalidate.effects] * self._keyspace.passes:
            if (result := await driver.invalidating.invalidate(effect, is_owed)) is not None:
                break
        if self._conclude(invalidate, result):
            driver.invalidating.keep_replaying(self._engine.queue)

    def _perform_sync(self, invalidate: _Invalidation) -> None:
        driver = self._engine.sync_driver()
        is_owed = self._is_owed(invalidate)
        result = is_owed()
        for effect in [] if result else [*invalidate.effects] * self._keyspace.passes:
            if (result := driver.invalidating.invalidate(effect, is_owed)) is not None:
                break
        if self._conclude(invalidate, result):
            driver.invalidating.keep_replaying(self._engine.queue)

    def _is_owed(self, invalidate: _Invalidation) -> Callable[[], Unavailable | None]:
        """Return what tells why to queue an invalidation and not to try it, if there is a reason.

        Where Redis owes the tenant another one, that is tried again and again already: a second that
        is tried beside it would only let its caller wait for the same server.
        """
        if not invalidate.queued:
            return lambda: None
        return partial(self._engine.queue.why, self._keyspace)

    def _conclude(self, invalidate: _Invalidation, result: Unavailable | None) -> bool:
        """Tell this process and the observer of an invalidation that is over, and raise if it failed.

        Returns:
            Whether it failed and was queued.
        """
        engine = self._engine
        was_queued = False
        if result is not None and invalidate.queued:
            was_queued = engine.queue.add(self._keyspace, invalidate.owed, result)
        for driver in engine.drivers():
            if was_queued:
                driver.flights.seal_all()
            else:
                driver.flights.seal_leaseless()
            if driver.memory is not None:
                invalidate.locally(driver.memory)
        error = None if result is None else result.error_type
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
        if result is not None and invalidate.queued:
            self._log(result, invalidate, was_queued=was_queued)
        if not was_queued:
            engine.check(result)
        return was_queued

    def _log(self, result: Unavailable, invalidate: _Invalidation, *, was_queued: bool) -> None:
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

    # -- Invalidations that Redis did not take yet --------------------------------------------------------

    async def are_pending(self) -> bool:
        """Whether Redis owes this tenant an invalidation; where nobody replays it, this tries once."""
        queue = self._engine.queue
        if not queue.owes(self._keyspace):
            return False
        if queue.is_unattended():
            seconds = self._engine.settings.read_deadline
            await self._engine.async_driver().invalidating.replay(queue, within=seconds)
        return queue.owes(self._keyspace)

    def are_pending_sync(self) -> bool:
        """Whether Redis owes this tenant an invalidation; the twin of `are_pending`."""
        queue = self._engine.queue
        if not queue.owes(self._keyspace):
            return False
        if queue.is_unattended():
            seconds = self._engine.settings.read_deadline
            self._engine.sync_driver().invalidating.replay(queue, within=seconds)
        return queue.owes(self._keyspace)
