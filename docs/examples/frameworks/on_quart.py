"""Run it: hypercorn on_quart:app --workers 2"""

from typing import Any

from bookstore import Caller, Context, make_schema
from quart import Quart
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
)

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.quart import GraphQLView

cache = ResponseCache.from_environment()


class Shop(GraphQLView[Context, None]):
    async def get_context(self, request: Any, response: Any) -> Context:
        # `request` is a Websocket of Quart where a websocket was opened.
        return Context(Caller.of(request.headers), request, response)


view = Shop.as_view(
    "shop",
    schema=make_schema(cache),
    multipart_uploads_enabled=True,
    subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
)

app = Quart(__name__)
app.add_url_rule("/graphql", view_func=view, methods=["GET", "POST"])
app.add_url_rule("/graphql", view_func=view, methods=["GET"], websocket=True, endpoint="socket")
app.after_serving(cache.aclose)
