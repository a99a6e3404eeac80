"""Local memory: entries in this process in front of Redis, invalidated by the messages of the cache.

It is bounded in bytes, holds immutable bytes only, keeps no entry longer than its ttl, and is empty while
messages may be missing. A read can race with an invalidation. So a reader takes a ticket before it asks
Redis, and its entry is kept only if no invalidation since then concerns it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._invalidation_log import InvalidationLog, Ticket
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.protocol.entry import Entry

_OVERHEAD: Final = 1000
"""The approximate size of an entry without its payload, in bytes."""
_TOUCH_INTERVAL: Final = 0.05
"""Seconds after which a use of an entry is noted again; noting it takes a lock."""
_PER_TAG: Final = 350
"""The approximate size of a tag, in bytes."""


@dataclass(eq=False, slots=True)
class _KeptEntry:
    """An entry that is kept.

    Attributes:
        entry: The entry as it was read.
        keys: Its keys.
        fresh_until: When its ttl ends.
        until: When its ttl or the ttl of local memory ends, whichever comes first.
        size: Its size, in bytes.
        touched: When its last use was noted.
    """

    entry: Entry
    keys: EntryKeys
    fresh_until: float
    until: float
    size: int
    touched: float


class Memory:
    """Entries in this process; every method is atomic.

    Args:
        max_bytes: The most bytes that it holds.
        ttl: The longest time that an entry stays, in seconds.
        is_trusted: Returns whether messages of other processes arrive.
        evicted: Called for each entry that is dropped because there is no room.
        clock: Returns a monotonic time in seconds.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        ttl: float,
        is_trusted: Callable[[], bool],
        evicted: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._is_trusted = is_trusted
        self._evicted = evicted
        self._clock = clock
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._kept: OrderedDict[str, _KeptEntry] = OrderedDict()
        self._tagged: dict[tuple[str, str], set[str]] = {}
        self._log = InvalidationLog()
        self.size = 0

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._kept)

    def get(self, keys: EntryKeys) -> Entry | None:
        """Return an entry with its current age; see `find`."""
        found = self.find(keys)
        if found is None:
            return None
        entry, left = found
        remaining_ms = round(left * 1000)
        return Entry(entry.recording, entry.write_id, entry.epoch, entry.clock, remaining_ms)

    def find(self, keys: EntryKeys) -> tuple[Entry, float] | None:
        """Return an entry as it was read, and for how many seconds it stays fresh.

        Returns:
            None if it is not here. Also None if messages may be missing; then all entries are dropped.
        """
        kept = self._kept.get(keys.entry)
        if kept is None:
            return None
        if not self._is_trusted():
            self.drop_all()
            return None
        now = self._clock()
        if now >= kept.until:
            self.drop(keys)
            return None
        if now - kept.touched > _TOUCH_INTERVAL:
            self._touch(keys.entry, kept, now)
        return kept.entry, kept.fresh_until - now

    def missing(self, keys: Mapping[str, EntryKeys]) -> dict[str, EntryKeys]:
        """Return those of the keys whose entry is not here or no longer fresh; all, if messages may be missing."""
        if not self._is_trusted():
            self.drop_all()
            return dict(keys)
        kept, now = self._kept, self._clock()
        return {
            entry: each
            for entry, each in keys.items()
            if (found := kept.get(entry)) is None or now >= found.until
        }

    def _touch(self, entry_key: str, kept: _KeptEntry, now: float) -> None:
        """Note the use of an entry: the least recently used is dropped first."""
        with self._lock:
            kept.touched = now
            if self._kept.get(entry_key) is kept:
                self._kept.move_to_end(entry_key)

    def ticket(self) -> Ticket:
        """Return a ticket for `keep`; take it before asking Redis."""
        return self._log.ticket()

    def keep(self, keys: EntryKeys, entry: Entry, ticket: Ticket) -> None:
        """Keep an entry from Redis, unless it is too large, was invalidated since the ticket, or messages may be lost.

        To make room, the least recently used entries are dropped.
        """
        recording = entry.recording
        size = _OVERHEAD + recording.size + _PER_TAG * len(recording.tags)
        if size > self._max_bytes or not self._is_trusted():
            return
        now = self._clock()
        tags = entry.recording.tags
        with self._lock:
            if self._log.concerns(keys, tags, ticket):
                return
            self._remove(keys.entry)
            fresh_until = now + entry.remaining_ms / 1000
            until = min(fresh_until, now + self._ttl)
            self._kept[keys.entry] = _KeptEntry(entry, keys, fresh_until, until, size, now)
            self.size += size
            for tag in tags:
                self._tagged.setdefault((keys.tags, tag), set()).add(keys.entry)
            while self.size > self._max_bytes:
                self._remove(next(iter(self._kept)))
                self._evicted()

    def drop(self, keys: EntryKeys) -> None:
        """Drop an entry, because it has expired or could not be rebuilt."""
        with self._lock:
            self._remove(keys.entry)

    def forget(self, entry_key: str) -> None:
        """Invalidate one entry."""
        with self._lock:
            self._log.forget(entry_key)
            self._remove(entry_key)

    def invalidate(self, table: str, tags: Iterable[str]) -> None:
        """Invalidate the entries of a tag table that have one of the tags."""
        invalidated = frozenset(tags)
        with self._lock:
            self._log.invalidate(table, invalidated)
            for tag in invalidated:
                for entry_key in list(self._tagged.get((table, tag), ())):
                    self._remove(entry_key)

    def clear(self, table: str) -> None:
        """Invalidate all entries of a tag table."""
        with self._lock:
            self._log.clear(table)
            for entry_key in [k for k, kept in self._kept.items() if kept.keys.tags == table]:
                self._remove(entry_key)

    def drop_all(self) -> None:
        """Drop all entries, because messages may be missing."""
        with self._lock:
            self._log.invalidate_all()
            self._kept.clear()
            self._tagged.clear()
            self.size = 0

    def _remove(self, entry_key: str) -> None:
        kept = self._kept.pop(entry_key, None)
        if kept is None:
            return
        self.size -= kept.size
        for tag in kept.entry.recording.tags:
            tagged = self._tagged.get((kept.keys.tags, tag))
            if tagged is not None:
                tagged.discard(entry_key)
                if not tagged:
                    del self._tagged[kept.keys.tags, tag]
