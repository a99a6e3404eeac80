"""Making the value: in the caller's own task, for whoever joins, sealed before it is committed."""

import logging
import math
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from strawberry_response_cache.core._entry import Entry, Recording
from strawberry_response_cache.core._flights import Failed, Flight, Landed, LookAgain, NotShared
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._memory import Ticket
from strawberry_response_cache.core._parts import Parts
from strawberry_response_cache.core._port import (
    Commit,
    Lease,
    Release,
    Renew,
    Stored,
    Unavailable,
    failure,
)
from strawberry_response_cache.core._remember.finding import Finding, Refresh
from strawberry_response_cache.core._requests import (
    CallerGoneError,
    Detach,
    Flow,
    Generate,
    RefreshInBackground,
    Step,
)
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._serializer import Diverted, NotStored

T = TypeVar("T")


logger = logging.getLogger("strawberry_response_cache")

_MARK_SECONDS: Final = 5.0
"""How long callers of a value that was not stored generate side by side."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A generated value as it is to be stored.

    Attributes:
        recording: The value.
        clock: The lowest clock among the lease and its parts.
        shared: What is stored under the keys that were asked for, and handed to joiners.
        diverted_to: Where the value goes instead, if that is a marker.
    """

    recording: Recording
    clock: int | None
    shared: Recording
    diverted_to: EntryKeys | None = None


