"""Waiting for a generation in another process."""

from collections.abc import Callable
from typing import Final

from strawberry_response_cache.core._flights import Flight, Flights, LookAgain

_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.1


class Watch:
    """One caller's watch over a lease of another process, for all callers of this process."""

    __slots__ = ("_flight", "_flights")

    def __init__(self, flights: Flights) -> None:
        self._flights = flights
        self._flight: Flight | None = None

    @property
    def is_held(self) -> bool:
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


class Backoff:
    """Growing pauses, each shortened at random by up to a half, until the budget is spent."""

    __slots__ = ("_jitter", "_pause", "left")

    def __init__(self, budget: float, jitter: Callable[[], float]) -> None:
        self.left = budget
        self._jitter = jitter
        self._pause = _FIRST_PAUSE

    @property
    def is_spent(self) -> bool:
        """Whether waiting is over."""
        return self.left <= 0

    def next_pause(self) -> float:
        """Return the seconds of the next pause."""
        pause = min(self._pause * (1 - self._jitter() / 2), self.left)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause

    def spend(self, seconds: float | None) -> None:
        """Subtract a wait from the budget."""
        self.left -= seconds or 0.0
