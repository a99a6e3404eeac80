"""How long the machine let a thread or a process stand still, as Linux counts it."""

import threading
from pathlib import Path

from tests.servers.node import Node


class Standstill:
    """Counts the time in which this thread and the server wanted a processor and had none.

    Args:
        node: The server.

    Source:
        `schedstat` of the kernel's documentation on proc: its second number is the time on the run queue.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._of_servers: dict[int | None, float] = {}

    def seconds(self) -> float:
        """Return the seconds since the thread and the server were started."""
        own = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        server = self._node.pid
        # A server that was started again begins to count anew.
        self._of_servers[server] = max(
            self._of_servers.get(server, 0.0),
            _on_the_queue(Path(f"/proc/{server}/schedstat")),
        )
        return _on_the_queue(own) + sum(self._of_servers.values())


def _on_the_queue(statistics: Path) -> float:
    try:
        return int(statistics.read_text().split()[1]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # The server is being restarted.
