"""Purges of one cache or tenant: complete before they return, raised or queued if they fail."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

from strawberry_response_cache.core._engine import Engine
from strawberry_response_cache.core._keys import EntryKeys, Keyspace, checked_strings, tag_digests
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import Purged, Subject
from strawberry_response_cache.core._port import Clear, Effect, Forget, Invalidate, Unavailable
from strawberry_response_cache.core._value import TAGS_EXAMPLE

logger = logging.getLogger("strawberry_response_cache")

Kind: TypeAlias = Literal["tags", "key", "clear"]
Result: TypeAlias = Unavailable | None


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
        digests = tag_digests(checked_strings(tags, "tags", TAGS_EXAMPLE))
        locally = self._local_tags(digests)
        owed = digests if queued else None
        await self._perform(self._of_tags(digests), "tags", len(tags), locally, owed)

    def invalidate_sync(self, tags: Sequence[str], *, queued: bool) -> None:
        """Purge tags; the twin of `invalidate`."""
        digests = tag_digests(checked_strings(tags, "tags", TAGS_EXAMPLE))
        locally = self._local_tags(digests)
        owed = digests if queued else None
        self._perform_sync(self._of_tags(digests), "tags", len(tags), locally, owed)

    async def forget(self, keys: EntryKeys) -> None:
        """Purge one entry; see `ResponseCache.forget`."""
        await self._perform(self._of_entry(keys), "key", 0, _local_entry(keys))

    def forget_sync(self, keys: EntryKeys) -> None:
        """Purge one entry; the twin of `forget`."""
        self._perform_sync(self._of_entry(keys), "key", 0, _local_entry(keys))

    async def clear(self) -> None:
        """Purge everything; see `ResponseCache.clear`."""
        await self._perform(self._of_everything(), "clear", 0, self._local_everything())

    def clear_sync(self) -> None:
        """Purge everything; the twin of `clear`."""
        self._perform_sync(self._of_everything(), "clear", 0, self._local_everything())

    # -- What there is to do: one effect for each slot --------------------------------------------

    def _of_tags(self, digests: tuple[str, ...]) -> list[Effect[Result]]:
        max_tags, channel = self._engine.settings.max_tags, self._keyspace.channel
        tables = self._keyspace.tag_tables
        return [Invalidate(table, channel, digests, max_tags) for table in tables]

    def _of_entry(self, keys: EntryKeys) -> list[Effect[Result]]:
        max_tags = self._engine.settings.max_tags
        elsewhere = [table for table in self._keyspace.tag_tables if table != keys.tags]
        others = [Invalidate(t, keys.channel, (keys.own_tag,), max_tags) for t in elsewhere]
        return [Forget(keys, max_tags), *others]

    def _of_everything(self) -> list[Effect[Result]]:
        return [Clear(table, self._keyspace.channel) for table in self._keyspace.tag_tables]

    # -- Local memory: this process knows at once --------------------------------------------------

    def _local_tags(self, digests: tuple[str, ...]) -> Callable[[Memory], None]:
        def purge(memory: Memory) -> None:
            for table in self._keyspace.tag_tables:
                memory.purge(table, digests)

        return purge

    def _local_everything(self) -> Callable[[Memory], None]:
        def purge(memory: Memory) -> None:
            for table in self._keyspace.tag_tables:
                memory.clear(table)

        return purge

    # -- Doing it ----------------------------------------------------------------------------------

    async def _perform(
        self,
        effects: list[Effect[Result]],
        kind: Kind,
        count: int,
        locally: Callable[[Memory], None],
        owed: tuple[str, ...] | None = None,
    ) -> None:
        started_ns = time.time_ns()
        driver = self._engine.async_driver()
        result = None
        for effect in self._in_order(effects):
            result = await driver.purge(effect)
            if result is not None:
                break
        if self._conclude(result, started_ns, kind, count, locally, owed):
            driver.keep_replaying(self._engine.queue)

    def _perform_sync(
        self,
        effects: list[Effect[Result]],
        kind: Kind,
        count: int,
        locally: Callable[[Memory], None],
        owed: tuple[str, ...] | None = None,
    ) -> None:
        started_ns = time.time_ns()
        driver = self._engine.sync_driver()
        result = None
        for effect in self._in_order(effects):
            result = driver.purge(effect)
            if result is not None:
                break
        if self._conclude(result, started_ns, kind, count, locally, owed):
            driver.keep_replaying(self._engine.queue)

    def _in_order(self, effects: list[Effect[Result]]) -> Iterator[Effect[Result]]:
        for _ in range(self._keyspace.passes):
            yield from effects

    def _conclude(
        self,
        result: Result,
        started_ns: int,
        kind: Kind,
        count: int,
        locally: Callable[[Memory], None],
        owed: tuple[str, ...] | None,
    ) -> bool:
        """Tell this process and the observer of a purge that is over, and raise if it failed.

        Returns:
            Whether it failed and was queued.
        """
        was_queued = (
            result is not None and owed is not None and self._engine.queue.add(self._keyspace, owed)
        )
        for driver in self._engine.drivers():
            driver.flights.seal_leaseless()
            if driver.memory is not None:
                locally(driver.memory)
        if self._engine.observer.listening():
            error = result.error_type if result else None
            event = Purged(self._subject, started_ns, time.time_ns(), kind, count, error)
            self._engine.observer.purged(event)
        if was_queued:
            logger.error(
                "Redis did not take a purge; it waits to be replayed, and until then nothing of its "
                "tenant is read from Redis here.",
                extra={
                    "response_cache.name": self._keyspace.prefix,
                    "response_cache.tag.count": count,
                    "error.type": result.error_type if result else None,
                },
            )
        else:
            self._engine.check(result)
        return was_queued

    # -- Purges that Redis did not take yet --------------------------------------------------------

    async def are_pending(self) -> bool:
        """Whether Redis owes this tenant a purge, after trying once more."""
        queue = self._engine.queue
        if not queue.owes(self._keyspace):
            return False
        await self._engine.async_driver().replay(queue)
        return queue.owes(self._keyspace)

    def are_pending_sync(self) -> bool:
        """Whether Redis owes this tenant a purge, after trying once more."""
        queue = self._engine.queue
        if not queue.owes(self._keyspace):
            return False
        self._engine.sync_driver().replay(queue)
        return queue.owes(self._keyspace)


def _local_entry(keys: EntryKeys) -> Callable[[Memory], None]:
    def purge(memory: Memory) -> None:
        memory.forget(keys.entry)
        memory.purge(keys.tags, (keys.own_tag,))

    return purge
