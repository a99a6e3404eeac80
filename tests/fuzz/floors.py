"""What an answer must at least hold: as of now, or as of a while ago where local memory may lag."""

import threading
import time
from collections import deque
from collections.abc import Iterable

from tests.fuzz.truth import Truth

_INTERVAL = 0.005


class Floors:
    """The floors of all data, and how they rose lately.

    What was acknowledged a while ago is known from samples, so it may be a little too low for that
    moment, never too high.

    Args:
        truth: Where the floors are.
        lag: How long ago is a while, in seconds.
    """

    def __init__(self, truth: Truth, lag: float) -> None:
        self._truth = truth
        self._lag = lag
        self._lock = threading.Lock()
        self._samples = deque([(float("-inf"), dict.fromkeys(range(truth.data), 0))])

    def now(self, data: Iterable[int]) -> dict[int, int]:
        """Return what an answer to a question asked now must hold."""
        return self._truth.floors(data)

    def a_while_ago(self, data: Iterable[int]) -> dict[int, int]:
        """Return what an answer must hold if it may be that much too old."""
        with self._lock:
            floors, now = self._truth.floors(range(self._truth.data)), time.monotonic()
            if self._samples[-1][0] + _INTERVAL <= now:
                self._samples.append((now, floors))
            while len(self._samples) > 1 and self._samples[1][0] <= now - self._lag:
                self._samples.popleft()
            _, floors = self._samples[0]
        return {datum: floors[datum] for datum in data}
