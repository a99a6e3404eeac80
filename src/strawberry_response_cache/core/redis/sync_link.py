"""One server, as threads see it: each exchange is one batch on one connection."""

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
"""Seconds after which a read goes without a turn: only if turns were lost, or far too many wait."""
_SHORTEST: Final = 0.01
"""Seconds that an invalidation has at least, whose turn came late."""


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
        # Invalidations wait for answers twenty times as long; reads do not wait for them.
        self._urgent_turns = Turns(_URGENT_TURNS)
        self._idle: list[SyncConnection] = []
        self._watchdog = Watchdog()
        self._failed_at = 0.0
        self._is_closed = False

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
            # Whoever waited for a turn while the server failed others has waited long enough.
            elif self._failed_at > came:
                raise NotAskedError
            return self._cache_request(calls, seconds, urgent=is_urgent)
        finally:
            turns.end()

    def _cache_request(
        self, calls: Sequence[Call], deadline: float, *, urgent: bool
    ) -> Sequence[Any]:
        """Exchange, if the breaker lets it, which is told what comes of it."""
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
        """Exchange on the connection that was used last, or on a new one if it is of no use any more."""
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
            # A server that restarted or dropped an idle connection; every call can be repeated.
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
        """Keep a connection for the next exchange, if it is of use and there may be one."""
        if is_lost or self._is_closed:
            connection.close()
            return
        connection.is_used = True
        self._idle.append(connection)
        if self._is_closed:  # since a moment ago, and nobody else would close it
            self.close()

    def _connect(self) -> SyncConnection:
        """Open a connection and learn which run of the server it leads to."""
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
        """Disconnect what is not in use, and keep nothing any more."""
        self._is_closed = True
        while self._idle:
            with suppress(IndexError):  # another thread took it, and closes it
                self._idle.pop().close()
