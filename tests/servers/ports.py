"""Ports that are free, and stay so while their server is down."""

import contextlib
import random
import socket
from collections.abc import Iterator
from typing import Final

LOOPBACK: Final = "127.0.0.1"

_CANDIDATES: Final = range(10_240, 32_768)
"""Below what Linux and macOS hand out to outgoing connections: a server that was killed finds its
port again when it is restarted."""


def unused_port() -> int:
    """Return a port of the loopback interface on which nothing listens.

    Another process can still take it before its server does; `launch` then asks for another.
    """
    while True:
        port = random.choice(_CANDIDATES)  # noqa: S311 - not a secret, only seldom someone else's
        with socket.socket() as probe:
            # As servers do, so that connections of an earlier one that linger are no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


@contextlib.contextmanager
def reserved_port(port: int = 0) -> Iterator[int]:
    """Keep a port of the loopback interface for the server of a test, on which nothing listens yet.

    Nobody else is given it, not even for an outgoing connection: what a test does to a server that is
    down would reach the server of another test. A server that is told to take the port can do so.

    Args:
        port: The port; 0 for any that is free.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOOPBACK, port))
        yield int(holder.getsockname()[1])
