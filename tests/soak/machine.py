"""How long a request stood still for no reason of the cache's, as Linux and the interpreter count it."""

import gc
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What had been counted until a moment, in seconds.

    Attributes:
        threads: For how long each thread of this process had waited for a processor.
        server: For how long the servers had.
        stolen: For how long the host had kept each processor for itself.
        collected: For how long the interpreter had collected garbage, in which no thread runs Python.
    """

    threads: dict[str, float]
    server: float
    stolen: list[float]
    collected: float


class Standstill:
    """Counts the time in which this process or the server wanted to run and could not.

    Args:
        node: The server.

    Source:
        `schedstat` and `stat` of the kernel's documentation on proc: the second number of the first is the time
        on the run queue, the eighth of the second the time that the host took.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._of_servers: dict[int | None, float] = {}
        self._collected = self._began = 0.0
        gc.callbacks.append(self._watch)

    def _watch(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self._collected += time.perf_counter() - self._began

    def now(self) -> Moment:
        """Return what has been counted so far."""
        server = self._node.pid
        # A server that was started again begins to count anew.
        self._of_servers[server] = max(
            self._of_servers.get(server, 0.0), _on_the_queue(Path(f"/proc/{server}"))
        )
        processors = Path("/proc/stat").read_text().splitlines()[1:]
        return Moment(
            threads={each.name: _on_the_queue(each) for each in Path("/proc/self/task").iterdir()},
            server=sum(self._of_servers.values()),
            stolen=[int(each.split()[8]) / 100 for each in processors if each.startswith("cpu")],
            collected=self._collected,
        )

    def since(self, then: Moment) -> float:
        """Return for how many seconds a request may have stood still.

        A thread that waits for a processor may hold the interpreter's lock, so the longest wait of any counts.

        Args:
            then: When the request began.
        """
        now = self.now()
        waited = [waits - then.threads.get(name, 0.0) for name, waits in now.threads.items()]
        stolen = [after - before for before, after in zip(then.stolen, now.stolen, strict=True)]
        return (
            max(waited)
            + max(stolen)
            + (now.server - then.server)
            + (now.collected - then.collected)
        )


def _on_the_queue(process: Path) -> float:
    try:
        return int((process / "schedstat").read_text().split()[1]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # The server is being restarted, or the thread has ended.
