"""The prefetched entries of one execution with several entries, and the parts that they share.

Several fields of one execution have entries of their own, but their values are built from shared objects:
a field above them loaded these, and one loader reads for several of them. So each entry counts as of the
clock before anything was loaded, and its parts are all values that the execution read from the cache. A part too
many is safe. With a part too few, the entry would survive the invalidation of that part.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from strawberry_response_cache.core._invalidation_log import InvalidationLog, Ticket
from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core.algorithm.call import Limits
from strawberry_response_cache.core.algorithm.flights import Flight, Leading, note_part
from strawberry_response_cache.core.algorithm.parts import FOR_EVER, Part
from strawberry_response_cache.core.protocol import (
    Fresh,
    Lookup,
    Moment,
    Moved,
    ReadClock,
    Trouble,
    Unavailable,
)
from strawberry_response_cache.core.protocol.entry import Entry

_LARGEST_DRAW: Final = 7
"""A lookup draws at random how early to refresh, in multiples of ``early_refresh``; one of a thousand draws more."""


_UNANSWERED: Final = Unavailable(
    "not_asked_again", asked=False, sent=False, trouble=Trouble.NOT_ASKED
)


class _Found(NamedTuple):
    """An entry that a prefetch found.

    Attributes:
        fresh: The entry as it was found.
        ends: When its ttl ends.
        log: Tells whether the entry was invalidated since.
        ticket: Taken before the store was asked.
    """

    fresh: Fresh
    ends: float
    log: InvalidationLog
    ticket: Ticket


@dataclass(slots=True, eq=False)
class Prefetched:
    """The prefetched entries of one execution.

    Attributes:
        collector: The flight around the whole execution, which collects the parts.
        is_down: Whether the store did not answer.
        clock: Returns a monotonic time in seconds.
    """

    collector: Flight = field(default_factory=lambda: Flight("", leased=False))
    is_down: bool = False
    clock: Callable[[], float] = time.monotonic
    _found: dict[str, _Found] = field(default_factory=dict)

    def has(self, keys: EntryKeys) -> bool:
        """Whether an entry was prefetched, and was not removed since."""
        return keys.entry in self._found

    def pop(self, keys: EntryKeys) -> Fresh | None:
        """Remove a found entry, and return it with its current age.

        Returns:
            None if there is none, if it has expired, or if this process has invalidated it since: what a resolver
            invalidates is not served to the fields after it.
        """
        found = self._found.pop(keys.entry, None)
        left_ms = 0 if found is None else self._left_ms(found, keys)
        if found is None or left_ms <= 0:
            return None
        return Fresh(replace(found.fresh.entry, remaining_ms=left_ms))

    def answer(self, keys: EntryKeys) -> Fresh | Unavailable | None:
        """Return the answer to a lookup that need not be sent; None if it has to be sent.

        A store that did not answer is not asked again.
        """
        return self.pop(keys) or (_UNANSWERED if self.is_down else None)

    def find(self, keys: EntryKeys, early_refresh: float) -> Entry | None:
        """Return a found entry with its current age; None if there is none, or it has expired or was invalidated since.

        Args:
            keys: Its keys.
            early_refresh: See `CacheSettings`. An entry that may be due is dropped: the lookup that finds it again
                decides whether its caller refreshes it.
        """
        found = self._found.get(keys.entry)
        if found is None:
            return None
        entry, left_ms = found.fresh.entry, self._left_ms(found, keys)
        if may_be_due(entry, left_ms, early_refresh):
            del self._found[keys.entry]
            return None
        return Entry(entry.recording, entry.write_id, entry.epoch, entry.clock, left_ms)

    def drop(self, every: Iterable[EntryKeys]) -> None:
        """Drop found entries: a later field asks for them again."""
        for keys in every:
            self._found.pop(keys.entry, None)

    def _left_ms(self, found: _Found, keys: EntryKeys) -> int:
        """Return for how many milliseconds an entry is still fresh; 0 or less if it has expired or was invalidated."""
        if found.log.concerns(keys, found.fresh.entry.recording.tags, found.ticket):
            return 0
        return int((found.ends - self.clock()) * 1000)

    def effects(
        self, keys: Sequence[EntryKeys], limits: Limits, keyspace: Keyspace, *, first: bool
    ) -> list[Lookup | ReadClock]:
        """Return the lookups of these entries. If ``first``, also return a read of the clock in each slot."""
        clocks = [ReadClock(table) for table in keyspace.tag_tables] if first else []
        return [*clocks, *map(limits.reading, keys)]

    def take(
        self,
        effects: Sequence[Lookup | ReadClock],
        answers: Sequence[Any],
        keyspace: Keyspace,
        log: InvalidationLog,
        ticket: Ticket,
    ) -> list[Lookup | ReadClock]:
        """Keep the entries and note the clocks in the answers; return the effects to perform next.

        These fetch entries that were replaced meanwhile, and start epochs. The ticket was taken before the store was
        asked.
        """
        further: list[Lookup | ReadClock] = []
        for effect, answer in zip(effects, answers, strict=True):
            if isinstance(answer, Unavailable):
                self.is_down = True
            if isinstance(effect, Lookup) and isinstance(answer, Fresh):
                ends = self.clock() + answer.entry.remaining_ms / 1000
                self._found[effect.keys.entry] = _Found(answer, ends, log, ticket)
            elif isinstance(effect, Lookup) and isinstance(answer, Moved):
                # The entry that this process had was replaced: fetch the new one, once.
                if effect.known is not None:
                    further.append(replace(effect, confirmed=None))
            elif isinstance(effect, ReadClock):
                if answer is None and not effect.begin:
                    further.append(ReadClock(effect.tag_table, begin=True))
                else:
                    self._note(effect.tag_table, answer, keyspace)
        return further

    def begin_without_clock(self, keyspace: Keyspace) -> None:
        """Keep this execution from being stored, because the clock before it is unknown."""
        self._note(keyspace.tag_tables[0], None, keyspace)

    def _note(self, table: str, moment: object, keyspace: Keyspace) -> None:
        """Note as a part the clock from before the execution read anything; without a clock, nothing is stored."""
        where = EntryKeys("", "", table, keyspace.channel, keyspace.tenant_digest)
        part = (
            Part(where, (), FOR_EVER, moment.epoch, moment.clock)
            if isinstance(moment, Moment)
            else Part(where, (), FOR_EVER, is_fit=False)
        )
        self.collector.parts.add(part)


def may_be_due(entry: Entry, left_ms: int, early_refresh: float) -> bool:
    """Whether a lookup that requests a lease may get one to refresh an entry before it expires.

    Args:
        entry: The entry.
        left_ms: How long it stays fresh, in milliseconds.
        early_refresh: See `CacheSettings`.
    """
    return left_ms <= entry.recording.cost_ms * early_refresh * _LARGEST_DRAW


@dataclass(slots=True, frozen=True, kw_only=True)
class ReadyEntries:
    """The entries that fields can be answered from without a request to Redis."""

    prefetched: Prefetched
    memory: Memory | None
    within: Leading
    early_refresh: float

    def find(self, keys: EntryKeys) -> Entry | None:
        """Return an entry with its current age; None if there is none."""
        if self.memory is not None and (entry := self.memory.get(keys)) is not None:
            return entry
        return self.prefetched.find(keys, self.early_refresh)

    def missing(self, keys: Mapping[str, EntryKeys]) -> list[EntryKeys]:
        """Return those of the keys whose entry is neither in local memory nor prefetched."""
        left = keys if self.memory is None else self.memory.missing(keys)
        return [each for each in left.values() if not self.prefetched.has(each)]

    def note_part(self, keys: EntryKeys, entry: Entry) -> None:
        """Note that an entry becomes a part of what the caller generates."""
        if self.within:
            recording = entry.recording
            part = Part(
                keys,
                recording.tags,
                entry.remaining_ms,
                entry.epoch,
                entry.clock,
                meta=recording.meta,
            )
            note_part(self.within, part)
