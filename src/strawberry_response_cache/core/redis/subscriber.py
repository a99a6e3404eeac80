"""What the two kinds of listeners to a cache's news have in common.

A message and the answer to a PING come over one connection, in order. So once the answer to a PING
is here, whatever that server published before it took the PING is here too: the moment at which the
PING was sent bounds how old news can be, and a connection that is half open shows by silence.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core.protocol import failure

_UNANSWERED: Final = 8
"""PINGs without an answer after which a connection is given up."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What listeners need to know.

    Attributes:
        channel: Where the news are told.
        interval: Seconds between two PINGs.
        max_lag: Seconds for which what was heard is trusted.
        connect_deadline: Seconds for connecting and subscribing.
        name: The cache's, for the log.
        meanwhile: What is not done while nothing can be heard, for the log.
        hear: Told each message.
        lost: Told that messages may have been missed.
    """

    channel: str
    interval: float
    max_lag: float
    connect_deadline: float
    name: str
    meanwhile: str
    hear: Callable[[bytes], None] = field(repr=False)
    lost: Callable[[], None] = field(repr=False)


class Heartbeat:
    """How lately one server was heard.

    Args:
        listening: What listeners need to know.
        server: The server, for the log.
    """

    def __init__(self, listening: Subscription, server: str) -> None:
        self._listening = listening
        self._server = server
        self._pings: deque[float] = deque()
        self._heard_at = float("-inf")
        self._is_complaining = False

    def is_live(self) -> bool:
        """Whether everything is known that the server said up to `max_lag` ago."""
        return time.monotonic() - self._heard_at <= self._listening.max_lag

    def sends_ping(self) -> None:
        """Note that a PING goes out.

        Raises:
            ConnectionError: If the server has not answered many of them.
        """
        if len(self._pings) >= _UNANSWERED:
            msg = "no answer to PING"
            raise ConnectionError(msg)
        self._pings.append(time.monotonic())

    def takes(self, reply: Any) -> None:  # noqa: ANN401 - whatever a server says
        """Take what came over the connection."""
        if not isinstance(reply, list) or not reply:
            return
        if reply[0] == b"message":
            self._listening.hear(reply[2])
        elif reply[0] == b"pong" and self._pings:
            self._heard_at = self._pings.popleft()
            self._is_complaining = False

    def begins(self) -> None:
        """Note a new connection: what was said before it was missed."""
        self._pings.clear()
        self._listening.lost()

    def ends(self, error: BaseException) -> None:
        """Note that the connection is gone."""
        self._heard_at = float("-inf")
        self._listening.lost()
        if not self._is_complaining:
            self._is_complaining = True
            fault = failure(error)
            logger.warning(
                "What other processes tell through Redis at %s cannot be heard (%s); until it can, "
                "%s. %s",
                self._server,
                fault.error_name,
                self._listening.meanwhile,
                fault.trouble.advice,
                extra={
                    "response_cache.name": self._listening.name,
                    "server.address": self._server,
                    "error.type": fault.error_type,
                },
            )
