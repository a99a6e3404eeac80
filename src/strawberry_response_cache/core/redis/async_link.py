"""The connections of one event loop to one server: all calls of one tick go out as one batch."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError

from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core.protocol import StoreCall, failure
from strawberry_response_cache.core.redis.async_connection import (
    AsyncConnection,
    hang_up,
    taken_over,
)
from strawberry_response_cache.core.redis.breaker import BreakerOpenError
from strawberry_response_cache.core.redis.connection_factory import ConnectionFactory
from strawberry_response_cache.core.redis.connections import Connections
from strawberry_response_cache.core.redis.link import (
    MOST_TOGETHER,
    Link,
    has_errors,
    must_be_closed,
    not_sent,
    run_id_of,
)
from strawberry_response_cache.core.redis.recoveries import Recoveries
from strawberry_response_cache.core.redis.tasks import Alarm, started
from strawberry_response_cache.core.redis.wire import split, unknown_scripts

_URGENT_BATCHES: Final = 2
"""Batches of invalidations in flight at once; later calls share the next batch."""

_MOST_KEYS: Final = 3 * MOST_TOGETHER
"""The most keys in a batch: a lookup has three, and the lookups of a slot have one more together."""

Then = Callable[[Sequence[Any] | BaseException], None]
"""Receives the replies to one ask's calls, or the error. It must not raise."""


@dataclass(eq=False, slots=True)
class Ask:
    """The calls of one caller.

    Attributes:
        calls: The calls to send.
        then: Called with the outcome.
        deadline: Seconds for an answer, if it has a deadline of its own.
        is_taken: Whether a batch has taken it. From then on, its calls must not be extended.
        is_sent: Whether the server may have received the calls.
    """

    calls: Sequence[StoreCall] = field(repr=False)
    then: Then
    deadline: float = 0.0
    is_taken: bool = False
    is_sent: bool = False


@dataclass(eq=False, slots=True)
class _CallBatch:
    """The calls that go out together.

    Attributes:
        asks: The callers.
        deadline: Seconds for an answer.
        urgent: Whether it ignores the breaker: it is not turned away, and its outcome does not count there.
        began: When the breaker admitted it.
        alarm: The timer that ends its wait for a connection.
        is_sent: Whether the server may have received the calls.
        shares: For each of the asks, the replies to its calls.
        unknown: The indexes of asks with a script that the server does not have: they are sent again, with the
            text of the scripts.
    """

    asks: Sequence[Ask]
    deadline: float
    urgent: bool
    began: float = 0.0
    alarm: Alarm | None = None
    is_sent: bool = False
    shares: list[Sequence[Any]] = field(default_factory=list, repr=False)
    unknown: Sequence[int] = ()

    def calls(self) -> list[StoreCall]:
        """Return the calls to send next."""
        asks = [self.asks[at] for at in self.unknown] if self.unknown else self.asks
        return [call for ask in asks for call in ask.calls]

    def take(self, replies: Sequence[Any]) -> None:
        """Assign the replies to the callers."""
        if not self.unknown:
            self.shares = split(replies, [ask.calls for ask in self.asks])
            self.unknown = unknown_scripts(self.shares) if has_errors(replies) else ()
            return
        repeated = split(replies, [self.asks[at].calls for at in self.unknown])
        for at, share in zip(self.unknown, repeated, strict=True):
            self.shares[at] = share
        self.unknown = ()


