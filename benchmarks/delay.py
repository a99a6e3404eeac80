"""A proxy that holds the answers of a server back: `python -m benchmarks.delay UPSTREAM_PORT MILLISECONDS`.

It prints its port. The order of bytes is kept, and what arrives meanwhile does not wait for what came before.
"""

import asyncio
import selectors
import sys
from collections import deque
from collections.abc import Callable
from typing import Final

_LOOP: Final = asyncio.SelectorEventLoop
"""With `select`: epoll waits for whole milliseconds."""


class _Side(asyncio.Protocol):
    """One side of a connection: what it sends reaches the other side later.

    Args:
        hold: Returns for how many seconds the next bytes are held back.
    """

    def __init__(self, hold: Callable[[], float]) -> None:
        self._hold = hold
        self._due: deque[tuple[float, bytes]] = deque()
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        at = self._loop.time() + self._hold()
        if self._due:
            self._due.append((max(at, self._due[-1][0]), data))
            return
        self._due.append((at, data))
        self._pass_on()

    def _pass_on(self) -> None:
        while self._due and self._due[0][0] <= self._loop.time():
            data = self._due.popleft()[1]
            if self.other is not None and self.other.transport is not None:
                self.other.transport.write(data)
        if self._due:
            self._loop.call_at(self._due[0][0], self._pass_on)

    def connection_lost(self, _: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class _Client(_Side):
    """The side of a client, whose bytes are passed on at once; those that come early wait for the server.

    Args:
        upstream: The port of the server.
        hold: Returns for how many seconds the next answer is held back.
    """

    def __init__(self, upstream: int, hold: Callable[[], float]) -> None:
        super().__init__(lambda: 0.0)
        self._upstream = upstream
        self._answers = hold
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._opening = self._loop.create_task(self._open(transport))

    async def _open(self, transport: asyncio.Transport) -> None:
        try:
            _, server = await self._loop.create_connection(
                lambda: _Side(self._answers), "127.0.0.1", self._upstream
            )
        except OSError:
            transport.close()
            return
        self.other, server.other = server, self
        transport.resume_reading()


async def delaying(upstream: int, hold: Callable[[], float]) -> asyncio.Server:
    """Return a proxy that listens on a free port of the loopback interface.

    Args:
        upstream: The port of the server behind it.
        hold: Returns for how many seconds the next bytes of an answer are held back.
    """
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Client(upstream, hold), "127.0.0.1", 0)


def port_of(proxy: asyncio.Server) -> int:
    """Return the port on which a proxy listens."""
    port: int = proxy.sockets[0].getsockname()[1]
    return port


async def _serve(upstream: int, seconds: float) -> None:
    proxy = await delaying(upstream, lambda: seconds)
    print(port_of(proxy), flush=True)
    await proxy.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=lambda: _LOOP(selectors.SelectSelector())) as runner:
        runner.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
