"""A server that answers every command alike: what a real one says only in a state hard to bring about."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from typing import Any


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        with contextlib.suppress(OSError):
            while line := self.rfile.readline():
                words = []
                for _ in range(int(line[1:])):
                    size = int(self.rfile.readline()[1:])
                    words.append(self.rfile.read(size + 2)[:-2])
                if server.reply is not None:
                    self.wfile.write(server.replies.get(words[0], server.reply))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    reply: bytes | None = None
    replies: dict[bytes, bytes] = {}  # noqa: RUF012 - replaced as a whole


@contextlib.contextmanager
def answering(reply: bytes | None, *, greets: bool = True) -> Iterator[int]:
    """Run a server; None never answers.

    Args:
        reply: To every command.
        greets: Whether it lets connect all the same, and says which run of it answers.

    Yields:
        Its port.
    """
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.reply = reply
        if greets:
            info = b"run_id:0123456789\r\n"
            server.replies = {
                b"AUTH": b"+OK\r\n",
                b"CLIENT": b"+OK\r\n",
                b"SELECT": b"+OK\r\n",
                b"INFO": b"$%d\r\n%s\r\n" % (len(info), info),
            }
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
