"""Ends a connection attempt that takes too long: the timeout of a socket restarts with each byte."""

import contextlib
import socket
import threading
import time
from typing import Any, Final

from strawberry_response_cache.core._fork import renewed_in_child

_PRECISION: Final = 0.02
"""Seconds between two checks."""
_PATIENCE: Final = 50
"""Checks without a watched connection after which the thread ends."""


class Watchdog:
    """A thread, started on demand, that shuts sockets whose deadline has passed."""

    def __init__(self) -> None:
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._watched: dict[Any, float] = {}
        self._is_running = False

    def watch(self, connection: Any, deadline: float) -> None:  # noqa: ANN401 - a connection of redis-py
        """Shut a connection's socket after ``deadline`` seconds, unless `unwatch` is called before."""
        with self._lock:
            self._watched[connection] = time.monotonic() + deadline
            if not self._is_running:
                # Set after the start: if no thread can be started, the next call tries again.
                threading.Thread(
                    target=self._patrol, name="response-cache-watchdog", daemon=True
                ).start()
                self._is_running = True

    def unwatch(self, connection: Any) -> bool:  # noqa: ANN401 - as above
        """Stop watching a connection.

        Returns:
            Whether its socket was not shut.
        """
        with self._lock:
            return self._watched.pop(connection, None) is not None

    def _patrol(self) -> None:
        quiet = 0
        while True:
            time.sleep(_PRECISION)
            now = time.monotonic()
            with self._lock:
                quiet = 0 if self._watched else quiet + 1
                if quiet > _PATIENCE:
                    self._is_running = False
                    return
                for connection in [c for c, until in self._watched.items() if until < now]:
                    del self._watched[connection]
                    # The end of the stream wakes a thread that reads from the socket.
                    sock = getattr(connection, "_sock", None)
                    if sock is not None:
                        with contextlib.suppress(OSError):
                            sock.shutdown(socket.SHUT_RDWR)
