"""Turns of threads: so many at once, and whoever waits goes in the order of coming."""

import threading
from collections import deque

from strawberry_response_cache.core._fork import renewed_in_child


class Turns:
    """A semaphore of threads that is fair: a turn that ends goes to whoever has waited longest.

    One that is not fair starves those who wait, since the thread that just ended its turn is awake
    already, and takes it again. Turns are noted by thread: one whose end was lost to a signal, in whose
    handler something was raised, is still that thread's when it comes again.

    Args:
        number: How many there are.

    Example:
        >>> turns = Turns(1)
        >>> turns.take()
        True
        >>> turns.end()
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._holders: set[int] = set()
        self._waiting: deque[tuple[int, threading.Lock]] = deque()

    def take(self, timeout: float | None = None) -> bool:
        """Wait for a turn.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            Whether it came.
        """
        me = threading.get_ident()
        with self._lock:
            if me in self._holders:
                return True
            if len(self._holders) < self._number:
                self._holders.add(me)
                return True
            called = threading.Lock()
            called.acquire()
            self._waiting.append((me, called))
        try:
            return called.acquire(timeout=-1 if timeout is None else timeout) or self._leave(me)
        except BaseException:  # a signal's handler raised: a turn that came meanwhile is not lost
            if self._leave(me):
                self.end()
            raise

    def _leave(self, me: int) -> bool:
        """Wait no longer, and return whether the turn has come after all."""
        with self._lock:
            self._waiting = deque(each for each in self._waiting if each[0] != me)
            return me in self._holders

    def end(self) -> None:
        """End the turn of this thread, if it has one."""
        with self._lock:
            self._holders.discard(threading.get_ident())
            while self._waiting and len(self._holders) < self._number:
                waiting, called = self._waiting.popleft()
                self._holders.add(waiting)
                called.release()
