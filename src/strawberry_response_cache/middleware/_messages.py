"""The messages of one request and response of ASGI: a body is read and handed on again, a response is watched."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final, TypeAlias

from strawberry_response_cache.core._user_code import Raised, awaited
from strawberry_response_cache.graphql._guard import Guard

Message: TypeAlias = MutableMapping[str, Any]
AsgiScope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[AsgiScope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

LONGEST_BODY: Final = 64 * 1024
"""The most bytes of a request that are read before the application is entered."""
_MOST_PARTS: Final = 64
"""The most messages of a request that are read before the application is entered."""


class Incoming:
    """A request, whose body may be read before the application reads it."""

    __slots__ = ("_left", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left: deque[Message | Raised] = deque()

    async def body(self) -> bytes | None:
        """Read the body; None if it is too long, or the client left, or receiving failed."""
        parts: list[bytes] = []
        left = LONGEST_BODY
        while len(parts) < _MOST_PARTS:
            message = await awaited(self._received())
            self._left.append(message)
            if isinstance(message, Raised):
                return None
            if message["type"] != "http.request":  # the client left
                return None
            parts.append(message.get("body", b""))
            left -= len(parts[-1])
            if left < 0:
                return None
            if not message.get("more_body", False):
                return b"".join(parts)
        return None

    async def _received(self) -> Message:
        return await self._receive()  # it may raise when it is called, or when it is awaited

    async def receive(self) -> Message:
        """Return the next message for the application: first those that were read; raise an error that reading met.

        A middleware outside may raise only once, for example for a body that is too long. To receive again would
        wait for the client.
        """
        if not self._left:
            return await self._receive()
        message = self._left.popleft()
        if isinstance(message, Raised):
            raise message.error
        return message


class Outgoing:
    """A response of the application, on its way to the server.

    Attributes:
        status: Its status; 0 as long as it is not known.
        headers: Its headers.
    """

    __slots__ = ("_guard", "_is_complete", "_left", "_parts", "_send", "headers", "status")

    def __init__(self, send: Send, guard: Guard, *, most: int) -> None:
        self._send = send
        self._guard = guard
        self._left = most
        self._parts: list[bytes] | None = None
        self._is_complete = False
        self.status = 0
        self.headers: Headers = []

    @property
    def body(self) -> bytes | None:
        """Its whole body; None if it is not complete, is too long, or was sent in another way."""
        return None if self._parts is None or not self._is_complete else b"".join(self._parts)

    async def send(self, message: Message) -> None:
        """Send a message of the application, and note the status, the headers or the body in it."""
        headers = message.get("headers")
        if isinstance(headers, Iterator):  # it can be read only once
            message = {**message, "headers": list(headers)}
        self._guard.step(self._note, message)
        await self._send(message)

    def _note(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                self.status = message["status"]
                headers = message.get("headers", ())
                if not isinstance(headers, list | tuple):
                    self._parts = None
                    return
                self.headers = [(bytes(n), bytes(v)) for n, v in headers]
                self._parts = []
            case "http.response.body":
                self._is_complete = not message.get("more_body", False)
                if self._parts is not None:
                    self._parts.append(bytes(message.get("body", b"")))
                    self._left -= len(self._parts[-1])
                    if self._left < 0:
                        self._parts = None
            case _:  # such as trailers, or a body that is sent in another way
                self._parts = None
