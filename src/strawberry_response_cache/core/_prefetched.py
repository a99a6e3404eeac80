"""The prefetched entries of one execution with several entries, and the parts that they share.

Several fields of one execution have entries of their own, but their values are built from shared objects:
a field above them loaded these, and one loader reads for several of them. So each entry counts as of the
clock before anything was loaded, and its parts are all values that the execution read from the cache. Too
many parts are safe; a missing part would survive its invalidation.
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
    """The prefetched entries of one execution.

    Attributes:
        collector: The flight around the whole execution, which collects the parts.
        is_down: Whether the store did not answer.
        clock: Returns a monotonic time in seconds.
    """

    collector: Flight = field(default_factory=lambda: Flight("", leased=False))
    is_down: bool = False
    clock: Callable[[], float] = time.monotonic
    _found: dict[str, tuple[Fresh, float]] = field(default_factory=dict)

    def has(self, keys: EntryKeys) -> bool:
        """Whether an entry was found."""
        return keys.entry in self._found

    def pop(self, keys: EntryKeys) -> Fresh | None:
        """Return a found entry with its current age, once; None if there is none or it has expired."""
        found, ends = self._found.pop(keys.entry, (None, 0.0))
        left_ms = int((ends - self.clock()) * 1000)
        if found is None or left_ms <= 0:
            return None
        return Fresh(replace(found.entry, remaining_ms=left_ms))

    def effects(
        self, keys: Sequence[EntryKeys], limits: Limits, keyspace: Keyspace, *, first: bool
    ) -> list[Effect[Any]]:
        """Return the effects to perform."""
        clocks = [ReadClock(table) for table in keyspace.tag_tables] if first else []
        return [*clocks, *(Lookup(each, 0, max_bytes=limits.max_bytes) for each in keys)]

    def take(
        self, effects: Sequence[Effect[Any]], answers: Sequence[Any], keyspace: Keyspace
    ) -> list[Effect[Any]]:
        """Note the answers; return further effects to perform."""
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
        """Note that the clock before this execution is not known, so nothing of it is stored."""
        self._note(keyspace.tag_tables[0], None, keyspace)

    def _note(self, table: str, moment: object, keyspace: Keyspace) -> None:
        """Note the clock before anything in the execution was read."""
        where = EntryKeys("", "", table, keyspace.channel, keyspace.tenant_digest)
        part = (
            Part(where, (), FOR_EVER, moment.epoch, moment.clock)
            if isinstance(moment, Moment)
            else Part(where, (), FOR_EVER, is_fit=False)
        )
        self.collector.parts.add(part)
