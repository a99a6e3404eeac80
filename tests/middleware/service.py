"""A shop of several tenants behind the middleware, and requests to it as raw messages of ASGI."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import strawberry
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    ResponseCacheMiddleware,
    cache_control,
    invalidates,
    restrict_cache,
)
from strawberry_response_cache.asgi import GraphQL

Message = MutableMapping[str, Any]

RUNS: Final[Counter[str]] = Counter()
"""How often each resolver ran."""
TITLES: Final[dict[str, str]] = {}
"""The title of the book of each tenant."""


def header_of(info: strawberry.Info, name: str) -> str:
    value: str = info.context["request"].headers.get(name, "")
    return value


class IsStaff(BasePermission):
    message = "staff only"

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        RUNS["is staff"] += 1
        return header_of(info, "x-user") == "staff"


@strawberry.type
class Book:
    id: strawberry.ID
    title: str

    @cache_control(inherit=True)
    @strawberry.field(permission_classes=[IsStaff])  # type: ignore[untyped-decorator]
    def price(self) -> int | None:
        return 5


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def book(self, info: strawberry.Info, number: int = 1) -> Book:
        RUNS["book"] += 1
        tenant = header_of(info, "x-tenant")
        return Book(id=strawberry.ID(str(number)), title=TITLES.get(tenant, f"a book of {tenant}"))

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self, info: strawberry.Info) -> str:
        RUNS["mine"] += 1
        return f"{header_of(info, 'x-user')} of {header_of(info, 'x-tenant')}"

    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def greeting(self, info: strawberry.Info) -> str:
        RUNS["greeting"] += 1
        return f"hello in {header_of(info, 'accept-language')}"

    @cache_control(ttl=60)
    @strawberry.field
    def restricted(self, info: strawberry.Info) -> str:
        RUNS["restricted"] += 1
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return header_of(info, "x-user")

    @strawberry.field
    def uncached(self) -> str:
        RUNS["uncached"] += 1
        return "uncached"

    @strawberry.field
    async def relayed(self, info: strawberry.Info) -> Book:
        """Answer what another query answers, by executing it."""
        RUNS["relayed"] += 1
        result = await info.schema.execute("{ book { id title } }", context_value=info.context)
        assert result.data is not None
        return Book(**result.data["book"])

    @cache_control(ttl=60)
    @strawberry.field
    def fails(self) -> str | None:
        RUNS["fails"] += 1
        raise ValueError

    @cache_control(ttl=60)
    @strawberry.field
    def shaky(self) -> str | None:
        RUNS["shaky"] += 1
        if "down" in TITLES:
            raise ConnectionError
        return "up"

    @cache_control(ttl=60)
    @strawberry.field
    async def cookie(self, info: strawberry.Info) -> str:
        RUNS["cookie"] += 1
        info.context["response"].set_cookie("seen", "yes")
        return "cookie"


@strawberry.type
class Mutation:
    @invalidates("Book")
    @strawberry.mutation
    def rename(self, info: strawberry.Info, title: str) -> bool:
        RUNS["rename"] += 1
        TITLES[header_of(info, "x-tenant")] = title
        return True

    @strawberry.mutation
    async def book(self, info: strawberry.Info) -> Book:
        """Answer what a query answers, by executing it."""
        RUNS["mutation book"] += 1
        result = await info.schema.execute(
            "{ book { id title } }", context_value=dict(info.context)
        )
        assert result.data is not None
        return Book(**result.data["book"])


def in_context(name: str) -> Callable[[Any], Any]:
    """Return a function of the context that returns a header of the request."""
    return lambda context: context["request"].headers.get(name)


def in_scope(name: str) -> Callable[[Any], Any]:
    """Return a function of an ASGI scope that returns a header."""

    def read(scope: Any) -> str | None:
        value = dict(scope["headers"]).get(name.encode())
        return None if value is None else value.decode("latin-1")

    return read


@dataclass
class Response:
    """What was sent in answer to one request."""

    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.messages[0]["headers"]
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in lines}
        assert len(headers) == len(lines)
        return headers

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.messages[1:])

    @property
    def data(self) -> Any:
        answer = json.loads(self.body)
        assert "errors" not in answer, answer
        return answer["data"]


async def call(
    application: Any,
    query: str | bytes = "{ book { title } }",
    *,
    method: str = "POST",
    parts: Sequence[Message] | None = None,
    tenant: str = "acme",
    user: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    path: str = "/graphql",
    scope: dict[str, Any] | None = None,
    **members: Any,
) -> Response:
    """Send a request.

    Args:
        application: The application.
        query: The document; or the body, as bytes.
        method: The method; the document of GET is sent in the URL.
        parts: The messages of the body, instead of one.
        tenant: The tenant that it names.
        user: The user that it names.
        headers: Further headers.
        path: The path.
        scope: Further members of the scope.
        members: Further members of the JSON.
    """
    body, url = b"", b""
    if isinstance(query, bytes):
        body = query
    elif method == "POST":
        body = json.dumps({"query": query, **members}).encode()
    else:
        url = urlencode({"query": query, **members}).encode()
    lines = [("accept", "application/json"), ("x-tenant", tenant)]
    lines += [] if method == "GET" else [("content-type", "application/json")]
    lines += [] if user is None else [("x-user", user)]
    named = {name for name, _ in headers}
    lines = [each for each in lines if each[0] not in named] + list(headers)
    incoming = iter(parts or [{"type": "http.request", "body": body, "more_body": False}])
    response = Response()

    async def receive() -> Message:
        return next(incoming, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        response.messages.append(message)

    made = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": url,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in lines],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
        **(scope or {}),
    }
    await application(made, receive, send)
    return response


OPTIONS: Final[dict[str, Any]] = {
    "tenant": in_context("x-tenant"),
    "session": in_context("x-user"),
    "vary": {"locale": in_context("accept-language")},
}
OF_SCOPE: Final[dict[str, Any]] = {
    "tenant": in_scope("x-tenant"),
    "session": in_scope("x-user"),
    "vary": {"locale": in_scope("accept-language")},
}


class Shop:
    """The shop.

    Args:
        cache: The cache.
        of_scope: Arguments of the middleware that differ from those of most tests.
        others: Other extensions of the schema.
        view: The class of the view.
        inside: Wraps the view, inside of the middleware.
        options: Arguments of the extension that differ from those of most tests.

    Attributes:
        plain: The application without the middleware.
        front: The middleware around it.
        entered: How often the application was entered through the middleware.
    """

    def __init__(
        self,
        cache: ResponseCache,
        *,
        query: type = Query,
        scalars: dict[Any, Any] | None = None,
        of_scope: dict[str, Any] | None = None,
        others: Sequence[Any] = (),
        view: type[Any] = GraphQL,
        inside: Callable[[Any], Any] = lambda application: application,
        **options: Any,
    ) -> None:
        RUNS.clear()
        TITLES.clear()
        self.extension = ResponseCacheExtension(cache, **(OPTIONS | options))
        self.schema = strawberry.Schema(
            query,
            Mutation,
            extensions=[self.extension, *others],
            config=StrawberryConfig(
                batching_config={"max_operations": 10}, scalar_map={**(scalars or {})}
            ),
        )
        self.plain: Any = inside(view(self.schema))
        self.entered = 0
        self.front = ResponseCacheMiddleware(
            self._enter, self.extension, schema=self.schema, **(OF_SCOPE | (of_scope or {}))
        )

    async def _enter(self, scope: Any, receive: Any, send: Any) -> None:
        self.entered += 1
        await self.plain(scope, receive, send)

    # Nothing public shows these two; tests that have to look at them look here.

    @property
    def remembered(self) -> Any:
        """What the middleware saw the application answer."""
        return self.front._shared.seen._seen

    @property
    def is_off(self) -> bool:
        """Whether the middleware has turned itself off."""
        return self.front._shared.front.is_off

    async def call(self, *given: Any, **named: Any) -> Response:
        """Send a request through the middleware."""
        return await call(self.front, *given, **named)

    async def warm(self, *given: Any, **named: Any) -> Response:
        """Send a request that the application answers, until it has answered from the cache."""
        await self.call(*given, **named)
        return await self.call(*given, **named)

    async def is_answered_in_front(self, *given: Any, **named: Any) -> bool:
        """Whether a request that came before is answered by the middleware."""
        await self.warm(*given, **named)
        entered = self.entered
        await self.call(*given, **named)
        return self.entered == entered