class AsyncLink(Link):
    """The connections of one event loop to one server."""

    def __init__(
        self, source: ConnectionFactory, settings: CacheSettings, recoveries: Recoveries
    ) -> None:
        super().__init__(source, settings, recoveries)
        self._read_deadline = source.deadline(settings.read_deadline)
        self._connections: Connections[AsyncConnection, _CallBatch] = Connections()
        self._waiting: list[Ask] = []
        # A context of its own: a batch must not keep the context variables of a request alive.
        self._context = contextvars.Context()
        self._urgent: list[Ask] = []
        self._urgent_batches = 0
        self._batches: set[_CallBatch] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._flush_is_due = False
        self._quiet: asyncio.Future[None] | None = None

    def ask(self, calls: Sequence[StoreCall], then: Then, *, deadline: float | None = None) -> Ask:
        """Send calls to the server.

        Args:
            calls: The calls; they share a batch with all other calls of the same tick.
            then: Called with the outcome, exactly once.
            deadline: Seconds for an answer. Such calls go out apart from the others and even while
                the breaker is open. None for ``read_deadline``.
        """
        ask = Ask(calls, then, deadline or 0.0)
        if deadline is not None:
            self._urgent.append(ask)
            self._start_urgent()
        elif self._breaker.turns_away():
            then(BreakerOpenError())
        else:
            self._waiting.append(ask)
            if (
                not self._flush_is_due
                and len(self._batches) - self._urgent_batches < self._settings.max_connections
            ):
                self._flush_is_due = True
                asyncio.get_running_loop().call_soon(self._flush, context=self._context)
        return ask

    # -- Batches -----------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._flush_is_due = False
        count = keys = 0
        for ask in self._waiting:
            keys += sum(len(call[1]) for call in ask.calls)
            if count and keys > _MOST_KEYS:
                break
            count += 1
        asks, self._waiting = self._waiting[:count], self._waiting[count:]
        if asks:
            self._begin(_CallBatch(asks, self._read_deadline, urgent=False))

    def _start_urgent(self) -> None:
        if self._urgent and self._urgent_batches < _URGENT_BATCHES:
            asks, self._urgent = self._urgent, []
            self._urgent_batches += 1
            longest = max(ask.deadline for ask in asks)
            self._begin(_CallBatch(asks, self._source.deadline(longest), urgent=True))

    def _begin(self, batch: _CallBatch) -> None:
        self._batches.add(batch)
        for ask in batch.asks:
            ask.is_taken = True
        if not batch.urgent:
            try:
                batch.began = self._breaker.admit()
            except BreakerOpenError as error:
                self._end(batch, error)
                return
        idle = self._connections.idle
        while idle:
            connection = idle.pop()
            if connection.is_open:
                self._send(batch, connection)
                return
        self._wait_for_connection(batch)

    def _send(self, batch: _CallBatch, connection: AsyncConnection) -> None:
        batch.is_sent = True
        for ask in batch.asks:
            ask.is_sent = True
        try:
            connection.exchange(
                batch.calls(),
                batch.deadline,
                partial(self._answered, batch, connection),
                by_text=bool(batch.unknown),
            )
        except Exception as error:  # noqa: BLE001 - every error is reported to the callers
            connection.close()
            self._fail(batch, error)

    def _answered(
        self, batch: _CallBatch, connection: AsyncConnection, outcome: Sequence[Any] | BaseException
    ) -> None:
        """Handle the outcome of an exchange: replies, a repeat, or a failure of the store."""
        if isinstance(outcome, RedisConnectionError) and connection.is_used:
            # A server that restarted or dropped an idle connection; every call can be repeated.
            self._wait_for_connection(batch)
            return
        if isinstance(outcome, BaseException):
            self._fail(batch, outcome)
            return
        is_lost = has_errors(outcome) and must_be_closed(outcome)
        if is_lost and connection.is_used:
            connection.close()
            self._wait_for_connection(batch)
            return
        batch.take(outcome)
        if batch.unknown:
            self._send(batch, connection)
            return
        connection.is_used = True
        if is_lost or self._is_closed:
            connection.close()
        else:
            self._hand_over(connection, self._connections.give(connection))
        if not batch.urgent and (failures := self._breaker.succeeded()):
            self._changes.closed(failures)
        self._end(batch)

    def _fail(self, batch: _CallBatch, error: BaseException) -> None:
        """End a batch that the server did not answer. A read counts in the breaker, and waiting reads fail too."""
        waiting: list[Ask] = []
        if not batch.urgent:
            if failures := self._breaker.failed(batch.began):
                self._changes.opened(failures, error)
            # The calls that wait behind this batch would go to the same server: fail them without asking.
            waiting, self._waiting = self._waiting, []
        self._end(batch, error)
        for ask in waiting:
            self._tell(ask, not_sent(error))

    def _end(self, batch: _CallBatch, error: BaseException | None = None) -> None:
        self._batches.discard(batch)
        if batch.urgent:
            self._urgent_batches -= 1
            self._start_urgent()
        elif self._waiting and not self._flush_is_due:
            self._flush()
        if error is None:
            for ask, share in zip(batch.asks, batch.shares, strict=True):
                self._tell(ask, share)
        else:
            for ask in batch.asks:
                self._tell(ask, error)
        if self._quiet is not None and not (self._batches or self._waiting or self._urgent):
            self._quiet.set_result(None)
            self._quiet = None

    def _tell(self, ask: Ask, outcome: Sequence[Any] | BaseException) -> None:
        """Report the outcome to one caller; an error in it does not affect the others."""
        try:
            ask.then(outcome)
        except Exception as error:  # noqa: BLE001 - observers and log handlers are somebody else's code
            fault, server = failure(error), self._source.shown
            logger.error(
                "Handling an answer of Redis at %s failed (%s), in an observer or a log handler.",
                server,
                fault.error_name,
                extra={"server.address": server, "error.type": fault.error_type},
            )

    # -- Connections -------------------------------------------------------------------------------

    def _wait_for_connection(self, batch: _CallBatch) -> None:
        """Give the next free connection to a batch. Open one, unless enough are being opened."""
        if not batch.urgent:
            ring = partial(self._stop_waiting, batch)
            batch.alarm = Alarm(self._read_deadline, ring, self._context)
        if (attempt := self._connections.wait(batch)) is not None:
            self._open(attempt)

    def _stop_waiting(self, batch: _CallBatch) -> None:
        if self._connections.leave(batch):
            self._fail_unconnected(batch, TimeoutError())

    def _fail_unconnected(self, batch: _CallBatch, error: BaseException) -> None:
        if batch.alarm is not None:
            batch.alarm.stop()
        self._fail(batch, error if batch.is_sent else not_sent(error))

    def _hand_over(self, connection: AsyncConnection, batch: _CallBatch | None) -> None:
        """Send a waiting batch on a free connection; None does nothing, the connection stays idle."""
        if batch is not None:
            if batch.alarm is not None:
                batch.alarm.stop()
            self._send(batch, connection)

    def _open(self, attempt: int) -> None:
        task = started(self._attempt(attempt), self._context)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _attempt(self, attempt: int) -> None:
        """Open a connection, and give it to the first caller that waits for one."""
        try:
            connection = await self._connect()
        except (Exception, asyncio.CancelledError) as error:
            # redis-py raises many types if a server is gone, is slow or does not speak the protocol. The
            # error is logged by its type and never reaches a request.
            batch, another = self._connections.failed(attempt)
            if batch is not None:
                self._fail_unconnected(batch, error)
            if isinstance(error, asyncio.CancelledError):
                raise
            if another is not None:
                self._open(another)
        else:
            batch = self._connections.opened(connection)
            if batch is None:
                self._breaker.hurry()
            self._hand_over(connection, batch)

    async def _connect(self) -> AsyncConnection:
        """Open a connection and read the server's run id."""
        deadline = self._source.deadline(self._settings.connect_deadline)
        raw = self._source.open(asynchronous=True, timeout=None, connect_timeout=deadline)
        run_id = ""
        try:
            async with asyncio.timeout(deadline):
                await raw.connect()
                if self._learns:
                    began = time.monotonic()
                    await raw.send_command("INFO", "server", check_health=False)
                    run_id = run_id_of(await raw.read_response())
                    self._distance.measured(time.monotonic() - began)
        except BaseException:
            await hang_up(raw)
            raise
        return taken_over(raw, run_id, self._context)

    async def aclose(self) -> None:
        """Wait for the batches in flight, then disconnect for good."""
        self._is_closed = True
        while self._waiting or self._urgent or self._batches:
            if self._quiet is None:
                self._quiet = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._quiet)
        if self._opening:
            for task in self._opening:
                task.cancel()
            await asyncio.wait(set(self._opening))
        while self._connections.idle:
            await self._connections.idle.pop().aclose()
