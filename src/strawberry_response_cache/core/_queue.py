"""The queue of invalidations that Redis has not taken yet.

While an invalidation of a tenant is pending, this process reads nothing of that tenant from Redis. If the
process crashes before Redis takes it, old entries remain until their ttl and stale window end.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from strawberry_response_cache.core._families import EVERYTHING_TAGGED
from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._invalidated_tags import InvalidatedTags
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core.protocol import Clear, Effect, Invalidate, Unavailable

Replay: TypeAlias = Generator[Effect[Unavailable | None], Unavailable | None, bool]
"""Yields effects, receives None or a failure for each, and returns whether the queue is empty."""

REPLAY_INTERVAL: Final = 0.25
"""Seconds between two tries of invalidations that Redis did not take."""


@dataclass(eq=False, slots=True)
class _Pending:
    """The pending invalidations of one tenant.

    Attributes:
        keyspace: The keys of the tenant.
        tags: The digests of the tags that wait for the next replay.
        names: The tags as text, for `on_invalidate`; empty if the cache has none.
        everything: Whether a `clear` of the tenant waits for the next replay.
        reason: Why Redis did not take the invalidation that was tried last.
        replaying: The tags, or the `clear`, that a replay sends now; None if none runs.
    """

    keyspace: Keyspace
    reason: Unavailable
    tags: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    everything: bool = False
    replaying: "_Taken | None" = None

    def take(self) -> "_Taken":
        """Take everything to replay it."""
        self.replaying = taken = _Taken(
            frozenset(self.tags), frozenset(self.names), self.everything
        )
        self.tags, self.names, self.everything = set(), set(), False
        return taken

    def take_back(self) -> None:
        """Queue again what was being replayed, because the replay failed or did not end."""
        if (taken := self.replaying) is not None:
            self.replaying = None
            self.tags |= taken.tags
            self.names |= taken.names
            self.everything = self.everything or taken.everything


class _Taken(NamedTuple):
    """The tags, or the `clear`, that one replay sends; see `_Pending`."""

    tags: frozenset[str]
    names: frozenset[str]
    everything: bool


class InvalidationQueue:
    """The pending invalidations of a process, by tenant; every method is atomic.

    Args:
        max_queued: How many tags it keeps in all. Above that, a tenant's tags become a `clear`.
        max_tags: See `Invalidate`.
        patience: Seconds without a step after which another replay may replace the one that runs: its event loop may
            have stopped for good.
        on_taken: Called with the tags that a replay has invalidated; `EVERYTHING_TAGGED` for everything.
        clock: Returns a monotonic time in seconds.

    Attributes:
        log: Limits the log lines about invalidations that Redis did not take.
        log_lost: Limits the log lines about invalidations that did not fit into the queue.
    """

    def __init__(
        self,
        *,
        max_queued: int,
        max_tags: int,
        patience: float = 10.0,
        on_taken: Callable[[InvalidatedTags], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_queued = max_queued
        self._max_tags = max_tags
        self._on_taken = on_taken
        self._clock = clock
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._pending: dict[str, _Pending] = {}
        self._count = 0
        self._patience = patience
        self._replay: object | None = None
        self._step_at = 0.0
        self._replayed_at = 0.0
        self.log = Interval()
        self.log_lost = Interval()

    def __len__(self) -> int:
        """Return the number of queued tags."""
        return self._count

    @property
    def pending(self) -> int:
        """The number of queued tags, and of tenants that are to be cleared."""
        return self._count + sum(each.everything for each in list(self._pending.values()))

    def has_pending(self, keyspace: Keyspace) -> bool:
        """Whether an invalidation of a tenant is pending."""
        return keyspace.tenant_digest in self._pending

    def why(self, keyspace: Keyspace) -> Unavailable | None:
        """Return why an invalidation of a tenant is pending; None if there is none."""
        pending = self._pending.get(keyspace.tenant_digest)
        return None if pending is None else pending.reason

    def is_unattended(self) -> bool:
        """Whether the replays have stopped, so that the caller must replay.

        They run in an event loop or in a thread, and either may have ended.
        """
        if self._replay is not None:
            return self._is_given_up()
        return self._clock() - self._replayed_at > 2 * REPLAY_INTERVAL

    def _is_given_up(self) -> bool:
        """Whether the replay that runs has taken no step for longer than ``patience``."""
        return self._clock() - self._step_at > self._patience

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
            reason: Why Redis did not take the invalidation.
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
                    self._replayed_at = self._clock()
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
        self._replay = None
        for pending in self._pending.values():
            pending.take_back()
            pending.names.clear()  # the parent calls `on_invalidate`
        self._recount()

    def _recount(self) -> None:
        self._count = sum(len(pending.tags) for pending in self._pending.values())

    def replay(self) -> Replay:
        """Replay the pending invalidations, tenant by tenant, until Redis does not take one.

        One replay runs at a time: a second one does nothing, unless the first has stopped for longer than ``patience``.
        """
        with self._lock:
            if self._replay is not None:
                if not self._is_given_up():
                    return False
                for pending in self._pending.values():
                    pending.take_back()
                self._recount()
            self._replay = this = object()
            self._step_at = self._clock()
        try:
            for tenant, pending in list(self._pending.items()):
                if not (yield from self._replay_tenant(tenant, pending, this)):
                    return False
        finally:
            with self._lock:
                if self._replay is this:
                    self._replayed_at = self._clock()
                    self._replay = None
        return not self._pending

    def _replay_tenant(self, tenant: str, pending: _Pending, this: object) -> Replay:
        """Replay the pending invalidations of one tenant; those that are queued meanwhile stay pending."""
        with self._lock:
            if self._replay is not this:
                return False
            taken = pending.take()
        is_done = False
        try:
            tags_left = None if taken.everything else tuple(sorted(taken.tags))
            for effect in self._effects(pending.keyspace, tags_left):
                result = yield effect
                self._step_at = self._clock()
                if result is not None:
                    pending.reason = result
                    return False
            is_done = True
        finally:
            with self._lock:
                # Otherwise another replay has replaced this one, and replays these invalidations again.
                is_done = is_done and self._replay is this
                if self._replay is this:
                    self._count -= len(taken.tags) + len(pending.tags)
                    if is_done:
                        pending.replaying = None
                    else:
                        pending.take_back()
                    self._count += len(pending.tags)
                    if not pending.tags and not pending.everything:
                        self._pending.pop(tenant, None)
        if is_done:
            names = (EVERYTHING_TAGGED,) if taken.everything else sorted(taken.names)
            self._on_taken(InvalidatedTags(names, tenant=pending.keyspace.tenant_hash))
        return is_done

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
