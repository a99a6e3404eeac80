"""The algorithm of `remember`, without I/O: a generator that yields the effects it needs.

The drivers perform these effects with asyncio or with threads. The client's `Serializer` turns a generated
value into bytes and bytes into a value.

The steps, in order:

1. Read local memory.
2. Join a flight of this process.
3. Look the key up in Redis. A script there checks whether the entry still counts.
4. With the lease: generate in the caller's own task, seal the flight, and commit.

If the store fails, the generator runs and the caller gets its value.
"""

import math
import random
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Generic, TypeVar, cast

from strawberry_response_cache.core._flights import (
    CrowdedError,
    Failed,
    Flight,
    Flights,
    Landed,
    Leading,
    LookAgain,
    NotShared,
    Promoted,
    ReentrantError,
    Run,
)
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._invalidation_log import Ticket
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._parts import Part, Parts
from strawberry_response_cache.core._requests import (
    CallerGoneError,
    Detach,
    Flow,
    Generate,
    Join,
    Pause,
    RefreshInBackground,
    Step,
)
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._waiting import Backoff, WaitBudget, Watch
from strawberry_response_cache.core.protocol import (
    Commit,
    Fresh,
    Granted,
    Held,
    Lease,
    Lookup,
    LookupAnswer,
    Moved,
    NoLease,
    Release,
    Stale,
    Stored,
    Throttle,
    Unavailable,
    Unreadable,
    failure,
    new_token,
)
from strawberry_response_cache.core.protocol.entry import Entry, Recording, UnreadableEntryError
from strawberry_response_cache.core.serialization.serializer import (
    Diverted,
    NotStored,
    Serializer,
)

T = TypeVar("T")

