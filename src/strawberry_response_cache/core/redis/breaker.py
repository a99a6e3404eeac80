"""The circuit breaker: after several failures in a row, only one probe at a time goes out.

The pattern: https://martinfowler.com/bliki/CircuitBreaker.html
"""

import threading
import time
from collections.abc import Callable

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core.protocol import NotAskedError


class BreakerOpenError(NotAskedError):
    """The server failed several times in a row just now, so it was not asked."""


class Breaker:
    """Counts the failures in a row of one server; it can be used from any thread.

    Calls that were sent at the same time and failed count as one failure: one pause of the server fails
    all of them.

    Args:
        failures: How many failures in a row open it.
        seconds: How long it stays open before it lets a probe through.
        clock: Returns a monotonic time in seconds.

    Example:
        >>> breaker = Breaker(failures=1, seconds=60)
        >>> breaker.failed(breaker.admit())
        >>> breaker.is_open
        True
    """

    def __init__(
        self, *, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._count = 0
        self._last_failure = float("-inf")
        self._probe_at: float | None = None
        self._probe: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are turned away."""
        return self._probe_at is not None

    def turns_away(self) -> bool:
        """Whether `admit` would raise now; asking does not use up the probe."""
        probe_at = self._probe_at
        return probe_at is not None and (self._probe is not None or self._clock() < probe_at)

    def admit(self, *, urgent: bool = False) -> float:
        """Let a call through.

        Args:
            urgent: Whether to let it through even while the breaker is open.

        Returns:
            The time of its start, for `failed`.

        Raises:
            BreakerOpenError: If it is open and no probe is due.
        """
        with self._lock:
            now = self._clock()
            if self._probe_at is not None and not urgent:
                if self.turns_away():
                    raise BreakerOpenError
                self._probe = now
            return now

    def succeeded(self) -> None:
        """Note that the server answered."""
        if self._count or self._probe_at is not None:
            with self._lock:
                self._count, self._probe_at, self._probe = 0, None, None

    def failed(self, began: float) -> None:
        """Note that the server did not answer a call.

        Args:
            began: What `admit` returned for it.
        """
        with self._lock:
            is_probe = began == self._probe
            if is_probe:
                self._probe = None
            elif began <= self._last_failure:
                return
            self._last_failure = self._clock()
            self._count += 1
            if self._count >= self._limit:
                self._probe_at = self._last_failure + self._seconds
