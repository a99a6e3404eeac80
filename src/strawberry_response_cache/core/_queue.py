"""Invalidations that Redis has not taken yet, for those who asked that none be lost.

As long as a tenant is owed an invalidation, this process reads nothing of that tenant from Redis. A crash
before it is taken leaves ttl and stale window as the bound.
"""

import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core.protocol import Clear, Effect, Invalidate, Unavailable

Replay: TypeAlias = Generator[Effect[Unavailable | None], Unavailable | None, bool]
"""Yields what to ask of Redis, is told what came of it, and returns whether nothing is owed."""

REPLAY_INTERVAL: Final = 0.25
"""Seconds between two tries of invalidations that Redis did not take."""


@dataclass(eq=False, slots=True)
class _Debt:
    """What one tenant is owed; no tags means everything.

    Attributes:
        keyspace: The tenant's.
        tags: Digests.
        everything: Whether it is owed a `clear`.
        reason: Why Redis did not take the latest that was tried.
        paying: The tags, and whether it is everything, that are being replayed.
    """

    keyspace: Keyspace
    reason: Unavailable
    tags: set[str] = field(default_factory=set)
    everything: bool = False
    paying: tuple[frozenset[str], bool] = (frozenset(), False)


class InvalidationQueue:
    """The invalidations that a process owes, by tenant; every method is atomic.

    Args:
        max_queued: Tags that it remembers in all. A tenant beyond it is owed a `clear`.
        max_tags: See `Invalidate`.

    Attributes:
        log: Says when a line about one that Redis did not take is due.
        log_lost: The same about one for which there was no room.
    """

    def __init__(self, *, max_queued: int, max_tags: int) -> None:
        self._max_queued = max_queued
        self._max_tags = max_tags
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._debts: dict[str, _Debt] = {}
        self._count = 0
        self._is_replaying = False
        self._replayed_at = 0.0
        self.log = Interval()
        self.log_lost = Interval()

    def __len__(self) -> int:
        """Return the number of tags that are remembered."""
        return self._count

    def owes(self, keyspace: Keyspace) -> bool:
        """Whether a tenant is owed an invalidation."""
        return bool(self._debts) and keyspace.tenant_digest in self._debts

    def why(self, keyspace: Keyspace) -> Unavailable | None:
        """Return why a tenant is owed an invalidation; None if it is owed none."""
        debt = self._debts.get(keyspace.tenant_digest) if self._debts else None
        return None if debt is None else debt.reason

    def is_unattended(self) -> bool:
        """Whether nobody has replayed for so long that nobody will, unless whoever asks does.

        Those who replay live in one event loop, or in a thread: either may have ended.
        """
        return not self._is_replaying and time.monotonic() - self._replayed_at > 2 * REPLAY_INTERVAL

    def add(self, keyspace: Keyspace, tags: tuple[str, ...] | None, reason: Unavailable) -> bool:
        """Remember an invalidation.

        Args:
            keyspace: The tenant's.
            tags: Digests of the tags; None for everything.
            reason: Why Redis did not take it.

        Returns:
            Whether there was room; there always is for a tenant that is owed something already.
        """
        with self._lock:
            debt = self._debts.get(keyspace.tenant_digest)
            if debt is None:
                if len(self._debts) >= self._max_queued:
                    return False
                if not self._debts:
                    self._replayed_at = time.monotonic()
                debt = self._debts[keyspace.tenant_digest] = _Debt(keyspace, reason)
            before = len(debt.tags)
            debt.tags.update(tags or ())
            self._count += len(debt.tags) - before
            if tags is None or self._count > self._max_queued:
                self._count -= len(debt.tags)
                debt.tags.clear()
                debt.everything = True
            return True

    def after_fork(self) -> None:
        """Begin anew in a child: whoever replayed did so in the parent."""
        self._is_replaying = False
        for debt in self._debts.values():
            tags, everything = debt.paying
            debt.paying = frozenset(), False
            debt.tags |= tags
            debt.everything = debt.everything or everything
        self._count = sum(len(debt.tags) for debt in self._debts.values())

    def replay(self) -> Replay:
        """Pay what is owed, tenant by tenant, until Redis does not take something.

        One replay goes on at a time: a second asks for nothing.
        """
        with self._lock:
            if self._is_replaying:
                return not self._debts
            self._is_replaying = True
        try:
            for tenant, debt in list(self._debts.items()):
                if not (yield from self._pay(tenant, debt)):
                    return False
        finally:
            self._replayed_at = time.monotonic()
            self._is_replaying = False
        return not self._debts

    def _pay(self, tenant: str, debt: _Debt) -> Replay:
        """Pay what one tenant is owed now; what is added meanwhile is owed still."""
        with self._lock:
            debt.paying = tags, everything = frozenset(debt.tags), debt.everything
            debt.tags, debt.everything = set(), False
        is_paid = False
        try:
            owed = None if everything else tuple(sorted(tags))
            for effect in self._effects(debt.keyspace, owed):
                if (result := (yield effect)) is not None:
                    debt.reason = result
                    return False
            is_paid = True
        finally:
            with self._lock:
                self._count -= len(tags) + len(debt.tags)
                debt.paying = frozenset(), False
                if not is_paid:
                    debt.tags |= tags
                    debt.everything = debt.everything or everything
                self._count += len(debt.tags)
                if not debt.tags and not debt.everything:
                    self._debts.pop(tenant, None)
        return True

    def _effects(
        self, keyspace: Keyspace, tags: tuple[str, ...] | None
    ) -> list[Effect[Unavailable | None]]:
        one_pass: list[Effect[Unavailable | None]] = [
            Clear(table, keyspace.channel)
            if tags is None
            else Invalidate(table, keyspace.channel, tags, self._max_tags)
            for table in keyspace.tag_tables
        ]
        return one_pass * keyspace.passes
