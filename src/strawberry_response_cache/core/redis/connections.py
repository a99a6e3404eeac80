"""Which connection of a link goes to whom: idle ones, those that are being opened, and who waits for one.

Connecting goes on beside whoever waits for it: they wait no longer than for an answer, and what they did
not wait for serves those who come later. No I/O, no waiting: that is the links' own.
"""

import threading
from typing import Final, Generic, TypeVar

from strawberry_response_cache.core._fork import renewed_in_child

C = TypeVar("C")
W = TypeVar("W")

SLICES: Final = 10
"""Parts of the time for which somebody waits for a connection. Opening one takes several turns of an
event loop, or of a thread: where these are late, each part is late as well, and the time is not over before
the server had its share of it."""


class Connections(Generic[C, W]):
    """The connections of one link, and those who wait for one in the order of coming, from any thread.

    Attributes:
        idle: Those that nobody uses; the one that was used last comes last.
    """

    def __init__(self) -> None:
        self.idle: list[C] = []
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._waiting: dict[W, int] = {}
        self._came = 0
        self._opening = 0

    def wait(self, who: W) -> int | None:
        """Let somebody wait for a connection.

        Returns:
            The number of an attempt to open one, which is to be made now; None where as many are under
            way as wait.
        """
        with self._lock:
            self._came += 1
            self._waiting[who] = self._came
            return self._next_attempt()

    def leave(self, who: W) -> bool:
        """Wait no longer, and return whether it was in vain: else a connection or an error has come."""
        with self._lock:
            return self._waiting.pop(who, None) is not None

    def give(self, connection: C) -> W | None:
        """Return to whom a connection goes that is free; None if it is idle now."""
        if self._waiting:  # else the lock costs each exchange; who comes just now opens one
            with self._lock:
                if self._waiting:
                    return self._first()
        self.idle.append(connection)
        return None

    def opened(self, connection: C) -> W | None:
        """Take note that an attempt succeeded; return what `give` does."""
        with self._lock:
            self._opening -= 1
        return self.give(connection)

    def failed(self, attempt: int) -> tuple[W | None, int | None]:
        """Take note that an attempt failed.

        Returns:
            Who has waited since before it was made, and is told; and the number of an attempt that is to
            be made now for whoever came later.
        """
        with self._lock:
            self._opening -= 1
            came = next(iter(self._waiting.values()), attempt + 1)
            return self._first() if came <= attempt else None, self._next_attempt()

    def _first(self) -> W:
        who = next(iter(self._waiting))
        del self._waiting[who]
        return who

    def _next_attempt(self) -> int | None:
        if self._opening >= len(self._waiting):
            return None
        self._opening += 1
        return self._came
