"""One caller asking for one value: what it brings, and what it owes to those around it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from strawberry_response_cache.core._entry import Recording
from strawberry_response_cache.core._flights import Flights, Leading
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._parts import Part, Parts
from strawberry_response_cache.core._port import Fresh, Lease, Release, new_token
from strawberry_response_cache.core._requests import Step
from strawberry_response_cache.core._serializer import Serializer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers that the algorithm decides by.

    Attributes:
        lease_ms: The life of a lease.
        wait_budget: Seconds to wait for another process.
        max_bytes: The largest payload to unpack; None for any.
        compress_above: Payloads of more bytes are compressed; None for none.
        early_refresh: See `CacheSettings`.
        jitter: See `CacheSettings`.
    """

    lease_ms: int
    wait_budget: float
    max_bytes: int | None = None
    compress_above: int | None = None
    early_refresh: float = 0.0
    jitter: float = 0.0


@dataclass(slots=True)
class Asking(Generic[T]):
    """One caller asking for one value.

    Attributes:
        keys: The entry's keys.
        serializer: Both directions between value and bytes.
        flights: The flights to join or to open.
        limits: Lease, waiting and sizes.
        within: The flights whose generators the caller runs in.
        memory: The local memory, if it is on.
        in_background: Whether the generator may run beside the caller, for a refresh.
        invalidation_pending: Whether Redis owes this tenant an invalidation, so that nothing may be read.
        found: What a look-up for several callers found already; it stands for the first.
        collected: What else may have become part of the value, though it was read elsewhere.
        subject: On whose behalf, for the log.
        jitter: Returns a number from 0 to below 1.
        clock: Tells the time in seconds; it never goes back.
    """

    keys: EntryKeys
    serializer: Serializer[T]
    flights: Flights
    limits: Limits
    within: Leading = ()
    memory: Memory | None = None
    in_background: bool = False
    invalidation_pending: bool = False
    found: Fresh | None = None
    collected: Parts | None = None
    subject: Subject | None = None
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    token: str = field(default_factory=new_token, repr=False)
    came: float = field(init=False, default=0.0)

    # -- Being a part -----------------------------------------------------------------------------

    def _is_part(
        self,
        recording: Recording,
        epoch: str | None,
        clock: int | None,
        remaining_ms: int,
        *,
        fit: bool = True,
        keys: EntryKeys | None = None,
    ) -> None:
        """Tell the generators that the caller runs in what they were given."""
        if self.within:
            part = Part(
                keys or self.keys, recording.tags, remaining_ms, epoch, clock, fit, recording.meta
            )
            for whole in self.within:
                whole.parts.add(part)

    def _is_unfit_part(self) -> None:
        for whole in self.within:
            whole.parts.add(Part(self.keys, (), 0, is_fit=False))

    # -- Leases -----------------------------------------------------------------------------------

    def _any_lease(self) -> Lease:
        """Return what this caller was granted, if it was; giving back anything else does nothing."""
        return Lease(self.token, "", 0)

    def _release(self, lease: Lease | None, gone: BaseException | None = None) -> Step[None]:
        # A flow that is dropped unfinished can ask for nothing more; its lease will end by itself.
        if lease is not None and not isinstance(gone, GeneratorExit):
            yield Release(self.keys, lease)
