"""What one run of many parts has looked up ahead, and what its parts may have had from each other.

Its parts are cached by themselves, yet they are not made by themselves alone: they are made of objects
that others loaded before, and a loader that several of them share reads once for all. So each is
judged by the clock as it was before anything was loaded, and carries what was read from the cache
anywhere in the run. Too much is safe; too little would outlive an invalidation.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from strawberry_response_cache.core._flights import Flight
from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._parts import FOR_EVER, Part
from strawberry_response_cache.core.algorithm import Limits
from strawberry_response_cache.core.protocol import (
    Effect,
    Fresh,
    Lookup,
    Moment,
    ReadClock,
    Unavailable,
)


@dataclass(slots=True, eq=False)
class Prefetched:
    """One run.

    Attributes:
        collector: Stands around everything in the run, and collects what is read from the cache.
        is_down: Whether the store did not answer.
        clock: Tells the time in seconds; it never goes back.
    """

    collector: Flight = field(default_factory=lambda: Flight("", leased=False))
    is_down: bool = False
    clock: Callable[[], float] = time.monotonic
    _found: dict[str, tuple[Fresh, float]] = field(default_factory=dict)

    def has(self, keys: EntryKeys) -> bool:
        """Whether an entry was found."""
        return keys.entry in self._found

    def pop(self, keys: EntryKeys) -> Fresh | None:
        """Return an entry that was found, once, as old as it is by now, and while it is fresh."""
        found, ends = self._found.pop(keys.entry, (None, 0.0))
        left_ms = int((ends - self.clock()) * 1000)
        if found is None or left_ms <= 0:
            return None
        return Fresh(replace(found.entry, remaining_ms=left_ms))

    def effects(
        self, keys: Sequence[EntryKeys], limits: Limits, keyspace: Keyspace, *, first: bool
    ) -> list[Effect[Any]]:
        """Return what to ask."""
        clocks = [ReadClock(table) for table in keyspace.tag_tables] if first else []
        return [*clocks, *(Lookup(each, 0, max_bytes=limits.max_bytes) for each in keys)]

    def take(
        self, effects: Sequence[Effect[Any]], answers: Sequence[Any], keyspace: Keyspace
    ) -> list[Effect[Any]]:
        """Note what was answered; return what is to be asked further."""
        further: list[Effect[Any]] = []
        for effect, answer in zip(effects, answers, strict=True):
            if isinstance(answer, Unavailable):
                self.is_down = True
            if isinstance(effect, Lookup) and isinstance(answer, Fresh):
                ends = self.clock() + answer.entry.remaining_ms / 1000
                self._found[effect.keys.entry] = answer, ends
            elif isinstance(effect, ReadClock):
                if answer is None and not effect.begin:
                    further.append(ReadClock(effect.tag_table, begin=True))
                else:
                    self._note(effect.tag_table, answer, keyspace)
        return further

    def begin_blindly(self, keyspace: Keyspace) -> None:
        """Note that nobody knows when this run began: nothing of it is stored."""
        self._note(keyspace.tag_tables[0], None, keyspace)

    def _note(self, table: str, moment: object, keyspace: Keyspace) -> None:
        """Note the moment before which nothing in the run was read."""
        where = EntryKeys("", "", table, keyspace.channel, keyspace.tenant_digest)
        part = (
            Part(where, (), FOR_EVER, moment.epoch, moment.clock)
            if isinstance(moment, Moment)
            else Part(where, (), FOR_EVER, is_fit=False)
        )
        self.collector.parts.add(part)
