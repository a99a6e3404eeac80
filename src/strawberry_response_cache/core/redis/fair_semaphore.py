"""A fair semaphore for threads: waiting threads get their turn in the order of their arrival."""

import threading
from collections import deque

from strawberry_response_cache.core._fork import renewed_in_child


class Turns:
    """A fair semaphore: a turn that ends goes to the thread that has waited longest.

    With an unfair semaphore, threads starve: the thread that just ended its turn is awake and takes the
    next turn as well. Turns belong to threads. If a signal handler raises and the end of a turn is lost,
    the thread still has that turn when it asks again.

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
            timeout: The most seconds to wait; None waits without a limit.

        Returns:
            Whether this thread has a turn.
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
        except BaseException:  # a signal handler raised: pass on a turn that came meanwhile
            if self._leave(me):
                self.end()
            raise

    def _leave(self, me: int) -> bool:
        """Stop waiting; return whether the caller got its turn nevertheless."""
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
