"""Run it: gunicorn on_django:wsgi --threads 4, or: uvicorn on_django:asgi --lifespan off"""

import os
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["strawberry_response_cache.django"],
    RESPONSE_CACHE={
        "URL": os.environ["RESPONSE_CACHE_URL"],
        "PREFIX": os.environ["RESPONSE_CACHE_PREFIX"],
        "READ_DEADLINE": float(os.environ.get("RESPONSE_CACHE_READ_DEADLINE", "0.1")),
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY="of an example",
)
django.setup()

from bookstore import Caller, Context, make_schema
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL

from strawberry_response_cache.django import AsyncGraphQLView, GraphQLView, get_cache


class Shop(GraphQLView[Context, None]):
    def get_context(self, request: Any, response: Any) -> Context:
        return Context(Caller.of(request.headers), request, response)


class AsyncShop(AsyncGraphQLView[Context, None]):
    async def get_context(self, request: Any, response: Any) -> Context:
        return Context(Caller.of(request.headers), request, response)


view = Shop.as_view(
    schema=make_schema(get_cache(), is_async=False),
    multipart_uploads_enabled=True,
)
async_view = AsyncShop.as_view(
    schema=make_schema(get_cache()),
    multipart_uploads_enabled=True,
    subscription_protocols=[GRAPHQL_SSE_PROTOCOL],
)

# A project serves one of them; `get_cache()` is closed when the process ends.
urlpatterns = [
    path("graphql", csrf_exempt(view)),
    path("async", csrf_exempt(async_view)),
]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
