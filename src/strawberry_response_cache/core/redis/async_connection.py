"""One connection of an event loop: a batch of calls goes out, and its replies come back.

redis-py opens it, with credentials, TLS and Sentinel. Then its stream is taken over, since reading
replies ourselves, as they arrive, costs a fraction of what a reader for every kind of client does.
Where there is no stream, inside this process, redis-py reads.
"""

import asyncio
import contextlib
import contextvars
import select
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from strawberry_response_cache.core.protocol import Call
from strawberry_response_cache.core.redis.replies import NonsenseError, Replies
from strawberry_response_cache.core.redis.tasks import started
from strawberry_response_cache.core.redis.wire import ForeignReplyError, checked, pack

Outcome = list[Any] | BaseException
"""The replies to a batch of calls, or why there are none."""

_PASSES: Final = 3
"""Passes of the loop without anything to read after which an answer that is due is late."""

_NONE: Final = Replies(0)
"""The replies where nothing was asked."""

_MOST_PASSES: Final = 10_000
"""Passes in which bytes that have arrived are read, whatever is read: 2 GB, or about a second."""


class AsyncConnection(Protocol):
    """A connection to a server; one batch at a time.

    Attributes:
        run_id: Which run of the server it leads to; empty if that is not asked.
        is_used: Whether a batch was answered on it before.
        is_open: Whether it can take a batch.
    """

    run_id: str
    is_used: bool
    is_open: bool

    def exchange(
        self,
        calls: Sequence[Call],
        deadline: float,
        then: Callable[[Outcome], None],
        *,
        by_text: bool = False,
    ) -> None:
        """Send calls; a connection that does not answer is closed.

        Args:
            calls: What to send.
            deadline: Seconds for all the replies.
            then: Told the outcome, exactly once.
            by_text: Whether to send scripts themselves, to a server that does not know them yet.
        """
        ...

    def close(self) -> None:
        """Let go of it; no exchange is under way."""
        ...

    async def aclose(self) -> None:
        """Let go of it, and wait until it is gone."""
        ...


def taken_over(raw: Any, run_id: str, context: contextvars.Context) -> AsyncConnection:  # noqa: ANN401 - a connection of redis-py
    """Return an open connection of redis-py as one of ours.

    Args:
        raw: The connection, which answers nobody else from now on.
        run_id: Which run of the server it leads to.
        context: What its callbacks run in.
    """
    writer = getattr(raw, "_writer", None)
    if isinstance(writer, asyncio.StreamWriter):
        raw._reader = raw._writer = None  # noqa: SLF001 - no public way to hand a stream over
        return StreamConnection(writer, run_id, context)
    return ClientConnection(raw, run_id, context)


async def hang_up(raw: Any) -> None:  # noqa: ANN401 - a connection of redis-py
    """Let go of a connection of redis-py's, and wait until it is gone.

    Nothing is said any more: closing TLS in the usual way waits for an answer of the server.
    """
    writer = getattr(raw, "_writer", None)
    if isinstance(writer, asyncio.StreamWriter):
        await _gone(writer)
    await raw.disconnect(nowait=True)


async def _gone(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):  # how it ended before
        await writer.wait_closed()


