"""One caller asking for one value, and what it tells the generators that it runs in."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core.algorithm.flights import Flights, Leading, note_part
from strawberry_response_cache.core.algorithm.parts import Part, Parts, unfit_part
from strawberry_response_cache.core.algorithm.requests import Step
from strawberry_response_cache.core.algorithm.waiting import WaitBudget
from strawberry_response_cache.core.protocol import (
    Fresh,
    Lease,
    Lookup,
    Release,
    Unavailable,
    new_token,
)
from strawberry_response_cache.core.protocol.entry import ValueRecording
from strawberry_response_cache.core.protocol.lookups import KnownEntry
from strawberry_response_cache.core.serialization.serializer import Serializer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers that the algorithm uses.

    Attributes:
        lease_ms: How long a lease lives, in milliseconds.
        max_bytes: The largest payload to unpack; None for no limit.
        compress_above: Payloads of more bytes are compressed; None compresses none.
        early_refresh: See `CacheSettings`.
        jitter: See `CacheSettings`.
        confirmed: The entries that this process keeps, which Redis only has to confirm; None if each is fetched.
        log: Limits the log lines about refreshes that failed.
        log_unreadable: Limits the log lines about entries that could not be read.
    """

    lease_ms: int
    max_bytes: int | None = None
    compress_above: int | None = None
    early_refresh: float = 0.0
    jitter: float = 0.0
    confirmed: Bounded[str, KnownEntry] | None = field(default=None, compare=False, repr=False)
    log: Interval = field(default_factory=Interval, compare=False, repr=False)
    log_unreadable: Interval = field(default_factory=Interval, compare=False, repr=False)

    def reading(self, keys: EntryKeys) -> Lookup:
        """Return a lookup that requests no lease, and so needs no token."""
        return Lookup(keys, 0, token="", max_bytes=self.max_bytes, confirmed=self.confirmed)


@dataclass(slots=True)
class Call(Generic[T]):
    """One caller asking for one value.

    Attributes:
        keys: The entry's keys.
        serializer: Turns values into bytes and back.
        flights: The flights of this event loop, or of all threads.
        limits: The numbers that the algorithm uses.
        budget: For how long to wait for others.
        within: The flights whose generators the caller runs in.
        memory: The local memory, if it is on.
        in_background: Whether a refresh may run the generator in the background.
        invalidation_pending: Whether an invalidation of this tenant is still queued; then nothing is read.
        found: The prefetched entry, or the failure of prefetching; it takes the place of the first lookup.
        collected: Parts that were read outside the generator and may have become part of the value.
        subject: The cache and field, for the log.
        jitter: Returns a number from 0 to below 1.
        clock: Returns a monotonic time in seconds.
    """

    keys: EntryKeys
    serializer: Serializer[T]
    flights: Flights
    limits: Limits
    budget: WaitBudget
    within: Leading = ()
    memory: Memory | None = None
    in_background: bool = False
    invalidation_pending: bool = False
    found: Fresh | Unavailable | None = None
    collected: Parts | None = None
    subject: Subject | None = None
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    token: str = field(default_factory=new_token, repr=False)
    came: float = field(init=False, default=0.0)

    def left(self) -> float:
        """Return for how many seconds this caller may still wait."""
        return self.budget.left(self.clock())

    def note_part(
        self,
        recording: ValueRecording,
        epoch: str | None,
        clock: int | None,
        remaining_ms: int,
        *,
        fit: bool = True,
        keys: EntryKeys | None = None,
    ) -> None:
        """Note the value as a part, in each generator that the caller runs in."""
        if self.within:
            part = Part(
                keys or self.keys, recording.tags, remaining_ms, epoch, clock, fit, recording.meta
            )
            note_part(self.within, part)

    def note_unfit_part(self) -> None:
        """Prevent storing of the values whose generators the caller runs in."""
        note_part(self.within, unfit_part(self.keys))

    def any_lease(self) -> Lease:
        """Return a lease to release if a lookup may have granted one; without a grant, the release has no effect."""
        return Lease(self.token, "", 0)

    def release(self, lease: Lease | None, gone: BaseException | None = None) -> Step[None]:
        """Release a lease, if there is one and the flow was not dropped (``gone`` is a GeneratorExit)."""
        # A dropped flow (GeneratorExit) cannot yield any more; its lease expires by itself.
        if lease is not None and not isinstance(gone, GeneratorExit):
            yield Release(self.keys, lease)
