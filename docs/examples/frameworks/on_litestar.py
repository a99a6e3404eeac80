"""Run it: uvicorn on_litestar:app --workers 2"""

from bookstore import Caller, make_schema
from litestar import Litestar
from litestar.datastructures import Headers
from litestar.types import Scope
from strawberry.litestar import BaseContext
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
)

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.litestar import make_graphql_controller

cache = ResponseCache.from_environment()


class ShopContext(BaseContext):
    caller: Caller


async def get_context(scope: Scope) -> ShopContext:
    # The scope is there for requests and for websockets. Without a getter of your own, `tenant` reads
    # context["request"].headers of a request, and context["socket"].headers of a websocket.
    return ShopContext(caller=Caller.of(Headers.from_scope(scope)))


controller = make_graphql_controller(
    make_schema(cache),
    path="/graphql",
    context_getter=get_context,
    multipart_uploads_enabled=True,
    subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
)

app = Litestar([controller], on_shutdown=[cache.aclose])
