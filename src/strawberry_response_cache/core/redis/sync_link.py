"""The connections of all threads to one server: each exchange is one batch on one connection."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError

from strawberry_response_cache.core.protocol import Call, NotAskedError
from strawberry_response_cache.core.redis.breaker import Breaker, BreakerOpenError
from strawberry_response_cache.core.redis.connection_factory import ConnectionFactory
from strawberry_response_cache.core.redis.fair_semaphore import Turns
from strawberry_response_cache.core.redis.link import (
    LinkSettings,
    has_errors,
    has_lost_its_way,
    not_sent,
    run_id_of,
)
from strawberry_response_cache.core.redis.sync_connection import SyncConnection, taken_over
from strawberry_response_cache.core.redis.watchdog import Watchdog
from strawberry_response_cache.core.redis.wire import unknown_scripts

_URGENT_TURNS: Final = 2
"""Invalidations in flight at once."""
_LONGEST_WAIT: Final = 10.0
"""Seconds after which a read gives up waiting for a turn: turns were lost, or too many threads wait."""
_SHORTEST: Final = 0.01
"""The least seconds for an invalidation whose turn came late."""


class SyncLink:
    """The connections of all threads to one server.

    Args:
        source: How to open a connection.
        settings: Deadlines and limits.
    """

    def __init__(self, source: ConnectionFactory, settings: LinkSettings) -> None:
        self._source = source
        self._settings = settings
        self._breaker = Breaker(
            failures=settings.breaker_failures, seconds=settings.breaker_seconds
        )
        self._learns = settings.detect_restarts and not source.is_fake
        self._turns = Turns(settings.max_batches)
        # Invalidations may wait twenty times as long for an answer; reads must not wait for them.
        self._urgent_turns = Turns(_URGENT_TURNS)
        self._idle: list[SyncConnection] = []
        self._watchdog = Watchdog()
        self._failed_at = 0.0
        self._is_closed = False

    def exchange(self, calls: Sequence[Call], *, deadline: float | None = None) -> Sequence[Any]:
        """Send calls to the server as soon as a connection is free, and return the replies.

        The wait for a connection ends: every exchange has a deadline, and an open breaker ends all waits.

        Args:
            calls: The calls.
            deadline: Seconds for an answer. Such calls are sent even while the breaker is open. None for
                ``read_deadline``.

        Raises:
            Exception: Whatever redis-py raises for a server that is down, slow or broken.
        """
        is_urgent = deadline is not None
        if not is_urgent and self._breaker.turns_away():
            raise BreakerOpenError
        came = time.monotonic()
        seconds = self._source.deadline(deadline or self._settings.read_deadline)
        turns = self._urgent_turns if is_urgent else self._turns
        try:
            if not turns.take(seconds if is_urgent else _LONGEST_WAIT):
                raise TimeoutError if is_urgent else NotAskedError
            if is_urgent:
                seconds = max(_SHORTEST, seconds - (time.monotonic() - came))
            # The server failed other threads while this one waited for its turn.
            elif self._failed_at > came:
                raise NotAskedError
            return self._cache_request(calls, seconds, urgent=is_urgent)
        finally:
            turns.end()

    def _cache_request(
        self, calls: Sequence[Call], deadline: float, *, urgent: bool
    ) -> Sequence[Any]:
        """Exchange if the breaker lets it, and report the outcome to the breaker."""
        began = self._breaker.admit(urgent=urgent)
        try:
            replies = self._exchange(calls, deadline)
        except BaseException:
            self._failed_at = time.monotonic()
            self._breaker.failed(began)
            raise
        self._breaker.succeeded()
        return replies

    def _exchange(self, calls: Sequence[Call], deadline: float) -> Sequence[Any]:
        """Exchange on the connection that was used last, or on a new one if that is closed."""
        try:
            connection = self._idle.pop()
        except IndexError:
            try:
                connection = self._connect()
            except Exception as error:
                raise not_sent(error) from error
        try:
            replies = connection.exchange(calls, deadline)
        except RedisConnectionError:
            if not connection.is_used:
                raise
            # The server restarted or dropped an idle connection. Every call can be repeated.
            connection = self._connect()
            replies = connection.exchange(calls, deadline)
        if has_errors(replies):
            if has_lost_its_way(replies) and connection.is_used:
                connection.close()
                connection = self._connect()
                replies = connection.exchange(calls, deadline)
            if unknown_scripts([replies]):
                replies = connection.exchange(calls, deadline, by_text=True)
        self._keep(connection, is_lost=has_errors(replies) and has_lost_its_way(replies))
        return replies

    def _keep(self, connection: SyncConnection, *, is_lost: bool) -> None:
        """Keep a connection for the next exchange, if it is usable and the link is not closed."""
        if is_lost or self._is_closed:
            connection.close()
            return
        connection.is_used = True
        self._idle.append(connection)
        if self._is_closed:  # closed meanwhile, and nothing else would close this connection
            self.close()

    def _connect(self) -> SyncConnection:
        """Open a connection and read the server's run id."""
        deadline = self._source.deadline(self._settings.connect_deadline)
        raw = self._source.open(asynchronous=False, timeout=deadline, connect_timeout=deadline)
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
        """Disconnect idle connections for good; those in use are closed after their exchange."""
        self._is_closed = True
        while self._idle:
            with suppress(IndexError):  # another thread took it, and closes it
                self._idle.pop().close()
