"""The algorithm of `remember`, once, without I/O: a generator that yields what it needs done.

`_drivers` runs it with asyncio or with threads. It is written for any client of the port: what is
generated, how it becomes bytes, and how bytes become a value again, is the client's `Recipe`.

The steps: join a flight of this process; else look up, judged by the server; else, holding the
lease, generate in the caller's own task, seal the flight, commit. Whatever fails in the store
costs a generator run, never the request.
"""

import logging
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from strawberry_response_cache.core._entry import Entry, Recording, UnreadableEntryError
from strawberry_response_cache.core._flights import (
    Failed,
    Flight,
    Flights,
    Landed,
    Leading,
    LookAgain,
    NotShared,
    Promoted,
    ReentrantError,
    Waiter,
)
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._port import (
    Commit,
    Fresh,
    Granted,
    Held,
    Judgement,
    Lease,
    Lookup,
    Moved,
    NoLease,
    Release,
    Stale,
    Stored,
    Unavailable,
    Unreadable,
    failure,
    new_token,
)
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus

T = TypeVar("T")

logger = logging.getLogger("strawberry_response_cache")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1


@dataclass(frozen=True, slots=True)
class NotStored:
    """A recipe's answer that a value is not to be stored, and why."""

    detail: CacheDetail


class Recipe(Protocol[T]):
    """What a client of the algorithm brings: both directions between its values and bytes."""

    def record(self, value: T) -> Recording | NotStored:
        """Turn a generated value into a recording; what it raises is raised to the caller."""
        ...

    def read(self, recording: Recording) -> T:
        """Rebuild a value.

        Raises:
            UnreadableEntryError: If these bytes do not make one; the entry is purged.
        """
        ...


# -- What the algorithm asks of its driver, beside effects on the store ------------------------------


@dataclass(frozen=True, slots=True)
class Generate:
    """Run the caller's generator in the caller's own task, renewing the lease meanwhile."""

    flight: Flight | None
    keys: EntryKeys
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Join:
    """Wait until the waiter is woken, a thread no longer than the wait budget.

    A thread's re-entry cannot be seen from a thread that it started, so its wait must end.
    """

    waiter: Waiter
    wait_budget: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Detach:
    """Perform an effect without making the caller wait for it."""

    effect: Release


class CallerGoneError(BaseException):
    """Thrown in at an effect on the store: it ended with this result, but the caller was cancelled."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


Request: TypeAlias = Lookup | Commit | Release | Detach | Generate | Join | Pause
Flow: TypeAlias = Generator[Request, Any, CachedResponse[T]]


@dataclass(frozen=True, slots=True)
class Refresh(Generic[T]):
    """A stale response, and the lease to refresh it."""

    stale: CachedResponse[T]
    lease: Lease


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers that the algorithm decides by."""

    lease_ms: int
    wait_budget: float


