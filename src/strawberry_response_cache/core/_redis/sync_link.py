"""One server, as threads see it: each exchange is one batch on one connection."""

import threading
import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from strawberry_response_cache.core._port import Call, NotAskedError
from strawberry_response_cache.core._redis.breaker import Breaker
from strawberry_response_cache.core._redis.link import (
    LinkSettings,
    has_errors,
    has_lost_its_way,
    not_sent,
    run_id_of,
)
from strawberry_response_cache.core._redis.sources import Source
from strawberry_response_cache.core._redis.sync_connection import SyncConnection, taken_over
from strawberry_response_cache.core._redis.watchdog import Watchdog
from strawberry_response_cache.core._redis.wire import unknown_scripts


class SyncLink:
    """The connections of all threads to one server.

    Args:
        source: How to open a connection.
        settings: Deadlines and limits.
    """

    def __init__(self, source: Source, settings: LinkSettings) -> None:
        self._source = source
        self._settings = settings
        self._breaker = Breaker(
            failures=settings.breaker_failures, seconds=settings.breaker_seconds
        )
        self._learns = settings.detect_restarts and not source.is_fake
        self._changed = threading.Condition(threading.Lock())
        self._turns = settings.max_batches
        self._idle: list[SyncConnection] = []
        self._watchdog = Watchdog()
        self._failed_at = 0.0

    def exchange(self, calls: Sequence[Call], *, deadline: float | None = None) -> Sequence[Any]:
        """Send calls to the server and return the replies, when one of the connections is free.

        Every exchange has a deadline, and an open breaker ends those that wait: so there is always
        one that will be.

        Args:
            calls: What to send.
            deadline: Seconds for an answer of its own, which no breaker turns away; None for the
                read deadline of everyone.

        Raises:
            Exception: Whatever redis-py raises on a server that is gone, slow or talks nonsense.
        """
        came = time.monotonic()
        seconds = self._source.deadline(deadline or self._settings.read_deadline)
        connection = self._turn(None if deadline is None else seconds)
        try:
            # Whoever waited for a turn while the server failed others has waited long enough.
            if deadline is None and self._failed_at > came:
                raise NotAskedError
            began = self._breaker.admit(urgent=deadline is not None)
            try:
                connection, replies = self._exchange(connection, calls, seconds)
            except BaseException:
                connection = None
                self._failed_at = time.monotonic()
                self._breaker.failed(began)
                raise
            self._breaker.succeeded()
            return replies
        finally:
            self._end_turn(connection)

    def _turn(self, timeout: float | None) -> SyncConnection | None:
        """Wait for a turn, and take the connection that was used last, if one is idle.

        Raises:
            TimeoutError: If it does not come in time.
        """
        with self._changed:
            if not self._turns and not self._changed.wait_for(lambda: self._turns, timeout):
                raise TimeoutError
            self._turns -= 1
            return self._idle.pop() if self._idle else None

    def _end_turn(self, connection: SyncConnection | None) -> None:
        with self._changed:
            self._turns += 1
            if connection is not None:
                self._idle.append(connection)
            self._changed.notify()

    def _exchange(
        self, connection: SyncConnection | None, calls: Sequence[Call], deadline: float
    ) -> tuple[SyncConnection | None, Sequence[Any]]:
        """Exchange on this connection, or on another if it is of no use any more.

        Returns:
            The connection to use next time, if there is one, and the replies.
        """
        if connection is None:
            try:
                connection = self._connect()
            except Exception as error:
                raise not_sent(error) from error
        try:
            replies = connection.exchange(calls, deadline)
        except RedisConnectionError:
            if not connection.is_used:
                raise
            # A server that restarted or dropped an idle connection; every call can be repeated.
            connection = self._connect()
            replies = connection.exchange(calls, deadline)
        if not has_errors(replies):
            connection.is_used = True
            return connection, replies
        if has_lost_its_way(replies) and connection.is_used:
            connection.close()
            connection = self._connect()
            replies = connection.exchange(calls, deadline)
        if unknown_scripts([replies]):
            replies = connection.exchange(calls, deadline, by_text=True)
        if has_lost_its_way(replies):
            connection.close()
            return None, replies
        connection.is_used = True
        return connection, replies

    def _connect(self) -> SyncConnection:
        """Open a connection and learn which run of the server it leads to."""
        deadline = self._source.deadline(self._settings.connect_deadline)
        # The watchdog counts the deadline; redis-py's own is only a last resort.
        timeout = max(deadline, self._settings.longest_deadline)
        raw = self._source.open(asynchronous=False, timeout=timeout, connect_timeout=deadline)
        run_id = ""
        self._watchdog.watch(raw, deadline)
        try:
            raw.connect()
            if self._learns:
                raw.send_command("INFO", "server", check_health=False)
                run_id = run_id_of(raw.read_response())
        except BaseException:
            self._watchdog.unwatch(raw)
            raw.disconnect()
            raise
        if not self._watchdog.unwatch(raw):
            raw.disconnect()
            raise TimeoutError
        return taken_over(raw, run_id)

    def close(self) -> None:
        """Disconnect what is not in use."""
        with self._changed:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
