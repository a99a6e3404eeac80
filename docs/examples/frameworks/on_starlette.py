"""Run it: uvicorn on_starlette:app --workers 2"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bookstore import Caller, Context, make_schema
from starlette.applications import Starlette
from starlette.routing import Mount
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
)

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.asgi import GraphQL

cache = ResponseCache.from_environment()


class Shop(GraphQL[Context, None]):
    async def get_context(self, request: Any, response: Any) -> Context:
        # `request` is a WebSocket of Starlette where a websocket was opened.
        return Context(Caller.of(request.headers), request, response)


view = Shop(
    make_schema(cache),
    multipart_uploads_enabled=True,
    subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    yield
    await cache.aclose()


app = Starlette(routes=[Mount("/graphql", view)], lifespan=lifespan)
