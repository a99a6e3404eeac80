"""A schema for the comparison of views; its resolvers are sync, so that every view can run it."""

import math
from collections.abc import Iterator
from typing import Any, Self

import strawberry
from strawberry.extensions import SchemaExtension
from strawberry.file_uploads import Upload
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)


@strawberry.type
class Book:
    id: strawberry.ID
    title: str
    price: float = 2.5
    sold: int = 3
    is_new: bool = True
    nothing: str | None = None

    @cache_control(inherit=True)
    @strawberry.field
    def sequel(self, title: str = "Sequel é\u2028") -> Self | None:
        return type(self)(id=strawberry.ID(f"{self.id}+"), title=title)

    @cache_control(inherit=True)
    @strawberry.field
    def fails(self) -> str | None:
        raise ValueError(self.id)


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def books(self, titles: list[str] | None = None) -> list[Book]:
        named = ["Emma"] if titles is None else titles
        return [Book(id=strawberry.ID(str(i)), title=title) for i, title in enumerate(named)]

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self, info: strawberry.Info) -> str:
        return str(user_of(info.context))

    @cache_control(ttl=60)
    @strawberry.field
    def infinite(self) -> float | None:
        return math.inf

    @cache_control(ttl=60)
    @strawberry.field
    def changes(self, info: strawberry.Info, how: str) -> str:
        change(info.context["response"], how)
        return how

    @strawberry.field
    def now(self) -> str:
        return "now"

    @strawberry.field
    def never_null(self) -> str:
        raise ValueError


@strawberry.type
class Mutation:
    @invalidates("Book")
    @strawberry.mutation
    def rename(self, title: str) -> Book:
        return Book(id=strawberry.ID("1"), title=title)

    @strawberry.mutation
    def upload(self, file: Upload) -> bool:
        return file is not None


def user_of(context: Any) -> str | None:
    """Return who asks: the header ``x-user``, whatever a framework makes of headers."""
    return context["request"].headers.get("x-user")


def change(response: Any, how: str) -> None:
    """Change a framework's response: a header, a cookie or the status."""
    if how == "status":
        name = "status_code" if hasattr(response, "status_code") else "_status"
        setattr(response, name, 202)
    elif how == "cookie" and hasattr(response, "set_cookie"):
        response.set_cookie("visited", "yes")
    else:
        response.headers["x-changed" if how == "header" else "set-cookie"] = "visited=yes"


class Stamps(SchemaExtension):
    """Changes every response before resolvers run, as middleware does; a hit as well."""

    def on_parse(self) -> Iterator[None]:
        for how in ("header", "cookie", "status"):
            change(self.execution_context.context["response"], how)
        yield


class Names(SchemaExtension):
    """Adds an extension to the response; it reads no result, but that is not known of it."""

    def get_results(self) -> dict[str, Any]:
        return {"name": "é"}


def make_schema(cache: ResponseCache, *others: Any, **options: Any) -> strawberry.Schema:
    """Make a schema with the cache's extension before others.

    Args:
        cache: The cache.
        *others: Other extensions.
        **options: Of the cache's extension; without headers for caches by default.
    """
    chosen = {"tenant": None, "session": user_of, "headers": False, **options}
    extension = ResponseCacheExtension(cache, **chosen)
    return strawberry.Schema(
        Query,
        Mutation,
        extensions=[extension, *others],
        config=StrawberryConfig(batching_config={"max_operations": 3}),
    )
