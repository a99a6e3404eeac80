"""A service behind the middleware, which servers import: it says how often it was entered."""

import os
from typing import Any, Final

import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    ResponseCacheMiddleware,
    cache_control,
)
from strawberry_response_cache.asgi import GraphQL

ENTERED: Final = [0]


@strawberry.type
class Query:
    @cache_control(ttl=600)
    @strawberry.field
    def word(self, length: int = 3) -> str:
        return "a" * length

    @cache_control(ttl=600)
    @strawberry.field
    def tenant(self, info: strawberry.Info) -> str:
        return tenant_of_context(info.context)


def tenant_of_context(context: Any) -> str:
    return str(context["request"].headers["x-tenant"])


def tenant_of_scope(scope: Any) -> str:
    return str(dict(scope["headers"])[b"x-tenant"], "ascii")


extension = ResponseCacheExtension(
    ResponseCache.from_url(os.environ.get("RESPONSE_CACHE_URL", "memory://"), prefix="fronted"),
    tenant=tenant_of_context,
)
schema = strawberry.Schema(Query, extensions=[extension])
view = GraphQL[Any, Any](schema)


async def application(scope: Any, receive: Any, send: Any) -> None:
    ENTERED[0] += 1
    await view(scope, receive, send)


middleware = ResponseCacheMiddleware(application, extension, schema=schema, tenant=tenant_of_scope)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer how often the application was entered, beside the endpoint."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["path"] == "/entered":
        body = b"%d" % ENTERED[0]
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        await middleware(scope, receive, send)