@dataclass(slots=True)
class Remember(Generic[T]):
    """One caller asking for one value.

    Attributes:
        keys: The entry's keys.
        recipe: Both directions between value and bytes.
        flights: The flights to join or to open.
        limits: Lease and waiting.
        within: The flights whose generators the caller runs in.
        jitter: Returns a number from 0 to 1.
    """

    keys: EntryKeys
    recipe: Recipe[T]
    flights: Flights
    limits: Limits
    within: Leading = ()
    jitter: Callable[[], float] = random.random
    token: str = field(default_factory=new_token, repr=False)

    def flow(self) -> Flow[T]:  # noqa: C901 - one loop, one case for each thing that can be found
        """Obtain the value: from a flight, from the store, or from the generator."""
        pauses = _pauses(self.limits.wait_budget, self.jitter)
        rejected: str | None = None
        while True:
            if (joined := (yield from self._join(leaseless=False))) is not None:
                return joined
            match (yield from self._look_up(rejected or "")):
                case CachedResponse() as hit:
                    return hit
                case Refresh(stale, lease):
                    return (yield from self._lead(lease, stale))
                case Granted(lease):
                    return (yield from self._lead(lease))
                case Held():
                    if (pause := next(pauses, None)) is None:
                        return (yield from self._generate_alone(CacheDetail.WAITED_OUT))
                    yield Pause(pause)
                case NoLease():
                    return (yield from self._without_lease(CacheDetail.NO_LEASE))
                case Unavailable():
                    # An answer that never came may have been a lease, which would block others.
                    yield Detach(Release(self.keys, self._any_lease()))
                    return (yield from self._without_lease(CacheDetail.STORE_FAILURE))
                case Unreadable(write_id) if rejected is None:
                    rejected = write_id
                case Moved() if rejected is None:
                    rejected = ""
                case _:
                    # Twice not what was judged: this key is not to be trusted now.
                    yield Release(self.keys, self._any_lease())
                    return (yield from self._generate_alone(CacheDetail.STORE_FAILURE))

    def _look_up(
        self, rejected: str
    ) -> Generator[Request, Any, "CachedResponse[T] | Refresh[T] | Judgement"]:
        """Ask the store; an entry is rebuilt here, and is unreadable if that fails."""
        try:
            judgement = yield Lookup(self.keys, self.limits.lease_ms, rejected, self.token)
        except BaseException as gone:
            result = gone.result if isinstance(gone, CallerGoneError) else None
            if not isinstance(result, Fresh | Held | NoLease):
                yield from self._release(self._any_lease(), gone)
            raise
        try:
            match judgement:
                case Fresh(entry):
                    return self._hit(entry, CacheDetail.FRESH)
                case Stale(entry, lease):
                    stale = self._hit(entry, CacheDetail.STALE)
                    return stale if lease is None else Refresh(stale, lease)
                case _:
                    return cast("Judgement", judgement)
        except UnreadableEntryError:
            return Unreadable(cast("Fresh | Stale", judgement).entry.write_id)

    def _join(self, *, leaseless: bool) -> Generator[Request, Any, CachedResponse[T] | None]:
        """Wait for another caller's generation; None if there is none, or it came to nothing."""
        try:
            joined = self.flights.join(self.keys, self.within, leaseless=leaseless)
        except ReentrantError:
            return (yield from self._generate_alone(CacheDetail.REENTRANT))
        if joined is None:
            return None
        flight, waiter = joined
        try:
            yield Join(waiter, self.limits.wait_budget)
        except BaseException as gone:
            yield from self._release(self.flights.leave(flight, waiter, self.within), gone)
            raise
        if waiter.outcome is None:
            yield from self._release(self.flights.leave(flight, waiter, self.within))
            return (yield from self._generate_alone(CacheDetail.WAITED_OUT))
        self.flights.arrived(flight, self.within)
        match waiter.outcome:
            case Landed(recording):
                return (yield from self._share(recording))
            case Failed(error):
                raise error
            case NotShared():
                return (yield from self._generate_alone(CacheDetail.UNCACHEABLE))
            case Promoted(lease):
                return (yield from self._lead(lease, flight=flight))
            case _:
                return None

    def _share(self, recording: Recording) -> Flow[T]:
        try:
            value = self.recipe.read(recording)
        except UnreadableEntryError:
            # Its leader gave another type for the same key.
            return (yield from self._generate_alone(CacheDetail.UNCACHEABLE))
        ttl = recording.ttl_ms / 1000
        return CachedResponse(value, CacheStatus.MISS, CacheDetail.JOINED, ttl=ttl)

    def _without_lease(self, detail: CacheDetail) -> Flow[T]:
        """Generate without storing, once for all callers of this process that come meanwhile."""
        joined = yield from self._join(leaseless=True)
        return joined or (yield from self._lead(None, detail=detail))

    def _lead(
        self,
        lease: Lease | None,
        stale: CachedResponse[T] | None = None,
        *,
        flight: Flight | None = None,
        detail: CacheDetail = CacheDetail.STORE_FAILURE,
    ) -> Flow[T]:
        """Generate for oneself and for whoever joins, and commit.

        Args:
            lease: The right to store; None where the store gave none.
            stale: What to return if a refresh fails.
            flight: The flight to lead on, after a promotion.
            detail: Why there is no lease.
        """
        if flight is None:
            # Nobody joins a refresh: everyone else takes the stale value at once.
            leased = lease is not None
            flight = (
                Flight(self.keys.entry, leased)
                if stale
                else self.flights.open(self.keys, leased=leased)
            )
        try:
            value = yield Generate(flight, self.keys, lease)
            recording = self.recipe.record(value)
        except Exception as error:
            self.flights.settle(flight, Failed(error))
            if stale is not None:
                # The lease stays until it expires: one try per lease, not one per request.
                logger.warning(
                    "A refresh failed; the stale value is served.",
                    extra={"error.type": failure(error).error_type},
                )
                return stale
            yield from self._release(lease)
            raise
        except BaseException as gone:
            yield from self._release(self.flights.abandon(flight, lease), gone)
            raise
        if isinstance(recording, NotStored):
            self.flights.settle(flight, NotShared())
            yield from self._release(lease)
            return CachedResponse(value, CacheStatus.BYPASS, recording.detail)
        if lease is None:
            self.flights.settle(flight, Landed(recording))
            return CachedResponse(value, CacheStatus.BYPASS, detail)
        return (yield from self._commit(flight, lease, value, recording))

    def _commit(self, flight: Flight, lease: Lease, value: T, recording: Recording) -> Flow[T]:
        self.flights.seal(flight)
        try:
            committed = yield Commit(self.keys, lease, recording)
        except CallerGoneError as gone:
            self._settle(flight, gone.result, recording)
            raise
        except BaseException:
            self.flights.settle(flight, LookAgain())
            raise
        self._settle(flight, committed, recording)
        if isinstance(committed, Stored):
            ttl = recording.ttl_ms / 1000
            return CachedResponse(value, CacheStatus.MISS, CacheDetail.GENERATED, ttl=ttl)
        failed = isinstance(committed, Unavailable)
        detail = CacheDetail.STORE_FAILURE if failed else CacheDetail.REFUSED
        return CachedResponse(value, CacheStatus.MISS, detail)

    def _settle(self, flight: Flight, committed: object, recording: Recording) -> None:
        """Share the recording if it was stored; unknown or refused, joiners look again."""
        stored = isinstance(committed, Stored)
        self.flights.settle(flight, Landed(recording) if stored else LookAgain())

    def _generate_alone(self, detail: CacheDetail) -> Flow[T]:
        """Generate without a lease and without a flight, and store nothing."""
        value = yield Generate(None, self.keys, None)
        return CachedResponse(value, CacheStatus.BYPASS, detail)

    def _any_lease(self) -> Lease:
        """Return what this caller was granted, if it was; giving back anything else does nothing."""
        return Lease(self.token, "", 0)

    def _release(
        self, lease: Lease | None, gone: BaseException | None = None
    ) -> Generator[Request, Any, None]:
        # A flow that is dropped unfinished can ask for nothing more; its lease will end by itself.
        if lease is not None and not isinstance(gone, GeneratorExit):
            yield Release(self.keys, lease)

    def _hit(self, entry: Entry, detail: CacheDetail) -> CachedResponse[T]:
        value = self.recipe.read(entry.recording)
        return CachedResponse(value, CacheStatus.HIT, detail, entry.age, entry.ttl)


def _pauses(budget: float, jitter: Callable[[], float]) -> Generator[float, None, None]:
    """Yield growing pauses, each shortened by up to a half, until the budget is spent."""
    pause = _FIRST_PAUSE
    while budget > 0:
        shortened = min(pause * (1 - jitter() / 2), budget)
        budget -= shortened
        yield shortened
        pause = min(pause * 2, _LONGEST_PAUSE)
