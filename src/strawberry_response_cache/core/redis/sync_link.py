"""The connections of all threads to one server: each exchange is one batch on one connection."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError

from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core.protocol import NotAskedError, StoreCall
from strawberry_response_cache.core.redis.breaker import BreakerOpenError
from strawberry_response_cache.core.redis.connection_factory import ConnectionFactory
from strawberry_response_cache.core.redis.connections import SLICES, Connections
from strawberry_response_cache.core.redis.fair_semaphore import Turns
from strawberry_response_cache.core.redis.link import (
    Link,
    has_errors,
    must_be_closed,
    not_sent,
    run_id_of,
)
from strawberry_response_cache.core.redis.recoveries import Recoveries
from strawberry_response_cache.core.redis.sync_connection import SyncConnection, taken_over
from strawberry_response_cache.core.redis.watchdog import Watchdog
from strawberry_response_cache.core.redis.wire import unknown_scripts

_URGENT_TURNS: Final = 2
"""Invalidations in flight at once."""
_LONGEST_WAIT: Final = 10.0
"""The most seconds that a read waits for a turn; so long only if turns were lost or too many threads wait."""
_SHORTEST: Final = 0.01
"""The fewest seconds that an invalidation has for its exchange, however late its turn or connection comes."""
_HANDED_OVER: Final = 1.0
"""The most seconds to wait for a thread that is just handing over a connection or an error to this one."""


class _Waiter:
    """A thread that waits for a connection."""

    __slots__ = ("_bell", "connection", "error")

    def __init__(self) -> None:
        self._bell = threading.Event()
        self.connection: SyncConnection | None = None
        self.error: Exception = TimeoutError()

    def take(self, connection: SyncConnection | None, error: Exception | None = None) -> None:
        """Wake the thread with a connection, or with an error if none could be opened."""
        self.connection = connection
        self.error = error or self.error
        self._bell.set()

    def wait(self, seconds: float) -> None:
        """Wait for a connection or an error; the time in which this thread is late does not count."""
        for _ in range(SLICES):
            if self._bell.wait(seconds / SLICES):
                return


class SyncLink(Link):
    """The connections of all threads to one server."""

    def __init__(
        self, source: ConnectionFactory, settings: CacheSettings, recoveries: Recoveries
    ) -> None:
        super().__init__(source, settings, recoveries)
        self._turns = Turns(settings.max_connections)
        # Invalidations may wait twenty times as long for an answer; reads must not wait for them.
        self._urgent_turns = Turns(_URGENT_TURNS)
        self._connections: Connections[SyncConnection, _Waiter] = Connections()
        self._watchdog = Watchdog()
        self._failed_at = 0.0

    def exchange(
        self, calls: Sequence[StoreCall], *, deadline: float | None = None
    ) -> Sequence[Any]:
        """Send calls to the server as soon as a connection is free, and return the replies.

        Every exchange has a deadline, so a caller gets its turn. If the server fails another caller while a read waits
        for its turn, the read is not sent.

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
                return self._exchange(
                    calls, lambda: max(_SHORTEST, came + seconds - time.monotonic())
                )
            # The server failed other callers while this one waited for its turn: do not wait again.
            if self._failed_at > came:
                raise NotAskedError
            return self._read(calls, seconds)
        finally:
            turns.end()

    def _read(self, calls: Sequence[StoreCall], deadline: float) -> Sequence[Any]:
        """Exchange, if the breaker allows it; the outcome counts in the breaker."""
        began = self._breaker.admit()
        try:
            replies = self._exchange(calls, lambda: deadline)
        except BaseException as error:
            self._failed_at = time.monotonic()
            if failures := self._breaker.failed(began):
                self._changes.opened(failures, error)
            raise
        if failures := self._breaker.succeeded():
            self._changes.closed(failures)
        return replies

    def _exchange(self, calls: Sequence[StoreCall], left: Callable[[], float]) -> Sequence[Any]:
        """Exchange on the connection that was used last, or on a new one; ``left`` gives the seconds of each wait."""
        try:
            connection = self._connections.idle.pop()
        except IndexError:
            try:
                connection = self._new_connection(left())
            except Exception as error:
                raise not_sent(error) from error
        try:
            replies = connection.exchange(calls, left())
        except RedisConnectionError:
            if not connection.is_used:
                raise
            # A server that restarted or dropped an idle connection; every call can be repeated.
            connection = self._new_connection(left())
            replies = connection.exchange(calls, left())
        if has_errors(replies):
            if must_be_closed(replies) and connection.is_used:
                connection.close()
                connection = self._new_connection(left())
                replies = connection.exchange(calls, left())
            if unknown_scripts([replies]):
                replies = connection.exchange(calls, left(), by_text=True)
        self._keep(connection, is_lost=has_errors(replies) and must_be_closed(replies))
        return replies

    def _keep(self, connection: SyncConnection, *, is_lost: bool) -> None:
        """Keep a connection for the next exchange, if it is usable and the link is not closed."""
        if is_lost or self._is_closed:
            connection.close()
            return
        connection.is_used = True
        self._hand_over(connection, self._connections.give(connection))

    def _hand_over(self, connection: SyncConnection, waiter: _Waiter | None) -> None:
        """Give a free connection to the thread that waited first, if there is one."""
        if waiter is not None:
            waiter.take(connection)
        elif self._is_closed:  # closed meanwhile, so this idle connection must be closed here
            self.close()

    # -- New connections ---------------------------------------------------------------------------

    def _new_connection(self, seconds: float) -> SyncConnection:
        """Wait for a connection, which a thread of its own opens, no longer than this many seconds.

        Raises:
            Exception: Whatever redis-py raises; TimeoutError if it takes longer.
        """
        waiter = _Waiter()
        attempt = self._connections.wait(waiter)
        try:
            if attempt is not None:
                self._open(attempt)
            waiter.wait(seconds)
        except BaseException:  # a signal's handler raised: a connection that came is not lost
            if (connection := self._stop_waiting(waiter)) is not None:
                self._keep(connection, is_lost=False)
            raise
        connection = self._stop_waiting(waiter)
        if connection is None:
            raise waiter.error
        return connection

    def _stop_waiting(self, waiter: _Waiter) -> SyncConnection | None:
        """Stop waiting; return the connection that was given to this thread, if any."""
        if not self._connections.leave(waiter):
            waiter.wait(_HANDED_OVER)
        return waiter.connection

    def _open(self, attempt: int) -> None:
        opening = partial(self._attempt, attempt)
        thread = threading.Thread(target=opening, name="response-cache-connect", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no thread can be had
            self._opening_failed(attempt, error)

    def _attempt(self, attempt: int) -> None:
        """Open a connection, and give it to the first caller that waits for one."""
        try:
            connection = self._connect()
        except Exception as error:  # noqa: BLE001 - the store's failure, classified and logged by type
            self._opening_failed(attempt, error)
            return
        waiter = self._connections.opened(connection)
        if waiter is None:
            self._breaker.hurry()
        self._hand_over(connection, waiter)

    def _opening_failed(self, attempt: int, error: Exception) -> None:
        waiter, another = self._connections.failed(attempt)
        if waiter is not None:
            waiter.take(None, error)
        if another is not None:
            self._open(another)

    def _connect(self) -> SyncConnection:
        """Open a connection and read the server's run id."""
        deadline = self._source.deadline(self._settings.connect_deadline)
        raw = self._source.open(asynchronous=False, timeout=deadline, connect_timeout=deadline)
        run_id = ""
        self._watchdog.watch(raw, deadline)
        try:
            raw.connect()
            if self._learns:
                began = time.monotonic()
                raw.send_command("INFO", "server", check_health=False)
                run_id = run_id_of(raw.read_response())
                self._distance.measured(time.monotonic() - began)
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
        while self._connections.idle:
            with suppress(IndexError):  # another thread took it, and closes it
                self._connections.idle.pop().close()
