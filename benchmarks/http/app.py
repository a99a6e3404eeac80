"""The workload: `books(n, k)` returns n books, and `k` only varies the key.

The environment says how it is served: ``VIEW`` (ours, stock, middleware, constant), ``CACHE`` (none, memory, redis), ``REDIS_PORT``.
"""

import json
import os
from dataclasses import asdict
from typing import Any

import strawberry
from starlette.types import Receive, Scope, Send
from strawberry.extensions import ParserCache, ValidationCache

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    ResponseCacheMiddleware,
    cache_control,
)


@strawberry.type
class Author:
    id: strawberry.ID
    name: str


@strawberry.type
class Review:
    id: strawberry.ID
    body: str
    stars: int


@strawberry.type
class Book:
    id: strawberry.ID
    title: str
    author: Author
    reviews: list[Review]


def book(number: int) -> Book:
    """Return one book."""
    reviews = [
        Review(
            id=strawberry.ID(f"{number}-{each}"),
            body=f"Review text {each} of book {number}, a good read",
            stars=each + 2,
        )
        for each in range(3)
    ]
    author = Author(id=strawberry.ID(f"a{number % 7}"), name=f"Author {number % 7}")
    title = f"Book number {number}"
    return Book(id=strawberry.ID(str(number)), title=title, author=author, reviews=reviews)


@strawberry.type
class Query:
    @cache_control(ttl=300)
    @strawberry.field
    def books(self, n: int, k: int) -> list[Book]:
        """Return n books."""
        return [book(number) for number in range(n)]


def make_schema() -> tuple[strawberry.Schema, ResponseCacheExtension | None]:
    """Return the schema as the environment says, and its extension."""
    mode = os.environ["CACHE"]
    # What is known of documents; this package's extension knows it as well.
    own: list[Any] = [lambda: ParserCache(maxsize=100), lambda: ValidationCache(maxsize=100)]
    extensions, extension = own, None
    if mode != "none":
        cache = ResponseCache.from_url(
            f"redis://127.0.0.1:{os.environ['REDIS_PORT']}",
            prefix="http",
            local_bytes=256 * 1024 * 1024 if mode == "memory" else 0,
            local_ttl=300,
            read_deadline=2.0,  # all connections share one core, and a late answer is a hit still
        )
        extension = ResponseCacheExtension(cache, tenant=None)
        extensions = [extension]
    return strawberry.Schema(Query, extensions=extensions), extension


def asgi() -> Any:  # noqa: ANN401 - an ASGI application
    """Return the ASGI application."""
    if os.environ["VIEW"] == "constant":
        return constant
    if os.environ["VIEW"] == "stock":
        from strawberry.asgi import GraphQL
    else:
        from strawberry_response_cache.asgi import GraphQL
    schema, extension = make_schema()
    view = GraphQL[Any, Any](schema)
    if os.environ["VIEW"] != "middleware" or extension is None:
        return view
    return ResponseCacheMiddleware(view, extension, schema=schema, tenant=None, path="/")


async def constant(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the same to every request for so many books, as fast as an ASGI application can."""
    if scope["type"] != "http":
        return
    variables = json.loads((await receive())["body"])["variables"]
    body = _constants.get(variables["n"])
    if body is None:
        books = [asdict(book(number)) for number in range(variables["n"])]
        printed = json.dumps({"data": {"books": books}}, separators=(",", ":"))
        body = _constants[variables["n"]] = printed.encode()
    length = (b"content-length", b"%d" % len(body))
    headers = [length, (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_constants: dict[int, bytes] = {}


def wsgi() -> Any:  # noqa: ANN401 - a WSGI application
    """Return the WSGI application: Django with its sync view."""
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY=os.urandom(8).hex(), MIDDLEWARE=[]
    )
    import django

    django.setup()
    from django.core.wsgi import get_wsgi_application
    from django.urls import path

    if os.environ["VIEW"] == "ours":
        from strawberry_response_cache.django import GraphQLView
    else:
        from strawberry.django.views import GraphQLView
    view = GraphQLView.as_view(schema=make_schema()[0])
    globals()["urlpatterns"] = [path("graphql", view)]
    return get_wsgi_application()