@dataclass(slots=True)
class Generating(Finding[T]):
    """Generates the value, and stores it where it may."""

    def _refresh(self, refresh: Refresh[T]) -> Flow[T]:
        """Make a value again while there is one to serve, here or in the background."""
        leading = self._lead(refresh.lease, refresh=refresh, is_open=False)
        if not self.in_background:
            return (yield from leading)
        if not (yield RefreshInBackground(leading)):
            yield Detach(Release(self.keys, refresh.lease))
        return self._serve(refresh.served, refresh.entry)

    def _lead(
        self,
        lease: Lease | None,
        *,
        refresh: Refresh[T] | None = None,
        flight: Flight | None = None,
        is_open: bool = True,
        detail: CacheDetail = CacheDetail.STORE_FAILURE,
    ) -> Flow[T]:
        """Generate for oneself and for whoever joins, and commit.

        Args:
            lease: The right to store; None where the store gave none.
            refresh: What to serve if this is a refresh and fails.
            flight: The flight to lead on, after a promotion.
            is_open: Whether others may join. Nobody joins a refresh: they take what there is.
            detail: Why there is no lease.
        """
        if flight is None:
            leased = lease is not None
            flight = (
                self.flights.open(self.keys.entry, leased=leased)
                if is_open
                else Flight(self.keys.entry, leased)
            )
        flight.parts = Parts()
        flight.began = began = self.clock()
        try:
            try:
                value = yield Generate(flight, self.keys, lease)
                recorded = self._record(value, flight, lease, self.clock() - began)
            finally:
                flight.parts.end()
        except Exception as error:
            self.flights.settle(flight, Failed(error))
            if refresh is None:
                yield from self._release(lease)
                raise
            self._log_refresh(failure(error))
            # The lease stays: one try per lease, not one per request. But it ends with the value, since
            # nobody is to wait for a lease behind which nobody generates.
            left_ms = refresh.left_ms(self.clock() - began)
            if left_ms < self.limits.lease_ms:
                yield Detach(Renew(self.keys, refresh.lease, max(1, left_ms)))
            return self._serve(refresh.served, refresh.entry)
        except BaseException as gone:
            yield from self._release(self.flights.abandon(flight, lease), gone)
            raise
        if isinstance(recorded, NotStored):
            self.flights.mark(self.keys.entry, self.clock() + _MARK_SECONDS)
            self.flights.settle(flight, NotShared())
            self._is_unfit_part()
            yield from self._release(lease)
            return CachedResponse(value, CacheStatus.BYPASS, recorded.detail)
        if lease is None:
            self.flights.settle(flight, Landed(recorded.shared))
            self._is_part(recorded.recording, None, None, recorded.recording.ttl_ms)
            return CachedResponse(value, CacheStatus.BYPASS, detail)
        if recorded.diverted_to is not None:
            yield from self._commit_beside(flight, lease, recorded)
        return (yield from self._commit(flight, lease, value, recorded))

    def _log_refresh(self, fault: Unavailable) -> None:
        subject = self.subject
        logger.warning(
            "A refresh failed (%s%s); the value that there is goes on being served.",
            fault.error_name,
            "" if subject is None else f", {subject.shown}",
            extra={"error.type": fault.error_type} | ({} if subject is None else subject.facts),
        )

    def _record(
        self, value: T, flight: Flight, lease: Lease | None, seconds: float
    ) -> _Recorded | NotStored:
        """Turn a value into a recording, with the parts that it was made of."""
        if self.collected is not None:
            flight.parts.add_all(self.collected)
        answer = self.serializer.record(value, flight.parts.metas)
        if isinstance(answer, NotStored):
            return answer
        recording = answer.recording if isinstance(answer, Diverted) else answer
        ttl_ms = recording.ttl_ms
        if self.limits.jitter:
            ttl_ms = math.ceil(ttl_ms * (1 - self.limits.jitter * self.jitter()))
        recording = replace(recording, ttl_ms=ttl_ms, cost_ms=round(seconds * 1000))
        folded = flight.parts.fold(recording, self.keys, lease)
        if folded is None:
            return NotStored(CacheDetail.UNCACHEABLE_PART)
        recording, clock = folded
        if isinstance(answer, Diverted):
            return _Recorded(recording, clock, answer.marker, answer.keys)
        return _Recorded(recording, clock, recording)

    def _commit_beside(self, flight: Flight, lease: Lease, recorded: _Recorded) -> Step[None]:
        """Store a diverted value under its own keys; whether that succeeds, its marker says nothing of."""
        try:
            yield Commit(
                self.keys,
                lease,
                recorded.recording,
                recorded.clock,
                self.limits.compress_above,
                recorded.diverted_to,
            )
        except BaseException as gone:
            yield from self._release(self.flights.abandon(flight, lease), gone)
            raise

    def _commit(self, flight: Flight, lease: Lease, value: T, recorded: _Recorded) -> Flow[T]:
        recording, clock = recorded.shared, recorded.clock
        self.flights.seal(flight)
        ticket = self.memory.ticket() if self.memory is not None else None
        landed = Landed(recording, lease.epoch, lease.clock if clock is None else clock)
        try:
            committed = yield Commit(self.keys, lease, recording, clock, self.limits.compress_above)
        except BaseException as gone:
            result = gone.result if isinstance(gone, CallerGoneError) else None
            self._settle(flight, result, landed)
            if result is None:  # it may never have been sent
                yield from self._release(lease, gone)
            raise
        self._settle(flight, committed, landed)
        # Refused or unknown, it still counts: what refused it will refuse the whole as well.
        whole = recorded.recording
        self._is_part(whole, lease.epoch, landed.clock, whole.ttl_ms, keys=recorded.diverted_to)
        if isinstance(committed, Unavailable):
            yield Detach(Release(self.keys, lease))
        if isinstance(committed, Stored):
            self._keep_own(lease, landed, ticket)
            ttl = whole.ttl_ms / 1000
            return CachedResponse(value, CacheStatus.MISS, CacheDetail.GENERATED, ttl=ttl)
        failed = isinstance(committed, Unavailable)
        detail = CacheDetail.STORE_FAILURE if failed else CacheDetail.REFUSED
        return CachedResponse(value, CacheStatus.MISS, detail)

    def _settle(self, flight: Flight, committed: object, landed: Landed) -> None:
        """Share the recording if it was stored; unknown or refused, who joined late looks again."""
        if isinstance(committed, Stored):
            self.flights.unmark(self.keys.entry)
            self.flights.settle(flight, landed)
        else:
            self.flights.settle(flight, LookAgain(), early=Landed(landed.recording))

    def _keep_own(self, lease: Lease, landed: Landed, ticket: Ticket | None) -> None:
        if landed.clock is not None:
            recording = landed.recording
            entry = Entry(recording, lease.token, lease.epoch, landed.clock, recording.ttl_ms)
            self._keep(entry, ticket)

    def _generate_alone(self, detail: CacheDetail) -> Flow[T]:
        """Generate without a lease and without a flight, and store nothing."""
        value = yield Generate(None, self.keys, None)
        if self.within:
            answer = self.serializer.record(value, frozenset())
            if isinstance(answer, NotStored):
                self._is_unfit_part()
            else:
                recording = answer.recording if isinstance(answer, Diverted) else answer
                self._is_part(recording, None, None, recording.ttl_ms)
        return CachedResponse(value, CacheStatus.BYPASS, detail)
