"""The entries of one tenant, for clients with a serializer of their own.

`ResponseCache.remember` is such a client; operations and fields of GraphQL are others.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from strawberry_response_cache.core._engine import Engine
from strawberry_response_cache.core._invalidations import Invalidations
from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._prefetched import (
    Prefetched,
    ReadyEntries,
    may_be_due,
)
from strawberry_response_cache.core._response import CacheDetail, CachedResponse
from strawberry_response_cache.core.algorithm.call import Call
from strawberry_response_cache.core.algorithm.flights import Leading
from strawberry_response_cache.core.algorithm.generating import generate_alone
from strawberry_response_cache.core.algorithm.leading import leading, note_unfit_part
from strawberry_response_cache.core.algorithm.remembering import remember
from strawberry_response_cache.core.algorithm.waiting import WaitBudget
from strawberry_response_cache.core.drivers.async_driver import AsyncDriver
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.core.drivers.sync_driver import SyncDriver
from strawberry_response_cache.core.protocol import Fresh, Lookup, Unavailable
from strawberry_response_cache.core.protocol.entry import Entry
from strawberry_response_cache.core.serialization.serializer import Serializer

T = TypeVar("T")


class Tenant:
    """The entries of one cache or tenant, for clients with a serializer of their own.

    Attributes:
        engine: The drivers, and what they share.
        keyspace: The keys of the cache or tenant.
        name: The cache's prefix.
        tenant_hash: A hash that names the tenant in logs and reports; empty without a tenant.
        observer: Receives the events.
        counters: What is counted.
        jitter: The largest share by which a ttl is shortened.
        max_entry_bytes: The largest payload that is stored.
    """

    def __init__(self, engine: Engine, keyspace: Keyspace, invalidations: Invalidations) -> None:
        self.engine = engine
        self.keyspace = keyspace
        self._invalidations = invalidations
        self.name = keyspace.prefix
        self.tenant_hash = keyspace.tenant_hash
        self.observer = engine.observer
        self.counters = engine.counters
        self.jitter = engine.settings.jitter
        self.max_entry_bytes = engine.settings.max_entry_bytes

    def keys(self, key_parts: Sequence[str]) -> EntryKeys:
        """Return the keys of the entry with these key parts."""
        return self.keyspace.keys(key_parts)

    def keys_in_slot_of(self, key_parts: Sequence[str], other: EntryKeys) -> EntryKeys:
        """Return the keys of the entry with these key parts, in the slot of another entry."""
        return self.keyspace.keys_in_slot_of(key_parts, other)

    def note_unfit_part(self) -> None:
        """Prevent storing of the values whose generators the current code runs in."""
        if leading.get():  # making the keys takes longer than this check
            note_unfit_part(self.keyspace.keys(()))

    @property
    def identity(self) -> tuple[int, Keyspace]:
        """A value that is equal for two objects with the same entries."""
        return id(self.engine), self.keyspace

    def has_pending(self) -> bool:
        """Whether an invalidation of this tenant is queued, because Redis has not taken it yet."""
        return self.engine.queue.has_pending(self.keyspace)

    def memory(self) -> Memory | None:
        """Return the running loop's local memory; None if there is none, or `_may_serve` is False."""
        return self.engine.async_driver().memory if self._may_serve_locally() else None

    def memory_sync(self) -> Memory | None:
        """Return the local memory of the threads; the sync form of `memory`."""
        return self.engine.sync_driver().memory if self._may_serve_locally() else None

    def _may_serve_locally(self) -> bool:
        """Whether there is local memory, and `_may_serve` is True."""
        return self.engine.has_memory and self._may_serve()

    def _may_serve(self) -> bool:
        """Whether no invalidation is pending, and the caller runs in no generator."""
        return not leading.get() and not self.has_pending()

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
        """Return a value from the cache, or generate and store it.

        Args:
            keys: The keys of its entry.
            serializer: Turns the value into bytes and back.
            generator: Generates the value, in the caller's own task.
            subject: The cache and field, for the log and the observer.
            in_background: Whether a refresh runs in the background.
            prefetched: The prefetched entries of the execution.
            budget: How long it may wait for others, together with all calls that share it; None for its own.
        """
        driver = self.engine.async_driver()
        is_pending = await self._invalidations.are_pending()
        call = self._call(
            keys,
            serializer,
            driver,
            subject,
            prefetched=prefetched,
            budget=budget,
            is_pending=is_pending,
        )
        call.in_background = in_background
        return await driver.run(remember(call), generator, subject)

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
        """Return a value from the cache, or generate and store it; the sync form of `run`.

        In a thread with a running event loop, it does not wait for other callers.
        """
        driver, budget = self.engine.sync_driver(), _budget_of_threads(budget)
        is_pending = self._invalidations.are_pending_sync()
        call = self._call(
            keys,
            serializer,
            driver,
            subject,
            prefetched=prefetched,
            budget=budget,
            is_pending=is_pending,
        )
        call.in_background = in_background
        return driver.run(remember(call), generator, subject)

    async def generate(
        self,
        keys: EntryKeys,
        serializer: Serializer[T],
        generator: Callable[[], Awaitable[T]],
        subject: Subject,
        *,
        prefetched: Prefetched | None = None,
    ) -> T:
        """Run the generator and store nothing: without a lookup, without a lease, and shared with no other caller.

        The value becomes a part of what the caller generates. The arguments are as in `run`.
        """
        driver = self.engine.async_driver()
        call = self._call(keys, serializer, driver, subject, prefetched=prefetched)
        flow = generate_alone(call, CacheDetail.UNCACHEABLE)
        return (await driver.run(flow, generator, subject)).value

    def generate_sync(
        self,
        keys: EntryKeys,
        serializer: Serializer[T],
        generator: Callable[[], T],
        subject: Subject,
        *,
        prefetched: Prefetched | None = None,
    ) -> T:
        """Run the generator and store nothing; the sync form of `generate`."""
        driver = self.engine.sync_driver()
        call = self._call(keys, serializer, driver, subject, prefetched=prefetched)
        flow = generate_alone(call, CacheDetail.UNCACHEABLE)
        return driver.run(flow, generator, subject).value

    async def run_many(
        self,
        keys: Sequence[EntryKeys],
        serializers: Sequence[Serializer[T]],
        load: Callable[[list[int]], Awaitable[Sequence[T | Exception]]],
        subject: Subject,
        *,
        prefetched: Prefetched | None = None,
        budget: WaitBudget | None = None,
    ) -> Mapping[int, CachedResponse[T] | Exception]:
        """Return many values, or the error of each, by their positions in ``keys``; one round trip for all.

        Args:
            keys: The keys of their entries, each once.
            serializers: Each turns the value of one key into bytes and back.
            load: Generates the values at some positions of ``keys``.
            subject: The cache and field, for the log and the observer.
            prefetched: As in `run`.
            budget: As in `run`; None for one of each key.
        """
        driver = self.engine.async_driver()
        is_pending = await self._invalidations.are_pending()
        asked = zip(keys, serializers, strict=True)
        calls = [
            self._call(
                *each, driver, subject, prefetched=prefetched, budget=budget, is_pending=is_pending
            )
            for each in asked
        ]
        return await driver.run_many([*map(remember, calls)], load, subject)

    def run_many_sync(
        self,
        keys: Sequence[EntryKeys],
        serializers: Sequence[Serializer[T]],
        load: Callable[[list[int]], Sequence[T | Exception]],
        subject: Subject,
        *,
        prefetched: Prefetched | None = None,
        budget: WaitBudget | None = None,
    ) -> Mapping[int, CachedResponse[T] | Exception]:
        """Return many values, or the error of each; the sync form of `run_many`.

        In a thread with a running event loop, it does not wait for other callers.
        """
        driver, budget = self.engine.sync_driver(), _budget_of_threads(budget)
        is_pending = self._invalidations.are_pending_sync()
        asked = zip(keys, serializers, strict=True)
        calls = [
            self._call(
                *each, driver, subject, prefetched=prefetched, budget=budget, is_pending=is_pending
            )
            for each in asked
        ]
        return driver.run_many([*map(remember, calls)], load, subject)

    async def forget(self, keys: EntryKeys) -> None:
        """Invalidate one entry.

        Raises:
            CacheStoreError: If Redis did not take the invalidation.
        """
        await self._invalidations.perform(self._invalidations.of_entry(keys))

    def forget_sync(self, keys: EntryKeys) -> None:
        """Invalidate one entry; the sync form of `forget`."""
        self._invalidations.perform_sync(self._invalidations.of_entry(keys))

    async def find(self, keys: EntryKeys, subject: Subject) -> Entry | Unavailable | None:
        """Return a fresh entry from Redis, without a lease; callers of one tick share the lookup.

        Returns:
            None if there is none, if it may be due for an early refresh, if an invalidation is pending, or if the
            caller runs in a generator, whose value it would be a part of. The failure, if Redis does not answer.
        """
        if not self._may_serve():
            return None
        driver, limits = self.engine.async_driver(), self.engine.limits
        memory = driver.memory
        ticket = 0 if memory is None else memory.ticket()
        answer = await driver.lookups.find(limits.reading(keys), subject)
        if not isinstance(answer, Fresh):
            return answer if isinstance(answer, Unavailable) else None
        entry = answer.entry
        if may_be_due(entry, entry.remaining_ms, limits.early_refresh):
            return None
        if memory is not None:
            memory.keep(keys, entry, ticket)
        return entry

    # -- Prefetching ---------------------------------------------------------------------------------

    async def prefetch(
        self,
        prefetched: Prefetched,
        keys: Sequence[EntryKeys],
        subject: Subject,
        *,
        first: bool = False,
    ) -> None:
        """Read fresh entries ahead of the fields that use them, in one round trip.

        Args:
            prefetched: Receives the entries; none if the store failed before or an invalidation is pending.
            keys: Their keys. No leases are requested: some would be held while waiting for others.
            subject: The cache and field, for the log and the observer.
            first: Whether nothing was read before; then the clock is noted as well.
        """
        if prefetched.is_down or await self._invalidations.are_pending():
            if first:
                prefetched.begin_without_clock(self.keyspace)
        else:
            driver, log = self.engine.async_driver(), self.engine.invalidated
            memory, limits, since = driver.memory, self.engine.limits, log.ticket()
            ticket = 0 if memory is None else memory.ticket()
            effects = prefetched.effects(keys, limits, self.keyspace, first=first)
            while effects:
                answers = await driver.lookups.find_all(effects, subject)
                if memory is not None:
                    for effect, answer in zip(effects, answers, strict=True):
                        if isinstance(effect, Lookup) and isinstance(answer, Fresh):
                            memory.keep(effect.keys, answer.entry, ticket)
                effects = prefetched.take(effects, answers, self.keyspace, log, since)

    def prefetch_sync(
        self,
        prefetched: Prefetched,
        keys: Sequence[EntryKeys],
        subject: Subject,
        *,
        first: bool = False,
    ) -> None:
        """Read fresh entries ahead of the fields that use them; the sync form of `prefetch`."""
        if prefetched.is_down or self._invalidations.are_pending_sync():
            if first:
                prefetched.begin_without_clock(self.keyspace)
        else:
            driver, log = self.engine.sync_driver(), self.engine.invalidated
            since = log.ticket()
            effects = prefetched.effects(keys, self.engine.limits, self.keyspace, first=first)
            while effects:
                answers = driver.ask_all(effects, subject)
                effects = prefetched.take(effects, answers, self.keyspace, log, since)

    def ready(self, prefetched: Prefetched) -> ReadyEntries | None:
        """Return the entries that can be served now, in the running loop; None while an invalidation is pending."""
        if self.has_pending():
            return None
        within = _without_collector(prefetched)
        return ReadyEntries(
            prefetched=prefetched,
            memory=self._memory_for(within, self.engine.async_driver()),
            within=within,
            early_refresh=self.engine.limits.early_refresh,
        )

    # -- The arguments of the algorithm --------------------------------------------------------------

    def wait_budget(self) -> WaitBudget:
        """Return a new budget for waiting for others."""
        return WaitBudget(self.engine.settings.wait_budget)

    def _call(
        self,
        keys: EntryKeys,
        serializer: Serializer[T],
        driver: AsyncDriver | SyncDriver,
        subject: Subject,
        *,
        prefetched: Prefetched | None,
        budget: WaitBudget | None = None,
        is_pending: bool = False,
    ) -> Call[T]:
        within = leading.get() if prefetched is None else _without_collector(prefetched)
        return Call(
            keys,
            serializer,
            driver.flights,
            self.engine.limits,
            budget or self.wait_budget(),
            within,
            self._memory_for(within, driver),
            invalidation_pending=is_pending,
            found=None if prefetched is None else prefetched.answer(keys),
            collected=None if prefetched is None else prefetched.collector.parts,
            subject=subject,
        )

    def _memory_for(self, within: Leading, driver: AsyncDriver | SyncDriver) -> Memory | None:
        # Clocks of two slots cannot be compared, so parts are then read from Redis.
        return None if within and self.keyspace.slots_per_tenant > 1 else driver.memory


def _budget_of_threads(budget: WaitBudget | None) -> WaitBudget | None:
    # The generator may need the event loop of this thread, and waiting here would block it.
    return WaitBudget(0) if running_loop() is not None else budget


def _without_collector(prefetched: Prefetched) -> Leading:
    """Return the flights in which the caller runs, without the one that collects the parts of other fields."""
    return tuple(flight for flight in leading.get() if flight is not prefetched.collector)
