"""Run it: sanic on_sanic:app --workers 2"""

from typing import Any

from bookstore import Caller, Context, make_schema
from sanic import Sanic
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.sanic import GraphQLView

cache = ResponseCache.from_environment()


class Shop(GraphQLView[Context, None]):
    async def get_context(self, request: Any, response: Any) -> Context:
        return Context(Caller.of(request.headers), request, response)


view = Shop.as_view(
    schema=make_schema(cache),
    multipart_uploads_enabled=True,
    subscription_protocols=[GRAPHQL_SSE_PROTOCOL],
)

app: Any = Sanic("shop")
app.add_route(view, "/graphql")


@app.after_server_stop
async def close_cache(_: Any) -> None:
    await cache.aclose()
