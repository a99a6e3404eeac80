"""Run it: daphne on_channels:app"""

import atexit
from typing import Any

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="of an example")
django.setup()

from bookstore import Caller, Context, make_schema
from strawberry.channels import GraphQLWSConsumer
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.channels import GraphQLHTTPConsumer

cache = ResponseCache.from_environment()
atexit.register(cache.close)  # daphne has no lifespan
schema = make_schema(cache)


class Shop(GraphQLHTTPConsumer[Context, None]):
    async def get_context(self, request: Any, response: Any) -> Context:
        return Context(Caller.of(request.headers), request, response)


class ShopSocket(GraphQLWSConsumer[Context, None]):
    async def get_context(self, request: Any, response: Any) -> Context:
        # `request` is the consumer itself; its scope holds the headers as bytes.
        headers = {name.decode(): value.decode() for name, value in request.scope["headers"]}
        return Context(Caller.of(headers), request, response)


view = Shop.as_asgi(
    schema=schema,
    multipart_uploads_enabled=True,
    subscription_protocols=[GRAPHQL_SSE_PROTOCOL],
)

http: Any = [path("graphql", view)]
websocket: Any = [path("graphql", ShopSocket.as_asgi(schema=schema))]
app = ProtocolTypeRouter({"http": URLRouter(http), "websocket": URLRouter(websocket)})
