"""A TCP proxy in front of a server, whose faults a test switches on and off.

It runs in a thread of its own, so that tests of both faces can use it: a command to it returns when
it is in force, for the connections that are open and for those to come.
"""

import asyncio
import contextlib
import functools
import socket
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Self

from tests.faults.commands import Commands
from tests.faults.wire import SILENCE, Fault, Pass

Hook = Callable[[], object]

_HOST: Final = "127.0.0.1"
_CHUNK: Final = 65536


class Direction:
    """What happens to the bytes of one direction, on all connections.

    Attributes:
        fault: What is in force.
        carried: How many bytes were read so far, whatever became of them.
        given: How many bytes went on.
    """

    def __init__(self) -> None:
        self.fault: Fault = Pass()
        self.carried = 0
        self.given = 0
        self.changed = asyncio.Event()

    def switch(self, fault: Fault) -> None:
        """Put another fault in force, from the next byte on; called in the proxy's loop."""
        self.fault = fault
        self.changed.set()
        self.changed = asyncio.Event()


class Stream:
    """One direction of one connection."""

    def __init__(self, direction: Direction, target: asyncio.StreamWriter) -> None:
        self._direction = direction
        self._target = target
        self._since = direction.changed
        self._offset = 0

    async def carry(self, data: bytes) -> None:
        """Pass bytes on as the fault in force has it.

        Raises:
            ConnectionAbortedError: If the fault is that the connection ends here.
        """
        while data:
            changed, fault = self._direction.changed, self._direction.fault
            if self._since is not changed:
                self._since, self._offset = changed, 0
            step = fault.step(data, self._offset)
            if step.wait and await _happens(changed, step.wait):
                continue
            self._offset += step.take
            data = data[step.take :]
            self._direction.given += len(step.give)
            if step.give:
                self._target.write(step.give)
                await self._target.drain()
            if step.then is not None:
                self._direction.switch(step.then)
            if step.cut:
                raise ConnectionAbortedError


