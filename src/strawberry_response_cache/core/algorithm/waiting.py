"""Waiting for the generation of another caller or process: for how long, and which caller checks."""

import math
from collections.abc import Callable
from typing import Final

from strawberry_response_cache.core.algorithm.flights import Flight, Flights, LookAgain

_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.1


class LeaseWatch:
    """One caller's watch over a lease of another process, for all callers of this process."""

    __slots__ = ("_flight", "_flights")

    def __init__(self, flights: Flights) -> None:
        self._flights = flights
        self._flight: Flight | None = None

    @property
    def is_watching(self) -> bool:
        """Whether this caller watches the lease."""
        return self._flight is not None

    def begin(self, lease_key: str) -> None:
        """Start to watch; other callers wait for this one."""
        self._flight = self._flights.open(lease_key, leased=False)

    def end(self) -> None:
        """Stop watching, and wake the callers that waited for this one."""
        if self._flight is not None:
            self._flights.settle(self._flight, LookAgain())
            self._flight = None


class WaitBudget:
    """How much longer one caller, or all that one request asks for, may wait for others.

    It counts from the first wait, so that several waits, one after the other or side by side, take no
    longer than one.
    """

    __slots__ = ("_ends", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: float | None = None

    def left(self, now: float) -> float:
        """Return the seconds that are left. Call it just before waiting: the first call starts the time."""
        if self._ends is None:
            self._ends = now + self._seconds
        return max(0.0, self._ends - now)

    def spend(self) -> None:
        """End the budget: its callers wait no longer."""
        self._ends = -math.inf


class Backoff:
    """Growing pauses, each shortened by up to a half.

    Args:
        jitter: Returns a number from 0 to below 1.
    """

    __slots__ = ("_jitter", "_pause")

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._pause = _FIRST_PAUSE

    def next_pause(self, left: float) -> float:
        """Return for how many seconds to wait next; no more than are left."""
        pause = min(self._pause * (1 - self._jitter() / 2), left)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause
