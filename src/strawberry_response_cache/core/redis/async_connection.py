"""One connection of an event loop: it sends a batch of calls and reads the replies.

redis-py opens the connection, with credentials, TLS and Sentinel. Then this module takes its stream over
and reads the replies as they arrive, which costs a fraction of redis-py's general reader. A server
inside this process has no stream; there redis-py reads.
"""

import asyncio
import contextlib
import contextvars
import select
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeAlias

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from strawberry_response_cache.core.protocol import StoreCall
from strawberry_response_cache.core.redis.replies import NonsenseError, Replies
from strawberry_response_cache.core.redis.tasks import started
from strawberry_response_cache.core.redis.wire import ForeignReplyError, Letter

BatchResult = list[Any] | BaseException
"""The replies to a batch of calls, or the error."""

_PASSES: Final = 3
"""How many passes of the event loop, after the deadline, must find nothing to read before an answer is late."""

_NOTHING: Final = Letter((), "")
_NONE: Final = Replies(0)
"""The replies of a connection on which no exchange runs."""

_MOST_PASSES: Final = 10_000
"""The most passes of the event loop, after the deadline, that read bytes: 2 GB, or about a second."""


async def hang_up(raw: Any) -> None:  # noqa: ANN401 - a connection of redis-py
    """Close a connection of redis-py and wait until it is closed.

    It is aborted: a regular close of TLS waits for an answer of the server.
    """
    writer = getattr(raw, "_writer", None)
    if isinstance(writer, asyncio.StreamWriter):
        await _gone(writer)
    await raw.disconnect(nowait=True)


async def _gone(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):  # it had ended with this error
        await writer.wait_closed()


class StreamConnection(asyncio.Protocol):
    """A connection to a server, one batch at a time, whose bytes this module reads.

    The deadline limits the server, not a busy event loop. The answer may have arrived while the loop was
    busy. So after the deadline the exchange ends only when passes of the loop found nothing to read, or
    after the largest number of passes.

    Attributes:
        run_id: The run id of the server; empty if restarts are not detected.
        is_used: Whether a batch was answered on it before.
        is_open: Whether it can send a batch.
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
        self._letter = _NOTHING
        self._replies = _NONE
        self._then: Callable[[BatchResult], None] | None = None
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._passes = _PASSES
        self._passes_left = _MOST_PASSES

    def exchange(
        self,
        calls: Sequence[StoreCall],
        deadline: float,
        then: Callable[[BatchResult], None],
        *,
        by_text: bool = False,
    ) -> None:
        """Send calls, and pass on the replies or the error. Without all replies in time, close the connection.

        Args:
            calls: What to send.
            deadline: Seconds for all the replies.
            then: Called with the outcome, exactly once.
            by_text: Whether to send the text of scripts, for a server that does not have them.
        """
        letter = self._letter = Letter(calls, self.run_id, by_text=by_text)
        self._replies = Replies(len(letter.calls))
        self._then = then
        self._transport.write(letter.packed)
        self._until = self._loop.time() + deadline
        self._passes, self._passes_left = _PASSES, _MOST_PASSES
        # A timer for each exchange would almost always be cancelled. A running timer is kept: it
        # fires early and is set again.
        if self._timer is None or self._rings_at > self._until:
            self._set_timer(self._until)

    def data_received(self, data: bytes) -> None:
        """Read bytes from the server."""
        if self._then is None:
            self.close()  # no exchange is running: later replies on this connection would be misattributed
            return
        try:
            if self._replies.feed(data):
                self._end(self._letter.replies(self._replies.all))
        except (NonsenseError, ForeignReplyError) as error:
            self._fail(error)

    def eof_received(self) -> bool:
        """Close the connection, because the server closed it."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed."""
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
        """Whether the socket holds unread bytes."""
        sock = self._transport.get_extra_info("socket")
        try:
            if hasattr(select, "poll"):
                poll = select.poll()
                poll.register(sock.fileno(), select.POLLIN)
                return bool(poll.poll(0))
            return bool(select.select([sock.fileno()], [], [], 0)[0])
        except (OSError, ValueError):  # just closed, or a descriptor too large for select
            return False

    def _fail(self, error: BaseException) -> None:
        self.close()
        self._end(error)

    def _end(self, outcome: BatchResult) -> None:
        then, self._then = self._then, None
        self._letter, self._replies = _NOTHING, _NONE  # an idle connection keeps no entry's bytes
        if then is not None:
            then(outcome)

    def close(self) -> None:
        """Close the connection without waiting for unsent bytes."""
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()

    async def aclose(self) -> None:
        """Close the connection and wait until it is closed."""
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
        calls: Sequence[StoreCall],
        deadline: float,
        then: Callable[[BatchResult], None],
        *,
        by_text: bool = False,
    ) -> None:
        """Send calls; see `StreamConnection`."""
        letter = Letter(calls, self.run_id, by_text=by_text)
        self._start(self._talk(letter, deadline, then))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = started(work, self._context)

    async def _talk(
        self,
        letter: Letter,
        deadline: float,
        then: Callable[[BatchResult], None],
    ) -> None:
        replies: list[Any] = []
        try:
            async with asyncio.timeout(deadline):
                await self._raw.send_packed_command([letter.packed], check_health=False)
                for _ in letter.calls:
                    try:
                        reply = await self._raw.read_response(disable_decoding=True)
                    except ResponseError as error:
                        reply = error
                    replies.append(reply)
                answered = letter.replies(replies)
        except (Exception, asyncio.CancelledError) as error:
            # redis-py raises many types; the error is classified and logged by its type.
            self.is_open = False
            then(error)
            await self._raw.disconnect(nowait=True)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            then(answered)

    def close(self) -> None:
        """Close the connection."""
        if self.is_open:
            self.is_open = False
            self._start(self._raw.disconnect(nowait=True))

    async def aclose(self) -> None:
        """Close the connection and wait until it is closed."""
        self.is_open = False
        await self._raw.disconnect()


AsyncConnection: TypeAlias = StreamConnection | ClientConnection


def taken_over(raw: Any, run_id: str, context: contextvars.Context) -> AsyncConnection:  # noqa: ANN401 - a connection of redis-py
    """Wrap an open connection of redis-py; from then on, nothing else may use it."""
    writer = getattr(raw, "_writer", None)
    if isinstance(writer, asyncio.StreamWriter):
        raw._reader = raw._writer = None  # noqa: SLF001 - no public way to hand a stream over
        return StreamConnection(writer, run_id, context)
    return ClientConnection(raw, run_id, context)