class StreamConnection(asyncio.Protocol):
    """A connection whose bytes we read.

    The deadline is for the server, not for us. When the time is up, the answer may well have come
    while this loop was busy: only passes of the loop that found nothing to read end the exchange, or
    so many that nobody can be reading.
    """

    def __init__(
        self, writer: asyncio.StreamWriter, run_id: str, context: contextvars.Context
    ) -> None:
        self.run_id = run_id
        self.is_used = False
        self.is_open = True
        self._loop = asyncio.get_running_loop()
        self._context = context
        self._writer = writer
        self._transport = writer.transport
        self._streams: Any = self._transport.get_protocol()
        self._transport.set_protocol(self)
        self._calls: Sequence[Call] = ()
        self._replies = _NONE
        self._then: Callable[[Outcome], None] | None = None
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._passes = _PASSES
        self._passes_left = _MOST_PASSES

    def exchange(
        self,
        calls: Sequence[Call],
        deadline: float,
        then: Callable[[Outcome], None],
        *,
        by_text: bool = False,
    ) -> None:
        """Send calls; see `AsyncConnection`."""
        self._calls = calls
        self._replies = Replies(len(calls))
        self._then = then
        self._transport.write(pack(calls, self.run_id, by_text=by_text))
        self._until = self._loop.time() + deadline
        self._passes, self._passes_left = _PASSES, _MOST_PASSES
        # A timer for each exchange would be cancelled thousands of times for each time it rings: one
        # that is running already rings early, and is set again.
        if self._timer is None or self._rings_at > self._until:
            self._set_timer(self._until)

    def data_received(self, data: bytes) -> None:
        """Take what the server says."""
        if self._then is None:
            self.close()  # nobody asked: whatever comes on this connection answers something else
            return
        try:
            if self._replies.feed(data):
                answered = [
                    checked(call, reply)
                    for call, reply in zip(self._calls, self._replies.all, strict=True)
                ]
                self._end(answered)
        except (NonsenseError, ForeignReplyError) as error:
            self._fail(error)

    def eof_received(self) -> bool:
        """Close the connection with the server, which has closed it."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the connection is gone."""
        self._streams.connection_lost(exc)
        self._fail(RedisConnectionError())

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = when
        self._timer = self._loop.call_at(when, self._time_is_up, context=self._context)

    def _time_is_up(self) -> None:
        self._timer = None
        if self._then is None:
            return
        now = self._loop.time()
        if now < self._until:
            self._set_timer(self._until)
            return
        self._passes = _PASSES if self._has_unread() else self._passes - 1
        self._passes_left -= 1
        if self._passes > 0 and self._passes_left > 0:
            self._set_timer(now)
        else:
            self._fail(TimeoutError())

    def _has_unread(self) -> bool:
        """Whether bytes have arrived at the socket that nobody has read."""
        sock = self._transport.get_extra_info("socket")
        try:
            if hasattr(select, "poll"):
                poll = select.poll()
                poll.register(sock.fileno(), select.POLLIN)
                return bool(poll.poll(0))
            return bool(select.select([sock.fileno()], [], [], 0)[0])
        except (OSError, ValueError):  # closed just now, or a descriptor too large to ask about
            return False

    def _fail(self, error: BaseException) -> None:
        self.close()
        self._end(error)

    def _end(self, outcome: Outcome) -> None:
        then, self._then = self._then, None
        self._calls, self._replies = (), _NONE  # an idle connection keeps no entry's bytes
        if then is not None:
            then(outcome)

    def close(self) -> None:
        """Let go of it; what is not sent yet is not waited for."""
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()

    async def aclose(self) -> None:
        """Let go of it, and wait until it is gone."""
        self.close()
        await _gone(self._writer)


class ClientConnection:
    """A connection whose replies redis-py reads."""

    def __init__(self, raw: Any, run_id: str, context: contextvars.Context) -> None:  # noqa: ANN401 - a connection of redis-py
        self.run_id = run_id
        self.is_used = False
        self.is_open = True
        self._raw = raw
        self._context = context
        self._task: asyncio.Task[None] | None = None

    def exchange(
        self,
        calls: Sequence[Call],
        deadline: float,
        then: Callable[[Outcome], None],
        *,
        by_text: bool = False,
    ) -> None:
        """Send calls; see `AsyncConnection`."""
        packed = pack(calls, self.run_id, by_text=by_text)
        self._start(self._talk(packed, calls, deadline, then))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = started(work, self._context)

    async def _talk(
        self,
        packed: bytes,
        calls: Sequence[Call],
        deadline: float,
        then: Callable[[Outcome], None],
    ) -> None:
        replies: list[Any] = []
        try:
            async with asyncio.timeout(deadline):
                await self._raw.send_packed_command([packed], check_health=False)
                for call in calls:
                    try:
                        reply = await self._raw.read_response(disable_decoding=True)
                    except ResponseError as error:
                        reply = error
                    replies.append(checked(call, reply))
        except (Exception, asyncio.CancelledError) as error:
            # redis-py raises many things; whatever it is, it is judged and logged by its type.
            self.is_open = False
            then(error)
            await self._raw.disconnect(nowait=True)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            then(replies)

    def close(self) -> None:
        """Let go of it."""
        if self.is_open:
            self.is_open = False
            self._start(self._raw.disconnect(nowait=True))

    async def aclose(self) -> None:
        """Let go of it, and wait until it is gone."""
        self.is_open = False
        await self._raw.disconnect()
