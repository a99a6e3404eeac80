"""Ports that are free, and stay so while their server is down."""

import random
import socket
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
