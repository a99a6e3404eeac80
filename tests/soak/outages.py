"""A server that fails in another way every few seconds."""

import random
import threading
import time

from tests.servers.node import Node


class Outages(threading.Thread):
    """Let the server fail in another way every few seconds.

    Args:
        node: The server.
        seconds: For how long.
        seed: Of its choices.
    """

    def __init__(self, node: Node, seconds: float, seed: int) -> None:
        super().__init__()
        self._node = node
        self._ends = time.monotonic() + seconds
        self._draw = random.Random(seed)  # noqa: S311 - a seed repeats the choices
        self.happened: list[tuple[float, str]] = []

    def run(self) -> None:
        """Fail, and be well again before the end."""
        ways = [self.restart, self.pause, self.flush, self.evict]
        while time.monotonic() < self._ends - 5:
            self._wait(1.5, 3)
            way = self._draw.choice(ways)
            self.happened.append((time.monotonic(), way.__name__))
            way()

    def last_before(self, moment: float) -> str:
        """Say which outage began last, and how long before."""
        for began, name in reversed(self.happened):
            if began < moment:
                return f"{name} {moment - began:.2f} s before"
        return "none before"

    def _wait(self, least: float, most: float) -> None:
        time.sleep(self._draw.uniform(least, most))

    def restart(self) -> None:
        """Kill the server and start it again, from its snapshot if it has one."""
        self._node.kill()
        self._wait(0.1, 1)
        self._node.start()

    def pause(self) -> None:
        """Let it hang."""
        self._node.pause()
        self._wait(0.2, 1.5)
        self._node.resume()

    def flush(self) -> None:
        """Empty it."""
        with self._node.client() as client:
            client.flushall()

    def evict(self) -> None:
        """Leave it half of its memory for a while."""
        with self._node.client() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            client.config_set("maxmemory", int(client.info("memory")["used_memory"]) // 2)
            self._wait(0.3, 1)
            client.config_set("maxmemory", 0)
