"""Flights: the generations that run in one event loop, or in the threads of one process.

A caller that finds a flight for its key joins it instead of generating. Joiners get the value only
after its commit, and only if they joined before the seal: an invalidation that was acknowledged before a
caller asked has therefore refused the commit, and the joiner looks again. Without a commit the value
is only for callers that came before its generation began. An invalidation that will refuse the value of a
generation seals its flight at once: callers that come later do not wait for it.

A watch does the same for a generation of another process: one caller checks from time to time whether it
has ended, and the other callers of this process wait for that caller.
"""

import math
import threading
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import TracebackType
from typing import NoReturn, Protocol, TypeAlias

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._marks import Marks
from strawberry_response_cache.core.algorithm.parts import Part, Parts
from strawberry_response_cache.core.protocol import Lease
from strawberry_response_cache.core.protocol.entry import ValueRecording


@dataclass(frozen=True, slots=True)
class Landed:
    """The flight's recording, which its joiners read.

    Attributes:
        recording: The generated value.
        epoch: The epoch in which it was stored; None if it was not stored.
        clock: The clock at which it was stored; None if it was not stored.
    """

    recording: ValueRecording = field(repr=False)
    epoch: str | None = None
    clock: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The generator raised; its joiners raise the same exception."""

    error: Exception = field(repr=False)
    _raised_at: TracebackType | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Keep the traceback that the exception has now."""
        object.__setattr__(self, "_raised_at", self.error.__traceback__)

    def raise_again(self) -> NoReturn:
        """Raise the generator's exception in a caller that joined the flight.

        All joiners raise the same object, so each starts with the original traceback and context.
        """
        context = self.error.__context__
        try:
            raise self.error.with_traceback(self._raised_at)
        finally:
            self.error.__context__ = context


@dataclass(frozen=True, slots=True)
class LookAgain:
    """The recording was not stored; callers that came during its generation look the key up again."""


