"""The socket on which the service listens."""

import socket

from example_schema.server.errors import StartError


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Opened by us and not by uvicorn, so that port 0 is known before its address is printed, and a
    port in use is reported in one line.

    Raises:
        StartError: The address is in use, or is not one of this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        message = f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
        raise StartError(message) from error
