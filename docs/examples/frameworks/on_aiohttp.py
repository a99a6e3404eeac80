"""Run it: gunicorn on_aiohttp:make_app --worker-class aiohttp.GunicornWebWorker --workers 2"""

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from bookstore import Caller, Context, make_schema
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
)

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.aiohttp import GraphQLView

cache = ResponseCache.from_environment()


class Shop(GraphQLView[Context, None]):
    async def get_context(self, request: Any, response: Any) -> Context:
        # `request` is the same kind of object where a websocket was opened.
        return Context(Caller.of(request.headers), request, response)


view = Shop(
    make_schema(cache),
    multipart_uploads_enabled=True,
    subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
)


async def close_cache(_: web.Application) -> AsyncIterator[None]:
    yield
    await cache.aclose()


async def make_app() -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/graphql", view)
    app.cleanup_ctx.append(close_cache)
    return app
