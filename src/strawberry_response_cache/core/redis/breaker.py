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
    """Counts the failures in a row of the reads of one server; it can be used from any thread.

    One pause of a server fails all calls that were under way. So it opens only if a call that was sent after
    the first failure failed too, however many failed together. If ``failures`` is 1, one call is enough.

    Args:
        failures: How many failures in a row open it.
        seconds: How long it stays open before it lets a probe through.
        clock: Returns a monotonic time in seconds.
        recovered: Called when the server answers after one failure or more, whether or not it was open.

    Example:
        >>> breaker = Breaker(failures=1, seconds=60)
        >>> breaker.failed(breaker.admit())
        1
        >>> breaker.is_open
        True
    """

    def __init__(
        self,
        *,
        failures: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        recovered: Callable[[], object] = bool,
    ) -> None:
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._recovered = recovered
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._count = 0
        self._first_failure = 0.0
        self._probe_at: float | None = None
        self._probe: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the breaker is open: calls are turned away, except one probe at a time."""
        return self._probe_at is not None

    def turns_away(self) -> bool:
        """Whether `admit` would raise now; asking does not use up the probe."""
        probe_at = self._probe_at
        return probe_at is not None and (self._probe is not None or self._clock() < probe_at)

    def admit(self) -> float:
        """Let a call through.

        Returns:
            The time of its start, for `failed`.

        Raises:
            BreakerOpenError: If it is open and no probe is due.
        """
        with self._lock:
            now = self._clock()
            if self._probe_at is not None:
                if self.turns_away():
                    raise BreakerOpenError
                self._probe = now
            return now

    def succeeded(self) -> int:
        """Note that the server answered.

        Returns:
            If that closed it, how many failures there were in the row; else 0.
        """
        if not self._count and self._probe_at is None:
            return 0
        with self._lock:
            count, was_open = self._count, self.is_open
            self._count, self._probe_at, self._probe = 0, None, None
        if count:
            self._recovered()
        return count if was_open else 0

    def failed(self, began: float) -> int:
        """Note that the server did not answer a call.

        Args:
            began: What `admit` returned for it.

        Returns:
            If that opened it, how many failures there were in the row; else 0.
        """
        with self._lock:
            now = self._clock()
            self._count += 1
            if self._count == 1:
                self._first_failure = now
            if self._probe_at is not None:
                if began == self._probe:
                    self._probe, self._probe_at = None, now + self._seconds
                return 0
            is_another = self._limit == 1 or began > self._first_failure
            if self._count < self._limit or not is_another:
                return 0
            self._probe_at = now + self._seconds
            return self._count

    def hurry(self) -> None:
        """Let the next call through as a probe: there is a reason to think that it succeeds."""
        with self._lock:
            if self._probe_at is not None:
                self._probe_at = self._clock()
