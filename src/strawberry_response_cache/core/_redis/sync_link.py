"""One server, as threads see it: each exchange is one batch on one connection."""

import threading
import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from strawberry_response_cache.core._port import Call, NotAskedError
from strawberry_response_cache.core._redis.breaker import Breaker
from strawberry_response_cache.core._redis.link import (
    Connection,
    LinkSettings,
    ends_the_connection,
    run_id_of,
)
from strawberry_response_cache.core._redis.sources import Source
from strawberry_response_cache.core._redis.watchdog import Watchdog
from strawberry_response_cache.core._redis.wire import checked, pack, unknown_scripts


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
        self._turns = threading.Semaphore(settings.max_batches)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
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
        if not self._turns.acquire(timeout=None if deadline is None else seconds):
            raise TimeoutError
        try:
            # Whoever waited for a turn while the server failed others has waited long enough.
            if deadline is None and self._failed_at > came:
                raise NotAskedError
            began = self._breaker.admit(urgent=deadline is not None)
            try:
                share = self._exchange(calls, seconds)
            except BaseException:
                self._failed_at = time.monotonic()
                self._breaker.failed(began)
                raise
            self._breaker.succeeded()
            return share
        finally:
            self._turns.release()

    def _exchange(self, calls: Sequence[Call], deadline: float) -> Sequence[Any]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            share = self._talk(connection, calls, deadline)
        except RedisConnectionError:
            if not connection.is_used:
                raise
            # A server that restarted or dropped an idle connection; every call can be repeated.
            connection = self._connect()
            share = self._talk(connection, calls, deadline)
        if unknown_scripts([share]):
            share = self._talk(connection, calls, deadline, by_text=True)
        connection.is_used = True
        if any(ends_the_connection(reply) for reply in share):
            connection.raw.disconnect()
        else:
            with self._lock:
                self._idle.append(connection)
        return share

    def _talk(
        self,
        connection: Connection,
        calls: Sequence[Call],
        deadline: float,
        *,
        by_text: bool = False,
    ) -> Sequence[Any]:
        raw = connection.raw
        replies: list[Any] = []
        self._watchdog.watch(raw, deadline)
        try:
            packed = pack(calls, connection.run_id, by_text=by_text)
            raw.send_packed_command([packed], check_health=False)
            for call in calls:
                try:
                    reply = raw.read_response(disable_decoding=True)
                except ResponseError as error:
                    reply = error
                replies.append(checked(call, reply))
        except BaseException as error:
            in_time = self._watchdog.unwatch(raw)
            raw.disconnect()
            if isinstance(error, Exception) and not in_time:
                raise TimeoutError from None
            raise
        if not self._watchdog.unwatch(raw):
            raw.disconnect()
            raise TimeoutError
        return replies

    def _connect(self) -> Connection:
        """Open a connection and learn which run of the server it leads to."""
        deadline = self._source.deadline(self._settings.connect_deadline)
        # The watchdog counts the deadline of an exchange; the socket's own is only a last resort.
        timeout = max(deadline, self._settings.longest_deadline)
        raw = self._source.open(asynchronous=False, timeout=timeout, connect_timeout=deadline)
        connection = Connection(raw)
        self._watchdog.watch(raw, deadline)
        try:
            raw.connect()
            if self._learns:
                raw.send_command("INFO", "server", check_health=False)
                connection.run_id = run_id_of(raw.read_response())
        except BaseException:
            self._watchdog.unwatch(raw)
            raw.disconnect()
            raise
        if not self._watchdog.unwatch(raw):
            raw.disconnect()
            raise TimeoutError
        return connection

    def close(self) -> None:
        """Disconnect what is not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.raw.disconnect()
