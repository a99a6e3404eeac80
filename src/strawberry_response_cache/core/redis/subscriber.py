"""The parts that the async and the sync subscriber share.

Messages and the answers to PINGs come over one connection, in order. So the answer to a PING proves that
every message has arrived that the server published before the PING. A half-open connection is detected
because no answers come.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core.protocol import failure
from strawberry_response_cache.core.redis.connection_factory import ConnectionFactory

_UNANSWERED: Final = 8
"""PINGs without an answer after which a connection is closed."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """The configuration of a subscriber.

    Attributes:
        channel: The channel of the messages.
        interval: Seconds between two PINGs.
        max_lag: Seconds for which local memory may be used after the sending of a PING that was answered.
        connect_deadline: Seconds for connecting and subscribing.
        name: The cache's name, for the log.
        meanwhile: What does not work without a subscription, as the log says it.
        hear: Called with each message.
        lost: Called when messages may have been missed.
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
    """Tracks when one server was last heard."""

    def __init__(self, subscription: Subscription, server: str) -> None:
        self._subscription = subscription
        self._server = server
        self._pings: deque[float] = deque()
        self._heard_at = float("-inf")
        self._is_complaining = False

    def is_live(self) -> bool:
        """Whether all messages have arrived that the server published up to `max_lag` ago."""
        return time.monotonic() - self._heard_at <= self._subscription.max_lag

    def sends_ping(self) -> None:
        """Note that a PING is sent.

        Raises:
            ConnectionError: If too many PINGs have no answer.
        """
        if len(self._pings) >= _UNANSWERED:
            msg = "no answer to PING"
            raise ConnectionError(msg)
        self._pings.append(time.monotonic())

    def takes(self, reply: Any) -> None:  # noqa: ANN401 - whatever a server says
        """Handle a message, or the answer to a PING."""
        if not isinstance(reply, list) or not reply:
            return
        if reply[0] == b"message":
            self._subscription.hear(reply[2])
        elif reply[0] == b"pong" and self._pings:
            self._heard_at = self._pings.popleft()
            self._is_complaining = False

    def begins(self) -> None:
        """Note a new connection: earlier messages may have been missed."""
        self._pings.clear()
        self._subscription.lost()

    def ends(self, error: BaseException) -> None:
        """Note that the connection is closed, and log it, once until the server answers again."""
        self._heard_at = float("-inf")
        self._subscription.lost()
        if not self._is_complaining:
            self._is_complaining = True
            fault = failure(error)
            logger.warning(
                "There is no subscription to Redis at %s (%s); until there is, %s. %s",
                self._server,
                fault.error_name,
                self._subscription.meanwhile,
                fault.trouble.advice,
                extra={
                    "response_cache.name": self._subscription.name,
                    "server.address": self._server,
                    "error.type": fault.error_type,
                },
            )


class Backplane:
    """What the subscriptions of an event loop and of the threads have in common: one for each server in use."""

    def __init__(
        self, sources: Callable[[], Iterable[ConnectionFactory]], subscription: Subscription
    ) -> None:
        self._sources = sources
        self._subscription = subscription
        # The mapping is replaced, never changed: another thread may be iterating over it.
        self._heartbeats: Mapping[str, Heartbeat] = {}
        self._is_retired = False

    def is_live(self) -> bool:
        """Whether each server in use has answered a PING that was sent within ``max_lag``; False without servers."""
        heartbeats = self._heartbeats
        # Called for each hit: `all` with a generator takes three times as long.
        for heartbeat in heartbeats.values():
            if not heartbeat.is_live():
                return False
        return bool(heartbeats)

    def _in_use(self) -> dict[str, ConnectionFactory]:
        """Return the connection factory of each server in use, by the server."""
        return {source.place: source for source in self._sources()}

    def _new_heartbeat(self, source: ConnectionFactory) -> Heartbeat:
        heartbeat = Heartbeat(self._subscription, source.shown)
        self._heartbeats = {**self._heartbeats, source.place: heartbeat}
        return heartbeat

    def _drop_heartbeat(self, place: str) -> None:
        self._heartbeats = {
            each: known for each, known in self._heartbeats.items() if each != place
        }
