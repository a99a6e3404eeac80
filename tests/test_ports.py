"""Ports that tests reserve for servers that are down or do not exist."""

import socket

import pytest

from tests.conftest import running_server
from tests.servers.ports import LOOPBACK, reserved_port


def test_a_reserved_port_can_be_used_only_by_its_own_server() -> None:
    with reserved_port() as port:
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((LOOPBACK, port))
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind((LOOPBACK, port))
            with running_server(port) as server:
                assert server.port == port
                socket.create_connection((LOOPBACK, port)).close()
