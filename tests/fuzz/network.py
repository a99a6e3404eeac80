"""A network between a worker and the server that is late, and that sometimes breaks."""

import asyncio
import contextlib
import random
from typing import Final

_LATE: Final = 0.2
"""The share of lots that are late; the others pass at once, so that there is much to be late for."""


class Network:
    """Passes bytes on between clients and the server, each lot after a pause of its own.

    A reply that is late is what makes races visible: the server has acted and its client does not
    know yet.

    Args:
        server_port: Where the server listens.
        seed: What pauses and cuts are drawn from.
        latency: The longest pause, in seconds.
        cuts: The share of lots at which the connection breaks, half of the lot passed on.
    """

    def __init__(self, server_port: int, seed: str, *, latency: float, cuts: float) -> None:
        self._server_port = server_port
        self._random = random.Random(seed)  # noqa: S311 - it has to be reproducible
        self._latency = latency
        self._cuts = cuts
        self._connections: set[asyncio.Task[None]] = set()
        self.counted_cuts = 0

    async def start(self) -> int:
        """Listen, and return the port."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Drop all connections."""
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            await self._relay(reader, writer)
        finally:
            self._connections.discard(connection)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(_closed, writer)
            with contextlib.suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(
                    "127.0.0.1", self._server_port
                )
                stack.push_async_callback(_closed, far_writer)
                ways = [
                    asyncio.ensure_future(self._pass_on(reader, far_writer)),
                    asyncio.ensure_future(self._pass_on(far_reader, writer)),
                ]
                try:
                    # Whichever end goes, both are gone.
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while lot := await reader.read(65536):
                if self._random.random() < _LATE:
                    # Every order of magnitude is as likely, so that on a machine of any speed some
                    # replies are just as late as it takes.
                    await asyncio.sleep(self._latency * 10 ** self._random.uniform(-3, 0))
                broken = self._random.random() < self._cuts
                writer.write(lot[: len(lot) // 2] if broken else lot)
                await writer.drain()
                if broken:
                    self.counted_cuts += 1
                    return


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
