"""Time as this process had it: while the machine stands still, so does the stopwatch."""

import threading
from typing import Final, Self

_BEAT: Final = 0.01


class Stopwatch:
    """Measures in beats of a thread that does nothing else.

    On a busy machine a process can stand still for a second at any moment. That is not what a test
    of deadlines is about, and would fail it, or hide what it looks for in bounds that are too wide.
    """

    def __init__(self) -> None:
        self._beats = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="stopwatch")
        self._since = 0.0
        self.seconds = 0.0

    def _beat(self) -> None:
        while not self._over.wait(_BEAT):
            self._beats += 1

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def now(self) -> float:
        """Return the seconds since the start in which the process ran."""
        return self._beats * _BEAT

    def __enter__(self) -> Self:
        """Measure a block; its time is in `seconds` afterwards."""
        self._since = self.now()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = self.now() - self._since
