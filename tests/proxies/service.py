"""A service to put behind proxies and browsers, and what reaches it."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Final

import strawberry
import uvicorn

from strawberry_response_cache import (
    CacheScope,
    InvalidatedTags,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from strawberry_response_cache.asgi import GraphQL

TTL: Final = 3
STALE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that reached the service, and the status of its answer."""

    method: str
    path: str
    query: str
    if_none_match: str
    status: int


@dataclass(slots=True)
class Service:
    """A running service.

    Attributes:
        port: Where it listens.
        seen: The requests that reached it.
        made: When each value was made, by the monotonic clock.
        pages: Make the texts that it sends as pages, by path.
        reports: What pages have posted.
    """

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    made: dict[str, float] = field(default_factory=dict)
    pages: dict[str, Callable[[], str]] = field(default_factory=dict)
    reports: list[Any] = field(default_factory=list)

    def value(self, info: strawberry.Info, *depends: str) -> str:
        """Return a value that no other run returns, and that says for whom it was made."""
        headers = info.context["request"].headers
        told = {name: headers.get(name, "") for name in depends}
        value = json.dumps({"run": len(self.made)} | told)
        self.made[value] = time.monotonic()
        return value


def _mutation(service: Service) -> type[Any]:
    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def change(self, info: strawberry.Info) -> str:
            return service.value(info)

        @invalidates("shelf:{args.number}")
        @strawberry.mutation
        def restock(self, number: int) -> bool:
            return True

    return Mutation


def _schema(service: Service, extension: ResponseCacheExtension) -> strawberry.Schema:
    @strawberry.type
    class Query:
        @cache_control(ttl=TTL)
        @strawberry.field
        def public(self, info: strawberry.Info) -> str:
            return service.value(info, "x-tenant")

        @cache_control(ttl=TTL)
        @strawberry.field
        def constant(self, info: strawberry.Info) -> int:
            return 1

        @cache_control(ttl=TTL, stale=STALE)
        @strawberry.field
        def stale(self, info: strawberry.Info) -> str:
            return service.value(info)

        @cache_control(ttl=60, vary=["locale"])
        @strawberry.field
        def words(self, info: strawberry.Info) -> str:
            return service.value(info, "x-tenant", "accept-language")

        @cache_control(ttl=60, scope=CacheScope.PRIVATE)
        @strawberry.field
        def mine(self, info: strawberry.Info) -> str:
            return service.value(info, "authorization")

        @cache_control(ttl=60)
        @strawberry.field
        def fails(self, info: strawberry.Info) -> str | None:
            raise ValueError(service.value(info))

        @cache_control(ttl=600, tags=["shelf:{args.number}"])
        @strawberry.field
        def shelf(self, info: strawberry.Info, number: int) -> str:
            return service.value(info)

        @strawberry.field
        def now(self, info: strawberry.Info) -> str:
            return service.value(info)

    return strawberry.Schema(Query, _mutation(service), extensions=[extension])


def _seeing(service: Service, view: Any) -> Callable[..., Any]:
    """Return an application that notes requests, and answers those for pages."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}

        async def sending(message: Any) -> None:
            if "status" in message:
                service.seen.append(
                    Seen(
                        method=scope["method"],
                        path=scope["path"],
                        query=scope["query_string"].decode(),
                        if_none_match=headers.get("if-none-match", ""),
                        status=message["status"],
                    )
                )
            await send(message)

        async def answer(status: int, body: bytes = b"") -> None:
            kind = [(b"content-type", b"text/html"), (b"cache-control", b"no-store")]
            await sending({"type": "http.response.start", "status": status, "headers": kind})
            await sending({"type": "http.response.body", "body": body})

        if scope["path"] in service.pages:
            await answer(200, service.pages[scope["path"]]().encode())
        elif scope["path"] == "/report":
            service.reports.append(json.loads((await receive())["body"]))
            await answer(200)
        else:
            await view(scope, receive, sending)

    return application


@contextmanager
def served(
    on_invalidate: Callable[[InvalidatedTags], object] | None = None,
) -> Iterator[Service]:
    """Serve it in a thread, on a store in this process.

    Args:
        on_invalidate: As of `ResponseCache`.
    """
    service = Service()
    with (
        ResponseCache.from_url(
            "memory://", prefix="proxies", early_refresh=0, on_invalidate=on_invalidate
        ) as cache,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        extension = ResponseCacheExtension(
            cache,
            tenant=lambda context: context["request"].headers.get("x-tenant", "acme"),
            session=lambda context: context["request"].headers.get("authorization"),
            vary={"locale": lambda context: context["request"].headers.get("accept-language", "")},
            vary_headers={"tenant": ("X-Tenant",), "locale": ("Accept-Language",)},
            cdn_tags=["xkey"],
            tag_prefix="shop-",
        )
        view = GraphQL[Any, Any](_schema(service, extension))
        service.port = listener.getsockname()[1]
        config = uvicorn.Config(_seeing(service, view), lifespan="off", log_level="error")
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield service
        finally:
            server.should_exit = True
            thread.join()