@dataclass(frozen=True, slots=True)
class NotShared:
    """The value may not be shared; joiners generate their own."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """This joiner becomes the leader, with the lease if there is one.

    The leader was cancelled, or its generation began before this joiner asked.
    """

    lease: Lease | None


Landing: TypeAlias = Landed | Failed | LookAgain | NotShared | Promoted
"""How the wait of a joined caller ends."""


class Waiter(Protocol):
    """Wakes one caller; implemented with an asyncio future and with a thread's event.

    Attributes:
        outcome: The outcome to wake the caller with; None until it is known.
        came: When the caller arrived, in seconds of a monotonic clock.
    """

    outcome: Landing | None
    came: float

    def wake(self) -> None:
        """Wake the caller, whose `outcome` is set."""
        ...


@dataclass(frozen=True, slots=True)
class Generation:
    """The running generation of a flight.

    Attributes:
        keys: Where its value will be stored.
        lease: The right to store it.
        known_tags: Returns digests of tags that its value will surely carry, as far as they are known.
    """

    keys: EntryKeys
    lease: Lease
    known_tags: Callable[[], AbstractSet[str]] = field(repr=False)

    def is_useless_after(
        self, table: str, tags: AbstractSet[str] | None, clock: int | None
    ) -> bool:
        """Whether an invalidation refuses what it generates; see `Flights.seal_outdated`."""
        if self.keys.tags != table or (clock is not None and self.lease.clock >= clock):
            return False
        return tags is None or not tags.isdisjoint(self.known_tags())


@dataclass(eq=False, slots=True)
class Flight:
    """One running generation.

    Attributes:
        key: The key by which callers find it.
        leased: Whether its recording can be committed. Only a commit proves that no invalidation was
            missed.
        waiters: The callers that joined.
        waits_for: The flights that its generator waits for; used to detect a circle before it closes.
        parts: The values that its generator read from the cache.
        began: When the current generation began, in seconds of a monotonic clock.
        run: The current generation, if it has a lease.
        is_outdated: Whether an invalidation will refuse what it generates.
    """

    key: str
    leased: bool
    waiters: list[Waiter] = field(default_factory=list)
    waits_for: list["Flight"] = field(default_factory=list)
    parts: Parts = field(default_factory=Parts)
    began: float = math.inf
    run: Generation | None = None
    is_outdated: bool = False


Leading: TypeAlias = tuple[Flight, ...]
"""The flights whose generators a caller runs in, outermost first."""


def note_part(within: Leading, part: Part) -> None:
    """Note a part in each generator that a caller runs in."""
    for whole in within:
        whole.parts.add(part)


class Flights:
    """The flights of one event loop, or of all threads; every method is atomic.

    Args:
        new_waiter: Makes the waiter of one caller.
        max_flights: How many flights can be joined at once; above that, new flights cannot be joined.
        max_waiting: How many callers can wait for flights at once.

    Attributes:
        marks: The keys whose values could not be shared (hit-for-miss): their callers generate concurrently
            instead of waiting for each other forever.
    """

    def __init__(
        self, new_waiter: Callable[[], Waiter], *, max_flights: int, max_waiting: int
    ) -> None:
        self._new_waiter = new_waiter
        self._max_flights = max_flights
        self._max_waiting = max_waiting
        self._waiting = 0
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._open: dict[str, Flight] = {}
        self._apart: set[Flight] = set()
        self.marks = Marks()

    def __len__(self) -> int:
        """Return the number of flights that can be joined."""
        return len(self._open)

    def join(
        self, key: str, within: Leading, *, leaseless: bool, came: float = 0.0
    ) -> tuple[Flight, Waiter] | None:
        """Join the flight for a key, if there is one.

        Args:
            key: The key of the entry, or of the lease that is watched.
            within: The flights whose generators the caller runs in.
            leaseless: Whether a flight without a lease may be joined too: the caller gets no lease either.
            came: When the caller arrived.

        Returns:
            The flight and the caller's waiter, or None where no flight is open.

        Raises:
            ReentrantError: If the flight waits, directly or through others, for the caller itself.
            CrowdedError: If ``max_waiting`` callers are waiting.
        """
        with self._lock:
            flight = self._open.get(key)
            if flight is None or not (flight.leased or leaseless):
                return None
            if within and _reaches(flight, within):
                raise ReentrantError
            if self._waiting >= self._max_waiting:
                raise CrowdedError
            self._waiting += 1
            waiter = self._new_waiter()
            waiter.came = came
            flight.waiters.append(waiter)
            for outer in within:
                outer.waits_for.append(flight)
            return flight, waiter

    def has(self, key: str) -> bool:
        """Whether there is a flight for a key, leased or not."""
        return key in self._open

    def is_open(self, key: str) -> bool:
        """Whether there is a flight for a key that every caller may join."""
        flight = self._open.get(key)
        return flight is not None and flight.leased

    def leave(self, flight: Flight, waiter: Waiter, within: Leading) -> Lease | None:
        """Leave a flight, whether the waiter was woken or not.

        Returns:
            A lease to release, if the waiter had been promoted and no joiner can take over.
        """
        with self._lock:
            self._no_longer_waits(flight, within)
            if waiter in flight.waiters:
                flight.waiters.remove(waiter)
        if isinstance(waiter.outcome, Promoted):
            return self.abandon(flight, waiter.outcome.lease)
        return None

    def note_outcome_taken(self, flight: Flight, within: Leading) -> None:
        """Note that a joiner received its outcome."""
        with self._lock:
            self._no_longer_waits(flight, within)

    def _no_longer_waits(self, flight: Flight, within: Leading) -> None:
        self._waiting -= 1
        for outer in within:
            outer.waits_for.remove(flight)

    def open(self, key: str, *, leased: bool, joined: bool = True) -> Flight:
        """Open a flight; callers no longer join an older flight for the same key.

        Args:
            key: The key by which callers find it.
            leased: Whether its recording can be committed.
            joined: Whether others may join.
        """
        flight = Flight(key, leased)
        with self._lock:
            if not joined:
                self._apart.add(flight)
            elif len(self._open) < self._max_flights or key in self._open:
                self._open[key] = flight
        return flight

    def seal_leaseless(self) -> None:
        """Let no more callers join flights without a lease: these may have missed an invalidation."""
        with self._lock:
            for key in [key for key, flight in self._open.items() if not flight.leased]:
                del self._open[key]

    def seal_outdated(
        self, table: str, tags: AbstractSet[str] | None, clock: int | None = None
    ) -> list[Generation]:
        """Let no more callers join the flights whose values an invalidation will refuse.

        Callers that come later look up instead of waiting for them.

        Args:
            table: The tag table.
            tags: Digests of the invalidated tags; None for everything.
            clock: The clock of the invalidation, if it is known. A generation that began at this clock or later
                is not outdated.

        Returns:
            The generations of these flights, whose leases the driver must release.
        """
        if not self._open and not self._apart:
            return []
        with self._lock:
            known = [(flight, flight.run) for flight in (*self._open.values(), *self._apart)]
        outdated = [
            (flight, run)
            for flight, run in known
            if run is not None and run.is_useless_after(table, tags, clock)
        ]
        with self._lock:
            for flight, _ in outdated:
                flight.is_outdated = True
                self._close(flight)
        return [run for _, run in outdated]

    def seal_all(self) -> None:
        """Let no more callers join any flight, because an invalidation is queued that Redis has not taken."""
        with self._lock:
            self._open.clear()
            self._apart.clear()

    def seal(self, flight: Flight) -> None:
        """Let no more callers join a flight, before its commit."""
        with self._lock:
            self._close(flight)

    def _close(self, flight: Flight) -> None:
        self._apart.discard(flight)
        if self._open.get(flight.key) is flight:
            del self._open[flight.key]

    def settle(self, flight: Flight, outcome: Landing, *, early: Landing | None = None) -> None:
        """Let no more callers join a flight, and wake those that joined with the outcome.

        Only a commit proves that no process invalidated the value meanwhile. So a value that is not stored
        goes only to callers that came before its generation began. If the flight had no lease, one of
        the later callers leads the next generation and the others wait for it.

        Args:
            flight: The flight.
            outcome: What joiners receive.
            early: What joiners receive that came before the generation began; None for ``outcome``.
        """
        with self._lock:
            self._close(flight)
            came_before = [waiter for waiter in flight.waiters if waiter.came < flight.began]
            came_later = [waiter for waiter in flight.waiters if waiter.came >= flight.began]
            flight.waiters = []
            if came_later and not flight.leased:
                heir, *flight.waiters = came_later
                came_later = [heir]
                outcome, early = Promoted(None), early or outcome
                self._open.setdefault(flight.key, flight)
            for waiter in came_before:
                waiter.outcome = early or outcome
            for waiter in came_later:
                waiter.outcome = outcome
        for waiter in came_before + came_later:
            waiter.wake()

    def abandon(self, flight: Flight, lease: Lease | None) -> Lease | None:
        """Let the first joiner generate, because the caller that generated was cancelled.

        If an invalidation will refuse the value, all joiners look the key up again instead.

        Returns:
            The lease, to be released, if no joiner takes it over.
        """
        if flight.is_outdated:
            self.settle(flight, LookAgain())
            return lease
        with self._lock:
            heir = flight.waiters.pop(0) if flight.waiters else None
            if heir is None:
                self._close(flight)
                return lease
            heir.outcome = Promoted(lease)
        heir.wake()
        return None


class ReentrantError(Exception):
    """This flight waits for the caller, so waiting for it would never end."""


class CrowdedError(Exception):
    """The limit of waiting callers is reached."""


def _reaches(flight: Flight, targets: Leading) -> bool:
    """Whether a flight is one of the targets, or waits for one directly or through others."""
    seen: set[int] = set()
    pending = [flight]
    while pending:
        current = pending.pop()
        if any(current is target for target in targets):
            return True
        if id(current) not in seen:
            seen.add(id(current))
            pending.extend(current.waits_for)
    return False
