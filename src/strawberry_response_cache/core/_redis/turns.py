"""Turns of threads: so many at once, and whoever waits goes in the order of coming."""

import threading
from collections import deque


class Turns:
    """A semaphore that is fair: a turn that ends goes to whoever has waited longest.

    One that is not fair starves those who wait, since the thread that just ended its turn is awake
    already, and takes it again.

    Args:
        number: How many there are.

    Example:
        >>> turns = Turns(1)
        >>> turns.take(), turns.take(timeout=0.01)
        (True, False)
    """

    def __init__(self, number: int) -> None:
        self._lock = threading.Lock()
        self._free = number
        self._waiting: deque[threading.Lock] = deque()

    def take(self, timeout: float | None = None) -> bool:
        """Wait for a turn.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            Whether it came.
        """
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        try:
            return called.acquire(timeout=-1 if timeout is None else timeout) or self._leave(called)
        except BaseException:  # a signal's handler raised: a turn that came meanwhile is not lost
            if self._leave(called):
                self.end()
            raise

    def _leave(self, called: threading.Lock) -> bool:
        """Wait no longer, and return whether the turn has come after all."""
        with self._lock:
            if called in self._waiting:
                self._waiting.remove(called)
                return False
            return True

    def end(self) -> None:
        """End a turn."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
