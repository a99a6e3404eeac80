"""One server, as an event loop sees it: what is asked in one tick is one batch on one connection."""

import asyncio
import contextvars
import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from strawberry_response_cache.core._port import Call
from strawberry_response_cache.core._redis.breaker import Breaker, BreakerOpenError
from strawberry_response_cache.core._redis.link import (
    Connection,
    LinkSettings,
    ends_the_connection,
    run_id_of,
)
from strawberry_response_cache.core._redis.sources import Source
from strawberry_response_cache.core._redis.wire import checked, pack, split, unknown_scripts

_PASSES: Final = 3
"""Passes of the loop in which bytes that have arrived become a reply: read, fed, woken for."""

_MOST_PASSES: Final = 10_000
"""Passes in which bytes that have arrived are read, whatever is read: 2 GB, or about a second."""

_URGENT_BATCHES: Final = 2
"""Batches of purges in flight at once; what comes meanwhile shares the next."""

Then = Callable[[Sequence[Any] | BaseException], None]
"""Told the replies to one asker's calls, or why there are none. It raises nothing."""


@dataclass(frozen=True, eq=False, slots=True)
class Ask:
    """What one asker wants of the server."""

    calls: Sequence[Call] = field(repr=False)
    then: Then
    deadline: float = 0.0