class Proxy:
    """A TCP proxy whose faults a test switches on and off.

    Attributes:
        port: Where it listens.
        accepted: How many connections it accepted.
        seen: How often it read each command, by its name, whether or not it passed it on.

    Args:
        upstream: The port of the server behind it.
    """

    def __init__(self, upstream: int) -> None:
        self.accepted = 0
        self.seen: Counter[str] = Counter()
        self._upstream = upstream
        self._hooks: dict[str, Hook] = {}
        self._connections: dict[asyncio.Task[None], socket.socket] = {}
        self._flapping: asyncio.TimerHandle | None = None
        self._hangs_up = False
        self._listener: socket.socket | None = None
        self._queued: list[socket.socket] = []
        self._errors: list[BaseException] = []
        # Bound and not listening, it refuses connections and keeps the port from others.
        self._reserved = _bound(0)
        self.port: int = self._reserved.getsockname()[1]
        self._requests, self._replies = Direction(), Direction()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy:{self.port}")
        self._thread.start()
        self._perform(self._listen)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address for a client."""
        return f"redis://{_HOST}:{self.port}"

    @property
    def received(self) -> int:
        """How many bytes clients sent."""
        return self._requests.carried

    @property
    def answered(self) -> int:
        """How many bytes the server sent."""
        return self._replies.carried

    @property
    def delivered(self) -> int:
        """How many bytes clients were sent in answer."""
        return self._replies.given

    @property
    def traffic(self) -> tuple[int, int]:
        """All that a client can be noticed by: its connections and the bytes that it sent."""
        return self.accepted, self.received

    # -- Faults ------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Listen, and pass everything on."""
        self._perform(self._heal)

    def requests(self, fault: Fault) -> None:
        """Let a fault happen to what clients send."""
        self._perform(functools.partial(self._requests.switch, fault))

    def replies(self, fault: Fault) -> None:
        """Let a fault happen to what the server answers."""
        self._perform(functools.partial(self._replies.switch, fault))

    def black_hole(self) -> None:
        """Accept and read; nothing reaches the server, and nothing is answered."""
        self.requests(SILENCE)

    def cut(self) -> None:
        """Cut the connections that are open; new ones are served."""
        self._perform(self._cut)

    def refuse(self) -> None:
        """Cut the connections that are open and refuse new ones, which are then not counted."""
        self._perform(self._refuse)

    def ignore(self) -> None:
        """Cut the connections that are open, and neither accept nor refuse new ones."""
        self._perform(self._ignore)

    def hang_up(self) -> None:
        """Cut the connections that are open, accept new ones and close them at once."""
        self._perform(self._hang_up)

    def flap(self, seconds: float) -> None:
        """Be away and there in turns, each for this long, until told to heal."""
        self._perform(functools.partial(self._flap, seconds))

    def before(self, command: str, hook: Hook) -> None:
        """Run a hook each time before a command of this name goes on to the server.

        It runs in the proxy's thread. What comes after the command in the same bytes waits with it.
        """
        self._perform(functools.partial(self._hooks.__setitem__, command, hook))

    def settle(self) -> None:
        """Wait until every connection that clients opened so far has been accepted, and has ended."""
        asyncio.run_coroutine_threadsafe(self._settle(), self._loop).result(30)

    def close(self) -> None:
        """End everything, and let the port go.

        Raises:
            BaseExceptionGroup: If a hook raised.
        """
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()
        self._reserved.close()
        if self._errors:
            msg = "in the proxy"
            raise BaseExceptionGroup(msg, self._errors)

    # -- In the proxy's thread -----------------------------------------------------------------------

    def _perform(self, command: Hook) -> None:
        """Have a command done in the proxy's loop, and wait until it is."""
        if threading.current_thread() is self._thread:
            command()
            return
        done: Future[None] = Future()

        def perform() -> None:
            try:
                command()
            except Exception as error:  # noqa: BLE001 - it is raised where the command was given
                done.set_exception(error)
            else:
                done.set_result(None)

        self._loop.call_soon_threadsafe(perform)
        done.result(30)

    def _heal(self) -> None:
        if self._flapping is not None:
            self._flapping.cancel()
            self._flapping = None
        for queued in self._queued:
            queued.close()
        self._queued.clear()
        self._hooks.clear()
        self._hangs_up = False
        self._requests.switch(Pass())
        self._replies.switch(Pass())
        self._listen()

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = _bound(self.port)
            self._listener.setblocking(False)
            self._listener.listen(512)
            self._loop.add_reader(self._listener, self._accept, self._listener)

    def _deafen(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _cut(self) -> None:
        for connection, accepted in self._connections.items():
            with contextlib.suppress(OSError):
                accepted.shutdown(socket.SHUT_RDWR)  # at once; the rest may take its time
            connection.cancel()

    def _refuse(self) -> None:
        self._deafen()
        self._cut()

    def _ignore(self) -> None:
        self._refuse()
        # A queue of connections that nobody accepts; where it is full, the kernel answers nothing.
        queue = _bound(self.port)
        queue.listen(0)
        self._queued = [queue, *(_connecting(self.port) for _ in range(4))]

    def _hang_up(self) -> None:
        self._hangs_up = True
        self._cut()

    def _flap(self, seconds: float) -> None:
        if self._listener is None:
            self._listen()
        else:
            self._refuse()
        self._flapping = self._loop.call_later(seconds, self._flap, seconds)

    def _accept(self, listener: socket.socket) -> bool:
        """Accept the connection that has waited longest; return False if none waits."""
        try:
            accepted, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return False
        self.accepted += 1
        if self._hangs_up:
            accepted.close()
            return True
        connection = self._loop.create_task(self._connect(accepted))
        self._connections[connection] = accepted
        connection.add_done_callback(self._connection_is_over)
        return True

    async def _settle(self) -> None:
        while self._listener is not None and self._accept(self._listener):
            pass
        while self._connections:
            await asyncio.wait(self._connections)

    def _connection_is_over(self, connection: asyncio.Task[None]) -> None:
        self._connections.pop(connection).close()  # where it was cut before it began
        if not connection.cancelled() and (error := connection.exception()) is not None:
            self._errors.append(error)

    async def _connect(self, accepted: socket.socket) -> None:
        """Serve one connection until either side, or a fault, ends it."""
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client, client_writer = await asyncio.open_connection(sock=accepted)
        writers = [client_writer]
        try:
            server, server_writer = await asyncio.open_connection(_HOST, self._upstream)
            writers.append(server_writer)
            requests = Stream(self._requests, server_writer)
            replies = Stream(self._replies, client_writer)
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pass_requests(client, requests, server_writer))
                directions.create_task(self._pass_replies(server, replies))
        except* OSError:
            pass  # the other side is gone, and so is this one now
        finally:
            for writer in writers:
                writer.transport.abort()
            for writer in writers:
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _pass_requests(
        self, source: asyncio.StreamReader, stream: Stream, target: asyncio.StreamWriter
    ) -> None:
        commands = Commands()
        while data := await source.read(_CHUNK):
            self._requests.carried += len(data)
            for name, command in commands.feed(data):
                self.seen[name] += 1
                if hook := self._hooks.get(name):
                    hook()
                await stream.carry(command)
        # What is on its way still arrives: a client that hangs up calls nothing back.
        target.write_eof()

    async def _pass_replies(self, source: asyncio.StreamReader, stream: Stream) -> None:
        while data := await source.read(_CHUNK):
            self._replies.carried += len(data)
            await stream.carry(data)
        raise ConnectionAbortedError

    async def _end(self) -> None:
        self._heal()
        self._deafen()
        self._cut()
        await self._settle()


def _bound(port: int) -> socket.socket:
    """Return a socket on this port, which it may share with others of this process."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((_HOST, port))
    return bound


def _connecting(port: int) -> socket.socket:
    """Return a socket that connects to this port, or waits for it."""
    connecting = socket.socket()
    connecting.setblocking(False)
    connecting.connect_ex((_HOST, port))
    return connecting


async def _happens(event: asyncio.Event, within: float) -> bool:
    """Whether an event happens within this many seconds, which may be infinite."""
    try:
        async with asyncio.timeout(None if within == float("inf") else within):
            return await event.wait()
    except TimeoutError:
        return False
