"""Calls functions after a delay, in one thread, because an event loop may have ended by then."""

import heapq
import os
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Final

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.graphql._guard import Guard


class _Repeats:
    """Functions to call later, and the thread that calls them; the thread ends when no function is left."""

    def __init__(self) -> None:
        self._changed = renewed_in_child(self, "_changed", threading.Condition)
        self._numbers = count()
        self.after_fork()
        os.register_at_fork(after_in_child=self.after_fork)

    def after_fork(self) -> None:
        """Drop all functions in a forked child: the parent calls them."""
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._is_running = False

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call a function after some seconds, unless the process ends before; its exceptions count as faults."""
        with self._changed:
            if not self._is_running:
                thread = threading.Thread(
                    target=self._run, name="response-cache-invalidate-again", daemon=True
                )
                thread.start()
                self._is_running = True
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), function))
            self._changed.notify()

    def _run(self) -> None:
        while (function := self._next()) is not None:
            Guard().step(function)

    def _next(self) -> Callable[[], object] | None:
        """Return the next function when it is due; None if no function is left."""
        with self._changed:
            while self._due:
                left = self._due[0][0] - time.monotonic()
                if left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)
            self._is_running = False  # whoever comes now starts another thread
            return None


repeats: Final = _Repeats()