class AsyncLink:
    """The connections of one event loop to one server.

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
        self._idle: list[Connection] = []
        self._waiting: list[Ask] = []
        # A batch is nobody's own: it keeps no request's context variables alive.
        self._context = contextvars.Context()
        self._urgent: list[Ask] = []
        self._urgent_batches = 0
        self._batches: set[asyncio.Task[None]] = set()
        self._flush_is_due = False

    def ask(self, calls: Sequence[Call], then: Then, *, deadline: float | None = None) -> None:
        """Send calls to the server.

        Args:
            calls: What to send; it shares a batch with all that is asked in the same tick.
            then: Told the outcome, exactly once.
            deadline: Seconds for an answer of its own, apart from the others, which no breaker
                turns away; None for the read deadline of everyone.
        """
        if deadline is not None:
            self._urgent.append(Ask(calls, then, deadline))
            self._start_urgent()
        elif self._breaker.turns_away():
            then(BreakerOpenError())
        else:
            self._waiting.append(Ask(calls, then))
            if (
                not self._flush_is_due
                and len(self._batches) - self._urgent_batches < self._settings.max_batches
            ):
                self._flush_is_due = True
                asyncio.get_running_loop().call_soon(self._flush, context=self._context)

    def _flush(self) -> None:
        self._flush_is_due = False
        batch, self._waiting = self._waiting, []
        if batch:
            self._start(batch, self._settings.read_deadline, urgent=False)

    def _start_urgent(self) -> None:
        if self._urgent and self._urgent_batches < _URGENT_BATCHES:
            batch, self._urgent = self._urgent, []
            self._urgent_batches += 1
            self._start(batch, max(ask.deadline for ask in batch), urgent=True)

    def _start(self, batch: list[Ask], deadline: float, *, urgent: bool) -> None:
        task = asyncio.get_running_loop().create_task(
            self._run(batch, self._source.deadline(deadline), urgent=urgent), context=self._context
        )
        self._batches.add(task)
        task.add_done_callback(partial(self._batch_is_over, urgent))

    def _batch_is_over(self, urgent: bool, task: "asyncio.Task[None]") -> None:  # noqa: FBT001 - bound just above
        self._batches.discard(task)
        if urgent:
            self._urgent_batches -= 1
            self._start_urgent()
        elif self._waiting and not self._flush_is_due:
            self._flush()

    async def _run(self, batch: list[Ask], deadline: float, *, urgent: bool) -> None:
        """Exchange a batch and tell every asker; whatever fails is the store's failure."""
        began = None
        try:
            began = self._breaker.admit(urgent=urgent)
            shares = await self._exchange(batch, deadline)
        except (Exception, asyncio.CancelledError) as error:
            # redis-py raises many things on a server that is gone, slow or talks nonsense. The
            # error goes on to be judged and logged by its type, and never becomes the request's.
            if began is not None:
                self._breaker.failed(began)
                # Who waited behind this batch would meet the same server.
                batch, self._waiting = batch + self._waiting, []
            for ask in batch:
                ask.then(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            self._breaker.succeeded()
            for ask, share in zip(batch, shares, strict=True):
                ask.then(share)

    async def _exchange(self, batch: list[Ask], deadline: float) -> list[Sequence[Any]]:
        connection = self._idle.pop() if self._idle else await self._connect()
        calls = [ask.calls for ask in batch]
        try:
            replies = await self._talk(connection, calls, deadline)
        except RedisConnectionError:
            if not connection.is_used:
                raise
            # A server that restarted or dropped an idle connection; every call can be repeated.
            connection = await self._connect()
            replies = await self._talk(connection, calls, deadline)
        if unknown := unknown_scripts(replies):
            again = [calls[index] for index in unknown]
            repeated = await self._talk(connection, again, deadline, by_text=True)
            for index, share in zip(unknown, repeated, strict=True):
                replies[index] = share
        if any(ends_the_connection(reply) for share in replies for reply in share):
            await self._discard(connection)
        else:
            connection.is_used = True
            self._idle.append(connection)
        return replies

    async def _talk(
        self,
        connection: Connection,
        calls: Sequence[Sequence[Call]],
        deadline: float,
        *,
        by_text: bool = False,
    ) -> list[Sequence[Any]]:
        flat = [call for share in calls for call in share]
        raw = connection.raw
        replies: list[Any] = []
        try:
            async with asyncio.timeout(None) as guard:
                watch = _Watch(raw, guard, deadline)
                try:
                    packed = pack(flat, connection.run_id, by_text=by_text)
                    await raw.send_packed_command([packed], check_health=False)
                    for call in flat:
                        try:
                            reply = await raw.read_response(disable_decoding=True)
                        except ResponseError as error:
                            reply = error
                        replies.append(checked(call, reply))
                finally:
                    watch.end()
        except BaseException:
            await self._discard(connection)
            raise
        return split(replies, calls)

    async def _connect(self) -> Connection:
        """Open a connection and learn which run of the server it leads to."""
        deadline = self._source.deadline(self._settings.connect_deadline)
        raw = self._source.open(asynchronous=True, timeout=None, connect_timeout=deadline)
        connection = Connection(raw)
        try:
            async with asyncio.timeout(deadline):
                await raw.connect()
                if self._learns:
                    await raw.send_command("INFO", "server", check_health=False)
                    connection.run_id = run_id_of(await raw.read_response())
        except BaseException:
            await self._discard(connection)
            raise
        return connection

    @staticmethod
    async def _discard(connection: Connection) -> None:
        await connection.raw.disconnect(nowait=True)

    async def aclose(self) -> None:
        """Let the batches in flight end, then disconnect."""
        while self._waiting or self._urgent or self._batches:
            await asyncio.wait([*self._batches] or [asyncio.ensure_future(asyncio.sleep(0))])
        while self._idle:
            await self._idle.pop().raw.disconnect()


class _Watch:
    """A deadline for the server, not for us.

    When the time is up, the answer may well have come while this loop was busy. So only passes of
    the loop that found nothing to read end the exchange, or so many that nobody can be reading.
    """

    __slots__ = ("_guard", "_handle", "_left", "_loop", "_passes", "_raw")

    def __init__(self, raw: Any, guard: asyncio.Timeout, deadline: float) -> None:  # noqa: ANN401 - a connection of redis-py
        self._raw = raw
        self._guard = guard
        self._passes = _PASSES
        self._left = _MOST_PASSES
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle = self._loop.call_later(deadline, self._time_is_up)

    def _time_is_up(self) -> None:
        self._passes = _PASSES if _has_unread(self._raw) else self._passes - 1
        self._left -= 1
        if self._passes > 0 and self._left > 0:
            self._handle = self._loop.call_soon(self._time_is_up)
        else:
            self._guard.reschedule(self._loop.time())

    def end(self) -> None:
        """The exchange is over."""
        self._handle.cancel()


def _has_unread(raw: Any) -> bool:  # noqa: ANN401 - a connection of redis-py
    """Whether bytes have arrived at a connection's socket that nobody has read."""
    writer = getattr(raw, "_writer", None)
    sock = None if writer is None else writer.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return False
    try:
        return bool(select.select([sock.fileno()], [], [], 0)[0])
    except (OSError, ValueError):  # closed just now, or a descriptor too large to ask about
        return False