_MARK_SECONDS: Final = 5.0
"""Seconds for which callers of a key generate concurrently, after its value could not be stored."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers that the algorithm uses.

    Attributes:
        lease_ms: How long a lease lives, in milliseconds.
        max_bytes: The largest payload to unpack; None for no limit.
        compress_above: Payloads of more bytes are compressed; None compresses none.
        early_refresh: See `CacheSettings`.
        jitter: See `CacheSettings`.
        log: Limits the log lines about refreshes that failed.
    """

    lease_ms: int
    max_bytes: int | None = None
    compress_above: int | None = None
    early_refresh: float = 0.0
    jitter: float = 0.0
    log: Interval = field(default_factory=Interval, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Refresh(Generic[T]):
    """A response that can still be served, its entry, and the lease to refresh it."""

    served: CachedResponse[T]
    entry: Entry
    lease: Lease


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A generated value, ready to be stored.

    Attributes:
        recording: The value.
        clock: The lowest clock among the lease and the value's parts.
        shared: The recording for the requested keys and for joiners: the value, or a marker.
        diverted_to: The keys of the value, if ``shared`` is a marker.
    """

    recording: Recording
    clock: int | None
    shared: Recording
    diverted_to: EntryKeys | None = None


@dataclass(slots=True)
class Remember(Generic[T]):
    """One caller asking for one value.

    Attributes:
        keys: The entry's keys.
        serializer: Turns values into bytes and back.
        flights: The flights of this event loop, or of all threads.
        limits: Lease and sizes.
        budget: For how long to wait for others.
        within: The flights whose generators the caller runs in.
        memory: The local memory, if it is on.
        in_background: Whether a refresh may run the generator in the background.
        invalidation_pending: Whether an invalidation of this tenant is still queued; then nothing is read.
        found: The entry that a batch lookup has found already; it replaces the first lookup.
        collected: Parts that were read outside the generator and may have become part of the value.
        subject: The cache and field, for the log.
        jitter: Returns a number from 0 to below 1.
        clock: Tells the time in seconds; it never goes back.
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
    found: Fresh | None = None
    collected: Parts | None = None
    subject: Subject | None = None
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    token: str = field(default_factory=new_token, repr=False)
    came: float = field(init=False, default=0.0)

    # -- The steps ---------------------------------------------------------------------------------

    def flow(self) -> Flow[T]:
        """Return the value from memory, a flight, the store or the generator."""
        self.came = self.clock()
        if self.invalidation_pending:
            return (yield from self._without_lease(CacheDetail.INVALIDATION_PENDING))
        watch = Watch(self.flights)
        try:
            return (yield from self._obtain(watch))
        finally:
            watch.end()

    def alone(self) -> Flow[T]:
        """Return a generated value that is not stored, whatever there is."""
        return (yield from self._generate_alone(CacheDetail.UNCACHEABLE))

    def _obtain(self, watch: Watch) -> Flow[T]:  # noqa: C901, PLR0912 - one loop, one case for each thing that can be found
        backoff = Backoff(self.jitter)
        alone = self.flights.marks.has(self.keys.entry, self.clock())
        rejected: str | None = None
        while True:
            is_found = self.found is not None
            if not is_found and (remembered := self._from_memory()) is not None:
                return remembered
            if not is_found and not alone and self.flights.is_open(self.keys.entry):
                watch.end()
                if (joined := (yield from self._join(leaseless=False))) is not None:
                    return joined
            found = yield from self._look_up(rejected or "")
            if not isinstance(found, Held):
                watch.end()
            match found:
                case CachedResponse() as hit:
                    return hit
                case Refresh() as refresh:
                    return (yield from self._refresh(refresh))
                case Granted(lease):
                    return (yield from self._lead(lease, is_open=not alone))
                case Held() if any(flight.key == self.keys.entry for flight in self.within):
                    return (yield from self._generate_alone(CacheDetail.REENTRANT))
                case Held() if alone:
                    return (yield from self._generate_alone(CacheDetail.UNCACHEABLE))
                case Held() if self.flights.is_open(self.keys.entry):
                    continue  # it is a caller of this process
                case Held() if self._left() == 0:
                    watch.end()  # callers that wait on this watch must not wait for the generator too
                    return (yield from self._generate_alone(CacheDetail.WAITED_OUT))
                case Held():
                    yield from self._wait_for_release(backoff, watch)
                case NoLease():
                    return (yield from self._without_lease(CacheDetail.NO_LEASE))
                case Unavailable() as failed:
                    # The lost answer may have granted a lease, which would block other callers.
                    if failed.sent:
                        yield Detach(Release(self.keys, self._any_lease(), in_doubt=True))
                    return (yield from self._without_lease(CacheDetail.STORE_FAILURE))
                case Unreadable(write_id) if rejected is None:
                    rejected = write_id
                case Moved() if rejected is None:
                    rejected = ""
                case _:
                    # The entry was not usable twice in a row: do not trust this key now.
                    yield Release(self.keys, self._any_lease())
                    return (yield from self._generate_alone(CacheDetail.STORE_FAILURE))

    # -- From other callers: of this process, or of another process --------------------------------

    def _join(self, *, leaseless: bool) -> Step[CachedResponse[T] | None]:
        """Wait for another caller's generation; return None if there is none or it gave no value."""
        try:
            joined = self.flights.join(
                self.keys.entry, self.within, leaseless=leaseless, came=self.came
            )
        except ReentrantError:
            return (yield from self._generate_alone(CacheDetail.REENTRANT))
        except CrowdedError:
            return (yield from self._generate_alone(CacheDetail.WAITED_OUT))
        if joined is None:
            return None
        flight, waiter = joined
        try:
            yield Join(waiter, self._left())
        except BaseException as gone:
            yield from self._release(self.flights.leave(flight, waiter, self.within), gone)
            raise
        if waiter.outcome is None:
            yield from self._release(self.flights.leave(flight, waiter, self.within))
            return (yield from self._generate_alone(CacheDetail.WAITED_OUT))
        self.flights.arrived(flight, self.within)
        match waiter.outcome:
            case Landed() as landed:
                return (yield from self._share(landed))
            case Failed() as failed:
                failed.raise_again()
            case NotShared():
                return (yield from self._generate_alone(CacheDetail.UNCACHEABLE))
            case Promoted(lease):
                return (yield from self._lead(lease, flight=flight))
            case _:
                return None

    def _share(self, landed: Landed) -> Flow[T]:
        recording = landed.recording
        try:
            value = self.serializer.read(recording)
        except UnreadableEntryError:
            # The leader passed another type for the same key.
            return (yield from self._generate_alone(CacheDetail.UNCACHEABLE))
        # Only a commit proves that the value is newer than the lease of a generator around it.
        fit = landed.clock is not None
        self._is_part(recording, landed.epoch, landed.clock, recording.ttl_ms, fit=fit)
        if not fit:
            return CachedResponse(value, CacheStatus.BYPASS, CacheDetail.JOINED)
        ttl = recording.ttl_ms / 1000
        return CachedResponse(value, CacheStatus.MISS, CacheDetail.JOINED, ttl=ttl)

    def _wait_for_release(self, backoff: Backoff, watch: Watch) -> Step[None]:
        """Wait until the next lookup is due: as the watching caller, or for that caller."""
        if not watch.is_held:
            try:
                joined = self.flights.join(self.keys.lease, (), leaseless=True)
            except CrowdedError:
                self.budget.spend()
                return
            if joined is not None:
                flight, waiter = joined
                try:
                    yield Join(waiter, self._left())
                finally:
                    self.flights.leave(flight, waiter, ())
                return
            watch.begin(self.keys.lease)
        yield Pause(backoff.next_pause(self._left()), self.keys.lease)

    def _left(self) -> float:
        """Return for how many seconds this caller may still wait."""
        return self.budget.left(self.clock())

    def _without_lease(self, detail: CacheDetail) -> Flow[T]:
        """Generate without storing, once for all callers of this process that are waiting already.

        Callers that arrive during the generation wait for it to end and share the next one.
        """
        while self.flights.has(self.keys.entry):
            if (joined := (yield from self._join(leaseless=True))) is not None:
                return joined
        return (yield from self._lead(None, detail=detail))

    # -- From an existing entry: in local memory, or in the store ------------------------------------

    def _from_memory(self) -> CachedResponse[T] | None:
        if self.memory is None or (entry := self.memory.get(self.keys)) is None:
            return None
        try:
            return self._hit(entry, CacheDetail.LOCAL)
        except UnreadableEntryError:
            self.memory.drop(self.keys)
            return None

    def _look_up(self, rejected: str) -> Step[CachedResponse[T] | Refresh[T] | LookupAnswer]:
        """Look the key up and rebuild the value; an entry that cannot be rebuilt counts as unreadable."""
        if self.found is not None:
            found, self.found = self.found, None
            try:
                return self._hit(found.entry, CacheDetail.FRESH)
            except UnreadableEntryError:
                return Unreadable(found.entry.write_id)
        limits = self.limits
        draw = -limits.early_refresh * math.log(1 - self.jitter()) if limits.early_refresh else 0.0
        ticket = self.memory.ticket() if self.memory is not None else None
        try:
            answer = yield Lookup(
                self.keys, limits.lease_ms, rejected, self.token, draw, limits.max_bytes
            )
        except BaseException as gone:
            result = gone.result if isinstance(gone, CallerGoneError) else None
            if isinstance(result, Unavailable):
                if result.sent:  # an unsent lookup granted no lease
                    yield Release(self.keys, self._any_lease(), in_doubt=True)
            elif not isinstance(result, Fresh | Held | NoLease):
                yield from self._release(self._any_lease(), gone)
            raise
        try:
            match answer:
                case Fresh(entry):
                    hit = self._hit(entry, CacheDetail.FRESH)
                    self._keep(entry, ticket)
                    return hit
                case Stale(entry, lease):
                    is_stale = entry.remaining_ms <= 0
                    served = self._read(entry, CacheDetail.STALE if is_stale else CacheDetail.FRESH)
                    return (
                        self._serve(served, entry)
                        if lease is None
                        else Refresh(served, entry, lease)
                    )
                case _:
                    return cast("LookupAnswer", answer)
        except UnreadableEntryError:
            return Unreadable(cast("Fresh | Stale", answer).entry.write_id)

    def _hit(self, entry: Entry, detail: CacheDetail) -> CachedResponse[T]:
        return self._serve(self._read(entry, detail), entry)

    def _read(self, entry: Entry, detail: CacheDetail) -> CachedResponse[T]:
        value = self.serializer.read(entry.recording)
        saved = entry.recording.cost_ms / 1000
        return CachedResponse(
            value, CacheStatus.HIT, detail, entry.age, entry.ttl, saved, entry.write_id
        )

    def _serve(self, served: CachedResponse[T], entry: Entry) -> CachedResponse[T]:
        """Return an existing value, and note it as a part of what the caller generates."""
        fit = served.detail is not CacheDetail.STALE
        self._is_part(entry.recording, entry.epoch, entry.clock, entry.remaining_ms, fit=fit)
        return served

    def _keep(self, entry: Entry, ticket: Ticket | None) -> None:
        if self.memory is not None and ticket is not None:
            self.memory.keep(self.keys, entry, ticket)

    # -- By generating: in the caller's own task; the flight is sealed before the commit ---------------

    def _refresh(self, refresh: Refresh[T]) -> Flow[T]:
        """Generate a value again while the old one can be served, here or in the background."""
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
        """Generate the value for the caller and its joiners, and commit it.

        Args:
            lease: The right to store; None where the store gave none.
            refresh: What to serve if this is a refresh and fails.
            flight: The flight to take over, after a promotion; None opens a new one.
            is_open: Whether others may join. A refresh has no joiners: other callers get the old value.
            detail: The detail to return if there is no lease.
        """
        if flight is None:
            flight = self.flights.open(self.keys.entry, leased=lease is not None, joined=is_open)
        flight.parts = Parts()
        flight.began = began = self.clock()
        if lease is not None:
            flight.run = Run(self.keys, lease, partial(self._known_tags, flight))
        try:
            try:
                value = yield Generate(flight, self.keys, lease)
                recorded = self._record(value, flight, lease, self.clock() - began)
            finally:
                flight.parts.end()
        except Exception as error:
            self.flights.settle(flight, Failed(error))
            if refresh is None or not self.serializer.serves_stale:
                yield from self._release(lease)
                raise
            return (yield from self._serve_instead(refresh, failure(error)))
        except BaseException as gone:
            yield from self._release(self.flights.abandon(flight, lease), gone)
            raise
        if isinstance(recorded, NotStored):
            if refresh is not None and recorded.failure is not None:
                self.flights.settle(flight, NotShared())
                return (yield from self._serve_instead(refresh, recorded.failure))
            self.flights.marks.set(self.keys.entry, self.clock() + _MARK_SECONDS)
            self.flights.settle(flight, NotShared())
            self._is_unfit_part()
            yield from self._release(lease)
            return CachedResponse(value, CacheStatus.BYPASS, recorded.detail)
        if lease is None:
            self.flights.settle(flight, Landed(recorded.shared))
            self._is_part(recorded.recording, None, None, recorded.recording.ttl_ms)
            return CachedResponse(value, CacheStatus.BYPASS, detail)
        if recorded.diverted_to is not None:
            yield from self._commit_diverted(flight, lease, recorded)
        return (yield from self._commit(flight, lease, value, recorded))

    def _known_tags(self, flight: Flight) -> AbstractSet[str]:
        """Return tags that the value will surely carry; called from anywhere, while it is generated."""
        return {self.keys.own_tag, *flight.parts.tags, *self.serializer.known_tags()}

    def _serve_instead(self, refresh: Refresh[T], fault: Unavailable) -> Flow[T]:
        """Serve what there is, since a refresh failed; one is tried per lease, not one per request."""
        self._log_refresh(fault)
        yield Detach(Throttle(self.keys, refresh.lease, self.limits.lease_ms))
        return self._serve(replace(refresh.served, saved=0.0), refresh.entry)

    def _log_refresh(self, fault: Unavailable) -> None:
        if (count := self.limits.log.counted()) is None:
            return
        subject = self.subject
        logger.warning(
            "A refresh failed (%s%s%s); the old value is still served.",
            fault.error_name,
            "" if subject is None else f", {subject.shown}",
            count.words,
            extra={"error.type": fault.error_type, "response_cache.failures": count.number}
            | ({} if subject is None else subject.facts),
        )

    def _record(
        self, value: T, flight: Flight, lease: Lease | None, seconds: float
    ) -> _Recorded | NotStored:
        """Turn a value into a recording that includes its parts."""
        if self.collected is not None:
            flight.parts.add_all(self.collected)
        answer = self.serializer.record(value, flight.parts)
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

    def _commit_diverted(self, flight: Flight, lease: Lease, recorded: _Recorded) -> Step[None]:
        """Store a diverted value under its own keys. Its marker is stored even if this fails."""
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
            if result is None:  # the commit may never have been sent
                yield from self._release(lease, gone)
            raise
        self._settle(flight, committed, landed)
        # Also if it was refused or the outcome is unknown: the same will refuse the whole.
        whole = recorded.recording
        self._is_part(whole, lease.epoch, landed.clock, whole.ttl_ms, keys=recorded.diverted_to)
        if isinstance(committed, Unavailable):
            yield Detach(Release(self.keys, lease))
        if isinstance(committed, Stored):
            self._keep_own(lease, landed, ticket)
            ttl = whole.ttl_ms / 1000
            return CachedResponse(
                value, CacheStatus.MISS, CacheDetail.GENERATED, ttl=ttl, write_id=lease.token
            )
        failed = isinstance(committed, Unavailable)
        detail = CacheDetail.STORE_FAILURE if failed else CacheDetail.REFUSED
        return CachedResponse(value, CacheStatus.MISS, detail)

    def _settle(self, flight: Flight, committed: object, landed: Landed) -> None:
        """Share the recording if it was stored. If not, callers that joined late look the key up again."""
        if isinstance(committed, Stored):
            self.flights.marks.remove(self.keys.entry)
            self.flights.settle(flight, landed)
        else:
            self.flights.settle(flight, LookAgain(), early=Landed(landed.recording))

    def _keep_own(self, lease: Lease, landed: Landed, ticket: Ticket | None) -> None:
        if landed.clock is not None:
            recording = landed.recording
            entry = Entry(recording, lease.token, lease.epoch, landed.clock, recording.ttl_ms)
            self._keep(entry, ticket)

    def _generate_alone(self, detail: CacheDetail) -> Flow[T]:
        """Generate without a lease or a flight, and store nothing."""
        value = yield Generate(None, self.keys, None)
        if self.within:
            answer = self.serializer.record(value, Parts())
            if isinstance(answer, NotStored):
                self._is_unfit_part()
            else:
                recording = answer.recording if isinstance(answer, Diverted) else answer
                self._is_part(recording, None, None, recording.ttl_ms)
        return CachedResponse(value, CacheStatus.BYPASS, detail)

    # -- Parts -----------------------------------------------------------------------------

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
        """Note the value as a part, in each generator that the caller runs in."""
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
        """Return the lease that this caller may hold; releasing it has no effect if it was not granted."""
        return Lease(self.token, "", 0)

    def _release(self, lease: Lease | None, gone: BaseException | None = None) -> Step[None]:
        # A dropped flow (GeneratorExit) cannot yield any more; its lease expires by itself.
        if lease is not None and not isinstance(gone, GeneratorExit):
            yield Release(self.keys, lease)
