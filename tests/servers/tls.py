"""TLS in front of a server that knows none: a proxy that terminates it, in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self
from urllib.parse import quote

from tests.servers.certificates import Certificates
from tests.servers.ports import LOOPBACK
from tests.servers.standalone import Standalone
from tests.servers.valkey import valkey_node

_CHUNK = 64 * 1024


class TlsProxy:
    """Accepts TLS on a port of its own and hands the plain bytes to a server and back.

    Args:
        upstream: The server's port on the loopback interface.
        certificates: What the proxy shows to clients.
    """

    def __init__(self, upstream: int, certificates: Certificates) -> None:
        self._upstream = upstream
        self._context = certificates.server_context()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="TLS proxy")
        self.port = 0

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._relay, LOOPBACK, 0, ssl=self._context, ssl_shutdown_timeout=1
        )
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._over.wait()
        server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection(LOOPBACK, self._upstream)
        except OSError:
            writer.transport.abort()
            return
        # Each side hangs up when the other does; the task of a relay ends with both directions.
        await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        assert self._listening.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up on everyone."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(60)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Hand bytes on until the source ends, then end the sink."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK):
            sink.write(chunk)
            await sink.drain()
    sink.close()


def tls_url(port: int, certificates: Certificates) -> str:
    """Return the URL of a server that these certificates vouch for."""
    return f"rediss://{LOOPBACK}:{port}?ssl_ca_certs={quote(str(certificates.authority))}"


@contextmanager
def behind_tls(certificates: Certificates) -> Iterator[Standalone]:
    """Run a plain server that applications reach through TLS."""
    with valkey_node() as node, TlsProxy(node.port, certificates) as proxy:
        yield Standalone(node, tls_url(proxy.port, certificates))
