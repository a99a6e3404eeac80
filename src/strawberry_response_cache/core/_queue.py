"""The queue of invalidations that Redis has not taken yet.

While an invalidation of a tenant is pending, this process reads nothing of that tenant from Redis. If the
process crashes before Redis takes it, old entries remain until their ttl and stale window end.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from strawberry_response_cache.core._families import EVERYTHING_TAGGED
from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core.protocol import Clear, Effect, Invalidate, Unavailable

Replay: TypeAlias = Generator[Effect[Unavailable | None], Unavailable | None, bool]
"""Yields effects, receives their failures, and returns whether nothing is pending any more."""

REPLAY_INTERVAL: Final = 0.25
"""Seconds between two tries of invalidations that Redis did not take."""


@dataclass(eq=False, slots=True)
class _Pending:
    """The pending invalidations of one tenant.

    Attributes:
        keyspace: The tenant's.
        tags: Digests.
        names: The tags as text, for `on_invalidate`; empty if the cache has none.
        everything: Whether it is owed a `clear`.
        reason: Why Redis did not take the latest that was tried.
        paying: The tags, and whether it is everything, that are being replayed.
    """

    keyspace: Keyspace
    reason: Unavailable
    tags: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    everything: bool = False
    replaying: tuple[frozenset[str], bool] = (frozenset(), False)


class InvalidationQueue:
    """The pending invalidations of a process, by tenant; every method is atomic.

    Args:
        max_queued: How many tags it keeps in all. Above that, a tenant's tags become a `clear`.
        max_tags: See `Invalidate`.
        on_taken: Told the names of what Redis has taken at last; `EVERYTHING_TAGGED` for everything.

    Attributes:
        log: Limits the log lines about invalidations that Redis did not take.
        log_lost: Limits the log lines about invalidations that did not fit into the queue.
    """

    def __init__(
        self,
        *,
        max_queued: int,
        max_tags: int,
        on_taken: Callable[[tuple[str, ...]], None] = lambda _: None,
    ) -> None:
        self._max_queued = max_queued
        self._max_tags = max_tags
        self._on_taken = on_taken
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._pending: dict[str, _Pending] = {}
        self._count = 0
        self._is_replaying = False
        self._replayed_at = 0.0
        self.log = Interval()
        self.log_lost = Interval()

    def __len__(self) -> int:
        """Return the number of queued tags."""
        return self._count

    def has_pending(self, keyspace: Keyspace) -> bool:
        """Whether an invalidation of a tenant is pending."""
        return bool(self._pending) and keyspace.tenant_digest in self._pending

    def why(self, keyspace: Keyspace) -> Unavailable | None:
        """Return why an invalidation of a tenant is pending; None if there is none."""
        pending = self._pending.get(keyspace.tenant_digest) if self._pending else None
        return None if pending is None else pending.reason

    def is_unattended(self) -> bool:
        """Whether the replays have stopped, so that the caller must replay.

        They run in an event loop or in a thread, and either may have ended.
        """
        return not self._is_replaying and time.monotonic() - self._replayed_at > 2 * REPLAY_INTERVAL

    def add(
        self,
        keyspace: Keyspace,
        tags: tuple[str, ...] | None,
        reason: Unavailable,
        names: Iterable[str] = (),
    ) -> bool:
        """Queue an invalidation.

        Args:
            keyspace: The keys of the tenant.
            tags: Digests of the tags; None for everything.
            reason: Why Redis did not take it.
            names: The tags as text, for `on_invalidate`.

        Returns:
            Whether it was queued; it always is if the tenant has a pending invalidation already.
        """
        with self._lock:
            pending = self._pending.get(keyspace.tenant_digest)
            if pending is None:
                if len(self._pending) >= self._max_queued:
                    return False
                if not self._pending:
                    self._replayed_at = time.monotonic()
                pending = self._pending[keyspace.tenant_digest] = _Pending(keyspace, reason)
            before = len(pending.tags)
            pending.tags.update(tags or ())
            pending.names.update(names)
            self._count += len(pending.tags) - before
            if tags is None or self._count > self._max_queued:
                self._count -= len(pending.tags)
                pending.tags.clear()
                pending.names.clear()
                pending.everything = True
            return True

    def after_fork(self) -> None:
        """Queue running replays again in a forked child, because they run in the parent."""
        self._is_replaying = False
        for pending in self._pending.values():
            tags, everything = pending.replaying
            pending.replaying = frozenset(), False
            pending.tags |= tags
            pending.everything = pending.everything or everything
        self._count = sum(len(pending.tags) for pending in self._pending.values())

    def replay(self) -> Replay:
        """Replay the pending invalidations, tenant by tenant, until Redis does not take one.

        One replay runs at a time: a second one does nothing.
        """
        with self._lock:
            if self._is_replaying:
                return not self._pending
            self._is_replaying = True
        try:
            for tenant, pending in list(self._pending.items()):
                if not (yield from self._replay_tenant(tenant, pending)):
                    return False
        finally:
            self._replayed_at = time.monotonic()
            self._is_replaying = False
        return not self._pending

    def _replay_tenant(self, tenant: str, pending: _Pending) -> Replay:
        """Replay the pending invalidations of one tenant; later ones stay pending."""
        with self._lock:
            pending.replaying = tags, everything = frozenset(pending.tags), pending.everything
            names = pending.names
            pending.tags, pending.names, pending.everything = set(), set(), False
        is_done = False
        try:
            tags_left = None if everything else tuple(sorted(tags))
            for effect in self._effects(pending.keyspace, tags_left):
                if (result := (yield effect)) is not None:
                    pending.reason = result
                    return False
            is_done = True
        finally:
            with self._lock:
                self._count -= len(tags) + len(pending.tags)
                pending.replaying = frozenset(), False
                if not is_done:
                    pending.tags |= tags
                    pending.names |= names
                    pending.everything = pending.everything or everything
                self._count += len(pending.tags)
                if not pending.tags and not pending.everything:
                    self._pending.pop(tenant, None)
        self._on_taken((EVERYTHING_TAGGED,) if everything else tuple(sorted(names)))
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
