"""What every topology can tell: how a cache reaches it, and how a test looks inside."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol

from tests.servers.node import Node


class Topology(Protocol):
    """One or more servers behind one URL."""

    @property
    def url(self) -> str:
        """The URL by which the library reaches it."""
        ...

    @property
    def nodes(self) -> Sequence[Node]:
        """The processes that may hold data."""
        ...

    def client(self, **options: Any) -> AbstractContextManager[Any]:
        """Open a sync client as an application would make it."""
        ...

    def async_client(self, **options: Any) -> AbstractAsyncContextManager[Any]:
        """Open an async client as an application would make it."""
        ...

    def admin(self) -> AbstractContextManager[Any]:
        """Open a client that may do everything and sees all keys."""
        ...


def statistics(topology: Topology, section: str) -> Iterator[dict[str, Any]]:
    """Yield a section of INFO of each process."""
    for node in topology.nodes:
        with node.client() as client:
            yield client.info(section)


def calls(topology: Topology, *commands: str) -> int:
    """Return how often clients and scripts called any of these commands, on all processes."""
    return sum(
        stats.get(f"cmdstat_{command}", {"calls": 0})["calls"]
        for stats in statistics(topology, "commandstats")
        for command in commands
    )


def clients(topology: Topology) -> set[tuple[int, str]]:
    """Return who is connected, as ports and numbers that are never used again."""
    connected = set()
    for node in topology.nodes:
        with node.client() as client:
            itself = str(client.client_id())
            found = {entry["id"] for entry in client.client_list()}
        connected |= {(node.port, number) for number in found - {itself}}
    return connected
