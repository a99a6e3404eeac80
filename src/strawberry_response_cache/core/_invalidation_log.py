"""The latest invalidations of which this process knows, for reads that race them.

A reader takes a ticket before it asks Redis. What it read is outdated if an invalidation since then concerns it.
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._keys import EntryKeys

Ticket: TypeAlias = int
"""The number of invalidations noted before a reader asked Redis."""

_MOST: Final = 1024


@dataclass(frozen=True, slots=True)
class _Noted:
    """What is invalidated: tags of a tag table, a whole tag table, one entry, or everything."""

    table: str = ""
    tags: frozenset[str] = frozenset()
    entry: str = ""

    def concerns(self, keys: EntryKeys, tags: Iterable[str]) -> bool:
        if self.entry:
            return self.entry == keys.entry
        if not self.table:
            return True
        return self.table == keys.tags and (not self.tags or not self.tags.isdisjoint(tags))


class InvalidationLog:
    """The latest invalidations; every method is atomic.

    Example:
        >>> log = InvalidationLog()
        >>> keys = EntryKeys("entry", "lease", "table", "channel", "tenant")
        >>> ticket = log.ticket()
        >>> log.invalidate("table", ["Book:1"])
        >>> log.concerns(keys, ["Book:1"], ticket), log.concerns(keys, ["Book:2"], ticket)
        (True, False)
        >>> log.concerns(keys, ["Book:1"], log.ticket())
        False
    """

    def __init__(self) -> None:
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._latest: deque[_Noted] = deque(maxlen=_MOST)
        self._count = 0

    def ticket(self) -> Ticket:
        """Return a ticket for `concerns`; take it before asking Redis."""
        return self._count

    def concerns(self, keys: EntryKeys, tags: Iterable[str], since: Ticket) -> bool:
        """Whether an invalidation since a ticket concerns an entry; True if more came than the log keeps."""
        if self._count == since:
            return False
        with self._lock:
            missed = self._count - since
            if missed > len(self._latest):
                return True
            recent = list(self._latest)[len(self._latest) - missed :]
        return any(noted.concerns(keys, tags) for noted in recent)

    def forget(self, entry_key: str) -> None:
        """Note that one entry is invalidated."""
        self._note(_Noted(entry=entry_key))

    def invalidate(self, table: str, tags: Iterable[str]) -> None:
        """Note that tags are invalidated."""
        self._note(_Noted(table, frozenset(tags)))

    def clear(self, table: str) -> None:
        """Note that all entries of a tag table are invalidated."""
        self._note(_Noted(table))

    def invalidate_all(self) -> None:
        """Note that any entry may be invalidated, because messages may be missing."""
        self._note(_Noted())

    def _note(self, noted: _Noted) -> None:
        with self._lock:
            self._count += 1
            self._latest.append(noted)
