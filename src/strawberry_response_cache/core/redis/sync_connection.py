"""One connection, used by one thread at a time: it sends a batch of calls and reads the replies.

redis-py opens and closes the connection, with credentials, TLS and Sentinel. This module writes to its
socket and reads the replies; see `async_connection`. A server inside this process has no socket; there
redis-py reads.
"""

import socket
import time
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from strawberry_response_cache.core.protocol import StoreCall
from strawberry_response_cache.core.redis.replies import Replies
from strawberry_response_cache.core.redis.wire import Letter

_CHUNK: Final = 64 * 1024
_LOOK: Final = 0.001
"""Seconds for a check, after the deadline, whether the answer arrived while this thread could not run."""
_MOST_LOOKS: Final = 1000
"""The most checks, after the deadline, that find bytes to read."""


class SyncConnection:
    """A connection to a server, one batch at a time; redis-py reads the replies.

    Attributes:
        run_id: The run id of the server; empty if restarts are not detected.
        is_used: Whether a batch was answered on it before.
    """

    def __init__(self, raw: Any, run_id: str) -> None:  # noqa: ANN401 - a connection of redis-py
        self.run_id = run_id
        self.is_used = False
        self._raw = raw

    def exchange(
        self,
        calls: Sequence[StoreCall],
        deadline: float,  # noqa: ARG002 - a server inside this process does not hang
        *,
        by_text: bool = False,
    ) -> list[Any]:
        """Send calls and return the replies; close the connection if it does not answer.

        Args:
            calls: What to send.
            deadline: Seconds for all the replies.
            by_text: Whether to send the text of scripts, for a server that does not have them.

        Raises:
            TimeoutError: If the replies have not arrived by the deadline.
            RedisConnectionError: If the connection was closed, or its bytes are not of the protocol.
            ForeignReplyError: If a reply belongs to another call.
        """
        replies: list[Any] = []
        try:
            letter = Letter(calls, self.run_id, by_text=by_text)
            self._raw.send_packed_command([letter.packed], check_health=False)
            for _ in letter.calls:
                try:
                    reply = self._raw.read_response(disable_decoding=True)
                except ResponseError as error:
                    reply = error
                replies.append(reply)
            return letter.replies(replies)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._raw.disconnect()


class SocketConnection(SyncConnection):
    """A connection whose bytes this module reads.

    The deadline limits the server, not a busy process: after it, the exchange ends with a check that finds
    nothing to read.
    """

    def __init__(self, raw: Any, sock: socket.socket, run_id: str) -> None:  # noqa: ANN401 - a connection of redis-py
        super().__init__(raw, run_id)
        self._sock = sock

    def exchange(
        self, calls: Sequence[StoreCall], deadline: float, *, by_text: bool = False
    ) -> list[Any]:
        """Send calls and return the replies; see `SyncConnection`."""
        letter = Letter(calls, self.run_id, by_text=by_text)
        try:
            return letter.replies(self._talk(letter, deadline))
        except TimeoutError:
            self.close()
            raise
        except OSError:
            self.close()
            raise RedisConnectionError from None
        except BaseException:
            self.close()
            raise

    def _talk(self, letter: Letter, deadline: float) -> list[Any]:
        sock, until = self._sock, time.monotonic() + deadline
        sock.settimeout(deadline)
        sock.sendall(letter.packed)
        replies = Replies(len(letter.calls))
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


def taken_over(raw: Any, run_id: str) -> SyncConnection:  # noqa: ANN401 - a connection of redis-py
    """Wrap an open connection of redis-py; from then on, nothing else may use it."""
    sock = getattr(raw, "_sock", None)
    if isinstance(sock, socket.socket):
        return SocketConnection(raw, sock, run_id)
    return SyncConnection(raw, run_id)
