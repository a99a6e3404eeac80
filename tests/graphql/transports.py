"""Strawberry's ASGI application and clients of each of its transports, in this process and without a network."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from strawberry import subscriptions

from strawberry_response_cache.asgi import GraphQL

OnAnswer = Callable[[], Awaitable[None]]
"""Called when the first bytes of the answer reach the client."""

_SSE: Final = getattr(subscriptions, "GRAPHQL_SSE_PROTOCOL", None)
"""None in an older Strawberry."""
_PROTOCOLS: Final = (
    subscriptions.GRAPHQL_TRANSPORT_WS_PROTOCOL,
    *([] if _SSE is None else [_SSE]),
)
TRANSPORTS: Final = (
    "http",
    "form",
    "batch",
    "multipart",
    "websocket",
    *([] if _SSE is None else ["sse"]),
)


class Application(GraphQL[Any, Any]):
    """A schema over ASGI; each request brings its context in the scope."""

    def __init__(self, schema: Any) -> None:
        super().__init__(schema, multipart_uploads_enabled=True, subscription_protocols=_PROTOCOLS)

    async def get_context(self, request: Any, response: Any) -> Any:
        return request.scope["context"]


async def ask(
    application: Application,
    transport: str,
    query: str,
    context: dict[str, Any],
    on_answer: OnAnswer,
) -> str:
    """Ask one operation, and return the text of the answer.

    Args:
        application: Who answers.
        transport: One of `TRANSPORTS`.
        query: The operation, whose first field is an object with a field ``late``.
        context: The context of the request.
        on_answer: Awaited in the midst of it, before the application goes on.
    """
    if transport == "websocket":
        return await _over_a_websocket(application, query, context, on_answer)
    accept, kind, body = _request(transport, query)
    headers = [
        (b"accept", accept.encode()),
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "POST",
        "path": "/",
        "headers": headers,
        "query_string": b"",
        "context": context,
    }
    received = [{"type": "http.request", "body": body.encode(), "more_body": False}]
    answer: list[str] = []

    async def receive() -> Any:
        if received:
            return received.pop()
        return await asyncio.get_running_loop().create_future()  # the client stays

    async def send(message: Any) -> None:
        if text := message.get("body", b"").decode():
            was_there = '"data"' in "".join(answer)
            answer.append(text)
            if '"data"' in text and not was_there:
                await on_answer()

    await application(scope, receive, send)
    return "".join(answer)


def _request(transport: str, query: str) -> tuple[str, str, str]:
    """Return the types of the answer and of the body, and the body."""
    json_type, body = "application/json", json.dumps({"query": query})
    match transport:
        case "batch":
            return json_type, json_type, json.dumps([{"query": query}, {"query": "{ other }"}])
        case "sse":
            return "text/event-stream", json_type, body
        case "multipart":
            deferred = query.replace("late", "... @defer { late }")
            return "multipart/mixed", json_type, json.dumps({"query": deferred})
        case "form":
            parts = {"operations": body, "map": "{}"}
            fields = [
                f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in parts.items()
            ]
            return json_type, "multipart/form-data; boundary=x", "".join(fields) + "--x--\r\n"
        case _:
            return json_type, json_type, body


async def _over_a_websocket(
    application: Application, query: str, context: dict[str, Any], on_answer: OnAnswer
) -> str:
    scope = {
        "type": "websocket",
        "path": "/",
        "headers": [],
        "query_string": b"",
        "subprotocols": ["graphql-transport-ws"],
        "context": context,
    }
    to: asyncio.Queue[Any] = asyncio.Queue()
    answer: list[str] = []

    def say(**message: Any) -> None:
        to.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    async def send(message: Any) -> None:
        said = json.loads(message.get("text", "{}"))
        match said.get("type"):
            case "connection_ack":
                say(type="subscribe", id="1", payload={"query": query})
            case "next" | "error":
                answer.append(message["text"])
                await on_answer()
            case _:
                pass
        if said.get("type") in {"complete", "error"}:
            to.put_nowait({"type": "websocket.disconnect", "code": 1000})

    to.put_nowait({"type": "websocket.connect"})
    say(type="connection_init")
    await application(scope, to.get, send)
    return "".join(answer)
