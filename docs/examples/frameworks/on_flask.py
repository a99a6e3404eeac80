"""Run it: gunicorn on_flask:app --threads 4 --workers 2"""

import atexit
from typing import Any

from bookstore import Caller, Context, make_schema
from flask import Flask

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.flask import AsyncGraphQLView, GraphQLView

cache = ResponseCache.from_environment()
atexit.register(cache.close)


class Shop(GraphQLView[Context, None]):
    def get_context(self, request: Any, response: Any) -> Context:
        return Context(Caller.of(request.headers), request, response)


class AsyncShop(AsyncGraphQLView[Context, None]):
    async def get_context(self, request: Any, response: Any) -> Context:
        return Context(Caller.of(request.headers), request, response)


view = Shop.as_view(
    "shop",
    schema=make_schema(cache, is_async=False),
    multipart_uploads_enabled=True,
)
async_view = AsyncShop.as_view(
    "async_shop", schema=make_schema(cache), multipart_uploads_enabled=True
)

app = Flask(__name__)
app.add_url_rule("/graphql", view_func=view)
app.add_url_rule("/async", view_func=async_view)
