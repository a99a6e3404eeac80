"""The application: a schema that is made around a cache."""

import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)

titles = {"1": "Momo", "2": "Emma"}
baskets = {"alice": ["1"], "bob": ["2"]}


@strawberry.type
class Book:
    id: strawberry.ID
    title: str


def book_of(number: str) -> Book:
    return Book(id=strawberry.ID(number), title=titles[number])


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def books(self) -> list[Book]:
        return [book_of(number) for number in titles]

    @cache_control(ttl=10, scope=CacheScope.PRIVATE)
    @strawberry.field
    def basket(self, info: strawberry.Info) -> list[Book]:
        return [book_of(number) for number in baskets[info.context["user"]]]

    @strawberry.field
    def visitors(self) -> int:
        return 12


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self, book: strawberry.ID, title: str) -> Book:
        titles[book] = title
        return book_of(book)


def make_schema(cache: ResponseCache) -> strawberry.Schema:
    """Return the schema; production passes a cache on Redis."""
    extension = ResponseCacheExtension(
        cache,
        tenant=lambda context: context["shop"],
        session=lambda context: context["user"],
    )
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    extension.check(schema)
    return schema
