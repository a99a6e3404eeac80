"""A small schema whose operations do everything that can be recorded."""

from typing import Any

import strawberry

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
    title: str = "Momo"


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def book(self, id: strawberry.ID) -> Book:  # noqa: A002 - GraphQL's name
        return Book(id=id)

    @cache_control(ttl=30)
    @strawberry.field
    def books(self) -> list[Book]:
        return [Book(id=strawberry.ID("1"))]

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self, info: strawberry.Info) -> str:
        return str(info.context["user"])

    @cache_control(ttl=60)
    @strawberry.field
    def broken(self) -> str | None:
        raise ValueError

    @strawberry.field
    def now(self) -> int:
        return 12


@strawberry.type
class Mutation:
    @invalidates("shelf:{args.shelf}")
    @strawberry.mutation
    def rename(self, id: strawberry.ID, shelf: str = "a") -> Book:  # noqa: A002 - as above
        return Book(id=id)

    @strawberry.mutation
    def nothing(self) -> int:
        return 1


class Shelf:
    """The schema, asked in one of both ways.

    Args:
        cache: Its cache.
        synchronous: Whether it is asked by `execute_sync`.
        options: Of the extension.
    """

    def __init__(self, cache: ResponseCache, *, synchronous: bool, **options: Any) -> None:
        chosen: dict[str, Any] = {
            "tenant": lambda context: context["tenant"],
            "session": lambda context: context["user"],
        } | options
        extension = ResponseCacheExtension(cache, **chosen)
        self.schema = strawberry.Schema(Query, Mutation, extensions=[extension])
        self.synchronous = synchronous

    async def ask(
        self, document: str, *, user: str = "alice", tenant: str = "acme", **variables: Any
    ) -> Any:
        context = {"user": user, "tenant": tenant}
        named: dict[str, Any] = {"variable_values": variables, "context_value": context}
        if self.synchronous:
            return self.schema.execute_sync(document, **named)
        return await self.schema.execute(document, **named)
