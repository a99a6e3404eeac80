"""One connection of a thread at a time: a batch of calls goes out, and its replies come back.

redis-py opens and closes it, with credentials, TLS and Sentinel. What goes over its socket in between is
ours; see `async_connection`. Where there is no socket, inside this process, redis-py reads.
"""

import socket
import time
from collections.abc import Sequence
from typing import Any, Final, Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from strawberry_response_cache.core.protocol import Call
from strawberry_response_cache.core.redis.replies import Replies
from strawberry_response_cache.core.redis.wire import checked, pack

_CHUNK: Final = 64 * 1024
_LOOK: Final = 0.001
"""Seconds for a look at whether an answer that is due has come while this thread could not run."""
_MOST_LOOKS: Final = 1000
"""Looks that find something, whatever is found."""


class SyncConnection(Protocol):
    """A connection to a server; one batch at a time.

    Attributes:
        run_id: Which run of the server it leads to; empty if that is not asked.
        is_used: Whether a batch was answered on it before.
    """

    run_id: str
    is_used: bool

    def exchange(
        self, calls: Sequence[Call], deadline: float, *, by_text: bool = False
    ) -> list[Any]:
        """Send calls and return the replies; a connection that does not answer is closed.

        Args:
            calls: What to send.
            deadline: Seconds for all the replies.
            by_text: Whether to send scripts themselves, to a server that does not know them yet.

        Raises:
            TimeoutError: If they have not come by then.
            RedisConnectionError: If the connection ended, or means nothing any more.
            ForeignReplyError: If it answers something else.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def taken_over(raw: Any, run_id: str) -> SyncConnection:  # noqa: ANN401 - a connection of redis-py
    """Return an open connection of redis-py as one of ours.

    Args:
        raw: The connection, which answers nobody else from now on.
        run_id: Which run of the server it leads to.
    """
    sock = getattr(raw, "_sock", None)
    if isinstance(sock, socket.socket):
        return SocketConnection(raw, sock, run_id)
    return ClientConnection(raw, run_id)


class SocketConnection:
    """A connection whose bytes we read.

    The deadline is for the server, not for us: it ends with a look that found nothing to read.
    """

    def __init__(self, raw: Any, sock: socket.socket, run_id: str) -> None:  # noqa: ANN401 - a connection of redis-py
        self.run_id = run_id
        self.is_used = False
        self._raw = raw
        self._sock = sock

    def exchange(
        self, calls: Sequence[Call], deadline: float, *, by_text: bool = False
    ) -> list[Any]:
        """Send calls and return the replies; see `SyncConnection`."""
        packed = pack(calls, self.run_id, by_text=by_text)
        try:
            return [
                checked(call, reply)
                for call, reply in zip(calls, self._talk(packed, len(calls), deadline), strict=True)
            ]
        except TimeoutError:
            self.close()
            raise
        except OSError:
            self.close()
            raise RedisConnectionError from None
        except BaseException:
            self.close()
            raise

    def _talk(self, packed: bytes, count: int, deadline: float) -> list[Any]:
        sock, until = self._sock, time.monotonic() + deadline
        sock.settimeout(deadline)
        sock.sendall(packed)
        replies = Replies(count)
        looks = _MOST_LOOKS
        while True:
            left = until - time.monotonic()
            if left < _LOOK:
                left, looks = _LOOK, looks - 1
            if looks == 0:
                raise TimeoutError
            sock.settimeout(left)
            chunk = sock.recv(_CHUNK)
            if not chunk:
                raise RedisConnectionError
            if replies.feed(chunk):
                return replies.all

    def close(self) -> None:
        """Let go of it."""
        self._raw.disconnect()


class ClientConnection:
    """A connection whose replies redis-py reads."""

    def __init__(self, raw: Any, run_id: str) -> None:  # noqa: ANN401 - a connection of redis-py
        self.run_id = run_id
        self.is_used = False
        self._raw = raw

    def exchange(
        self,
        calls: Sequence[Call],
        deadline: float,  # noqa: ARG002 - what is inside this process does not hang
        *,
        by_text: bool = False,
    ) -> list[Any]:
        """Send calls and return the replies; see `SyncConnection`."""
        replies: list[Any] = []
        try:
            packed = pack(calls, self.run_id, by_text=by_text)
            self._raw.send_packed_command([packed], check_health=False)
            for call in calls:
                try:
                    reply = self._raw.read_response(disable_decoding=True)
                except ResponseError as error:
                    reply = error
                replies.append(checked(call, reply))
        except BaseException:
            self.close()
            raise
        return replies

    def close(self) -> None:
        """Let go of it."""
        self._raw.disconnect()
