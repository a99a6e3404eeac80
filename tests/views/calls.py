"""Requests to an ASGI application, without a client that would add or drop headers."""

from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

_NOT_MODIFIED: Final = 304


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request to the endpoint.

    Attributes:
        query: The document.
        method: The method; the document of another than GET is sent in the body.
        headers: Headers by lower-case names.
    """

    query: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response.

    Attributes:
        status: Its status.
        headers: Its headers by lower-case names, several of one name joined.
        body: Its content.
        made: What the test notes of it: when each of its values was made. Caches hand it on.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    made: dict[str, float] = field(default_factory=dict)


async def call(application: Any, request: Request) -> Response:
    """Send a request to an ASGI application."""
    is_get = request.method in {"GET", "HEAD"}
    body = b"" if is_get else b'{"query": "%b"}' % request.query.encode()
    headers = {"accept": "application/json", "content-type": "application/json"} | request.headers
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "server": ("test", 80),
        "client": ("127.0.0.1", 1),
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": urlencode({"query": request.query}).encode() if is_get else b"",
        "headers": [
            (name.encode(), value.encode("latin-1"))
            for name, value in headers.items()
            if not (is_get and name == "content-type")
        ],
    }
    said: dict[str, str] = {}
    status, chunks = 0, []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            for raw, value in message["headers"]:
                name = raw.decode().lower()
                said[name] = ", ".join(filter(None, [said.get(name), value.decode("latin-1")]))
        else:
            chunks.append(message.get("body", b""))

    await application(scope, receive, send)
    content = b"".join(chunks)
    assert not (content and status == _NOT_MODIFIED)
    return Response(status=status, headers=said, body=content)
