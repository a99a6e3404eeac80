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

    def seconds(self) -> float:
        """Return the seconds since the thread and the server were started."""
        own = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        return _on_the_queue(own) + _on_the_queue(Path(f"/proc/{self._node.pid}/schedstat"))


def _on_the_queue(statistics: Path) -> float:
    try:
        return int(statistics.read_text().split()[1]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0  # The server is being restarted.
