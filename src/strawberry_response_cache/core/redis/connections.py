"""Which caller gets which connection of a link.

Connections are opened in the background. A caller waits no longer for one than for an answer. A connection
that is opened too late for it serves later callers. This module does no I/O and never waits; the links do.
"""

import threading
from typing import Final, Generic, TypeVar

from strawberry_response_cache.core._fork import renewed_in_child

C = TypeVar("C")
W = TypeVar("W")

SLICES: Final = 10
"""Parts into which the wait for a connection is divided. Opening one takes several turns of an event loop, or
of a thread. If these are late, each part ends late as well, so a busy process does not use up the server's time."""


class Connections(Generic[C, W]):
    """The connections of one link, and the callers that wait for one, first come, first served; thread-safe.

    Attributes:
        idle: The unused connections; the one that was used last comes last.
    """

    def __init__(self) -> None:
        self.idle: list[C] = []
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._waiting: dict[W, int] = {}
        self._came = 0
        self._opening = 0

    def wait(self, who: W) -> int | None:
        """Add a caller that waits for a connection.

        Returns:
            The number of an attempt to open one, which the caller must make now; None if as many attempts
            are under way as callers wait.
        """
        with self._lock:
            self._came += 1
            self._waiting[who] = self._came
            return self._next_attempt()

    def leave(self, who: W) -> bool:
        """Remove a caller that waits; return whether it got neither a connection nor an error."""
        with self._lock:
            return self._waiting.pop(who, None) is not None

    def give(self, connection: C) -> W | None:
        """Return the caller that gets a free connection; None if no caller waits and it is idle now."""
        if self._waiting:  # spares each exchange the lock; a caller that comes just now opens one
            with self._lock:
                if self._waiting:
                    return self._first()
        self.idle.append(connection)
        return None

    def opened(self, connection: C) -> W | None:
        """Note that an attempt succeeded; return what `give` does."""
        with self._lock:
            self._opening -= 1
        return self.give(connection)

    def failed(self, attempt: int) -> tuple[W | None, int | None]:
        """Note that an attempt failed.

        Returns:
            The caller that has waited since before the attempt, which gets the error; and the number of an
            attempt to make now for callers that came later. Each may be None.
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
