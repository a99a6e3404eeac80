"""One tenant: any client's serializer through memory, flights and the store.

`ResponseCache.remember` is one such client; operations and fields of GraphQL are others.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from strawberry_response_cache.core._engine import Engine
from strawberry_response_cache.core._flights import leading, note_unfit_part
from strawberry_response_cache.core._invalidations import Invalidations
from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core._response import CachedResponse
from strawberry_response_cache.core._waiting import WaitBudget
from strawberry_response_cache.core.algorithm import Remember
from strawberry_response_cache.core.drivers.async_driver import AsyncDriver
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.core.drivers.sync_driver import SyncDriver
from strawberry_response_cache.core.serialization.serializer import Serializer

T = TypeVar("T")


class Tenant:
    """The entries of one cache or tenant, for clients that bring a serializer of their own.

    Args:
        engine: What the cache shares with its tenants.
        keyspace: The keys of the cache or tenant.
        invalidations: What Redis may still owe it, before which nothing is read.

    Attributes:
        name: The cache's prefix.
        observer: Told of what happens.
        jitter: By which share a ttl may be shortened.
        max_entry_bytes: The largest payload that is stored.
    """

    def __init__(self, engine: Engine, keyspace: Keyspace, invalidations: Invalidations) -> None:
        self._engine = engine
        self._keyspace = keyspace
        self._invalidations = invalidations
        self.name = keyspace.prefix
        self.observer = engine.observer
        self.jitter = engine.settings.jitter
        self.max_entry_bytes = engine.settings.max_entry_bytes

    def keys(self, key_parts: Sequence[str]) -> EntryKeys:
        """Return the keys of the entry that these parts name."""
        return self._keyspace.keys(key_parts)

    def keys_beside(self, key_parts: Sequence[str], other: EntryKeys) -> EntryKeys:
        """Return the keys of the entry that these parts name, in the slot of another entry."""
        return self._keyspace.keys_beside(key_parts, other)

    def note_unfit_part(self) -> None:
        """Keep what the current code is a part of from being stored."""
        note_unfit_part(self._keyspace.keys(()))

    def memory(self) -> Memory | None:
        """Return the running loop's local memory, where all that it holds may be served as it is."""
        return self._engine.async_driver().memory if self._may_serve_locally() else None

    def memory_sync(self) -> Memory | None:
        """Return the local memory of the threads; the twin of `memory`."""
        return self._engine.sync_driver().memory if self._may_serve_locally() else None

    def _may_serve_locally(self) -> bool:
        """Whether no invalidation is owed, and nothing is being made of what is served."""
        return not leading.get() and not self._engine.queue.owes(self._keyspace)

    # -- One value, or many --------------------------------------------------------------------------

    async def run(
        self,
        keys: EntryKeys,
        serializer: Serializer[T],
        generator: Callable[[], Awaitable[T]],
        subject: Subject,
        *,
        in_background: bool = False,
        prefetched: Prefetched | None = None,
        budget: WaitBudget | None = None,
    ) -> CachedResponse[T]:
        """Obtain a value.

        Args:
            keys: Of its entry.
            serializer: Both directions between value and bytes.
            generator: Makes the value, in the caller's own task.
            subject: On whose behalf.
            in_background: Whether a refresh may run beside the caller.
            prefetched: What was looked up ahead for the run that this is a part of.
            budget: For how long it may wait for others, with all else that shares it; None for its own.
        """
        driver = self._engine.async_driver()
        is_pending = await self._invalidations.are_pending()
        remember = self._remember(
            keys,
            serializer,
            driver,
            budget or self.wait_budget(),
            in_background=in_background,
            is_pending=is_pending,
            prefetched=prefetched,
            subject=subject,
        )
        return await driver.run(remember.flow(), generator, subject)

    def run_sync(
        self,
        keys: EntryKeys,
        serializer: Serializer[T],
        generator: Callable[[], T],
        subject: Subject,
        *,
        in_background: bool = False,
        prefetched: Prefetched | None = None,
        budget: WaitBudget | None = None,
    ) -> CachedResponse[T]:
        """Obtain a value; the twin of `run`."""
        driver = self._engine.sync_driver()
        remember = self._remember(
            keys,
            serializer,
            driver,
            self._budget_of_threads(budget),
            in_background=in_background,
            is_pending=self._invalidations.are_pending_sync(),
            prefetched=prefetched,
            subject=subject,
        )
        return driver.run(remember.flow(), generator, subject)

    async def run_many(
        self,
        keys: Sequence[EntryKeys],
        serializers: Sequence[Serializer[T]],
        load: Callable[[list[int]], Awaitable[Sequence[T | Exception]]],
        subject: Subject,
    ) -> Mapping[int, T | Exception]:
        """Obtain many values, with one round trip for all.

        Args:
            keys: Of their entries, each once.
            serializers: Both directions between the value of each key and bytes.
            load: Makes the values at these positions of ``keys``.
            subject: On whose behalf.
        """
        driver = self._engine.async_driver()
        is_pending = await self._invalidations.are_pending()
        flows = [
            self._remember(
                each,
                serializer,
                driver,
                self.wait_budget(),
                is_pending=is_pending,
                subject=subject,
            ).flow()
            for each, serializer in zip(keys, serializers, strict=True)
        ]
        return await driver.run_many(flows, load, subject)

    def run_many_sync(
        self,
        keys: Sequence[EntryKeys],
        serializers: Sequence[Serializer[T]],
        load: Callable[[list[int]], Sequence[T | Exception]],
        subject: Subject,
    ) -> Mapping[int, T | Exception]:
        """Obtain many values; the twin of `run_many`."""
        driver = self._engine.sync_driver()
        is_pending = self._invalidations.are_pending_sync()
        flows = [
            self._remember(
                each,
                serializer,
                driver,
                self._budget_of_threads(),
                is_pending=is_pending,
                subject=subject,
            ).flow()
            for each, serializer in zip(keys, serializers, strict=True)
        ]
        return driver.run_many(flows, load, subject)

    # -- Looking ahead ---------------------------------------------------------------------------------

    async def prefetch(
        self, prefetched: Prefetched, keys: Sequence[EntryKeys], subject: Subject, *, first: bool
    ) -> None:
        """Find fresh entries for what will come for them, in one round trip.

        Args:
            prefetched: Where to leave them.
            keys: Theirs. Their leases are not asked for: some would be held while waiting for others.
            subject: On whose behalf.
            first: Whether this is the moment before anything is read; its clock is noted as well.
        """
        if prefetched.is_down or await self._invalidations.are_pending():
            if first:
                prefetched.begin_blindly(self._keyspace)
        else:
            driver = self._engine.async_driver()
            effects = prefetched.effects(keys, self._engine.limits, self._keyspace, first=first)
            while effects:
                answers = await driver.ask_all(effects, subject)
                effects = prefetched.take(effects, answers, self._keyspace)

    def prefetch_sync(
        self, prefetched: Prefetched, keys: Sequence[EntryKeys], subject: Subject, *, first: bool
    ) -> None:
        """Find fresh entries for what will come for them; the twin of `prefetch`."""
        if prefetched.is_down or self._invalidations.are_pending_sync():
            if first:
                prefetched.begin_blindly(self._keyspace)
        else:
            driver = self._engine.sync_driver()
            effects = prefetched.effects(keys, self._engine.limits, self._keyspace, first=first)
            while effects:
                answers = driver.ask_all(effects, subject)
                effects = prefetched.take(effects, answers, self._keyspace)

    # -- The algorithm, told what it needs --------------------------------------------------------------

    def wait_budget(self) -> WaitBudget:
        """Return a new budget for waiting for others."""
        return WaitBudget(self._engine.settings.wait_budget)

    def _budget_of_threads(self, budget: WaitBudget | None = None) -> WaitBudget:
        # Whoever generates may need the loop of this thread to go on: waiting here would stop it.
        return WaitBudget(0) if running_loop() is not None else budget or self.wait_budget()

    def _remember(
        self,
        keys: EntryKeys,
        serializer: Serializer[T],
        driver: AsyncDriver | SyncDriver,
        budget: WaitBudget,
        *,
        in_background: bool = False,
        is_pending: bool,
        prefetched: Prefetched | None = None,
        subject: Subject,
    ) -> Remember[T]:
        within = leading.get()
        if prefetched is not None:
            # What it collects is what others read, and not what is answered from here.
            within = tuple(flight for flight in within if flight is not prefetched.collector)
        # Clocks of two slots do not compare: there, what is made of parts takes them from Redis.
        memory = None if within and self._keyspace.slots_per_tenant > 1 else driver.memory
        return Remember(
            keys,
            serializer,
            driver.flights,
            self._engine.limits,
            budget,
            within,
            memory,
            in_background,
            is_pending,
            None if prefetched is None else prefetched.pop(keys),
            None if prefetched is None else prefetched.collector.parts,
            subject,
        )
