"""A library whose books are reached in several ways, beside fields that are never cached."""

import asyncio
import functools
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any

import strawberry
from strawberry.permission import BasePermission
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
    skip_cache,
)
from tests.graphql.ledger import outcome


@dataclass
class Context:
    """Who asks, and what ran."""

    user: str | None = "alice"
    tenant: str = "acme"
    locale: str = "en"
    may: bool = True
    calls: Counter[str] = field(default_factory=Counter)
    say: Any = None
    gate: asyncio.Event | None = None


class MayRead(BasePermission):
    """Counts its checks."""

    message = "not you"

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        info.context.calls["check"] += 1
        return bool(info.context.may)


class MayReadSoon(BasePermission):
    """The same, asynchronously."""

    message = "not you"

    async def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        info.context.calls["check"] += 1
        return bool(info.context.may)


def called(info: strawberry.Info, what: str) -> None:
    info.context.calls[what] += 1


@strawberry.interface
class Work:
    id: strawberry.ID


@strawberry.type
class Author:
    id: strawberry.ID

    @cache_control(ttl=600)
    @strawberry.field
    def name(self, info: strawberry.Info) -> str:
        called(info, "name")
        return f"author {self.id} of {info.context.tenant}"


@strawberry.type
class Book(Work):
    title: str

    @cache_control(ttl=300)
    @strawberry.field
    def pages(self, info: strawberry.Info, chapter: int = 1, unit: str | None = None) -> int | None:
        called(info, "pages")
        return int(self.id) * 100 + chapter

    @cache_control(ttl=300)
    @strawberry.field
    def author(self, info: strawberry.Info) -> Author:
        called(info, "author")
        return Author(id=strawberry.ID(str(int(self.id) % 2 + 1)))

    @cache_control(ttl=300, scope=CacheScope.PRIVATE)
    @strawberry.field
    def note(self, info: strawberry.Info) -> str:
        called(info, "note")
        return f"note of {info.context.user}"

    @cache_control(ttl=300, vary=["locale"])
    @strawberry.field
    def blurb(self, info: strawberry.Info) -> str:
        called(info, "blurb")
        return f"{self.id} in {info.context.locale}"

    @cache_control(ttl=300, tags=["shelf:{args.shelf_mark}", "book-of-{parent.id}"])
    @strawberry.field
    def copies(self, info: strawberry.Info, shelf_mark: str) -> int:
        called(info, "copies")
        return 3

    @strawberry.field
    def fresh(self, info: strawberry.Info) -> int:
        called(info, "book.fresh")
        return int(info.context.calls["book.fresh"])

    @cache_control(ttl=300)
    @strawberry.field
    def broken(self, info: strawberry.Info) -> str:
        called(info, "broken")
        msg = "no luck"
        raise RuntimeError(msg)

    @cache_control(ttl=300)
    @strawberry.field
    def dented(self, info: strawberry.Info) -> str | None:
        called(info, "dented")
        msg = "no luck"
        raise RuntimeError(msg)

    @cache_control(ttl=300)
    @strawberry.field
    def said(self, info: strawberry.Info) -> str:
        called(info, "said")
        if info.context.say is not None:
            info.context.say(info)
        return f"said to {info.context.user}"

    @cache_control(ttl=300)
    @strawberry.field(permission_classes=[MayRead])  # type: ignore[untyped-decorator] # its overloads
    def secret(self, info: strawberry.Info) -> str:
        called(info, "secret")
        return f"secret for {info.context.user}"


@strawberry.type
class Film(Work):
    @cache_control(ttl=300)
    @strawberry.field
    def minutes(self, info: strawberry.Info) -> int:
        called(info, "minutes")
        return int(self.id) * 10


Found = Annotated[Book | Film, strawberry.union("Found")]


def books(count: int = 3) -> list[Book]:
    return [Book(id=strawberry.ID(str(n)), title=f"title {n}") for n in range(1, count + 1)]


@strawberry.input
class Filter:
    author: str | None = None
    years: list[int] = strawberry.field(default_factory=list)


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self, info: strawberry.Info) -> int:
        called(info, "fresh")
        return int(info.context.calls["fresh"])

    @cache_control(ttl=60)
    @strawberry.field
    async def books(self, info: strawberry.Info, count: int = 3) -> list[Book]:
        called(info, "books")
        if info.context.gate is not None:
            await info.context.gate.wait()
        return books(count)

    @cache_control(ttl=60)
    @strawberry.field
    def shelf(
        self,
        info: strawberry.Info,
        by: Filter | None = None,
        count: int = 3,
        mark: strawberry.ID | None = None,
        width: float = 1.5,
    ) -> list[Book]:
        called(info, "shelf")
        return books(count)

    @strawberry.field
    def listed(self, info: strawberry.Info, count: int = 3) -> list[Book]:
        called(info, "listed")
        return books(count)

    @strawberry.field
    def found(self, info: strawberry.Info) -> list[Found]:
        return [*books(2), Film(id=strawberry.ID("7"))]

    @strawberry.field
    def works(self, info: strawberry.Info) -> list[Work]:
        return [*books(2), Film(id=strawberry.ID("7"))]

    @cache_control(ttl=60)
    @strawberry.field
    def nothing(self, info: strawberry.Info) -> Book | None:
        called(info, "nothing")
        return None

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self, info: strawberry.Info) -> str:
        called(info, "me")
        return f"{info.context.user} of {info.context.tenant}"

    @cache_control(ttl=60)
    @strawberry.field(permission_classes=[MayRead])  # type: ignore[untyped-decorator] # its overloads
    def guarded(self, info: strawberry.Info) -> str:
        called(info, "guarded")
        return f"guarded for {info.context.user}"

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[MayRead])  # type: ignore[untyped-decorator] # its overloads
    def members(self, info: strawberry.Info, count: int = 1) -> list[Book]:
        called(info, "members")
        return books(count)

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[MayReadSoon])  # type: ignore[untyped-decorator] # its overloads
    async def members_soon(self, info: strawberry.Info) -> str:
        called(info, "members_soon")
        return "for members"

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[MayReadSoon])  # type: ignore[untyped-decorator] # its overloads
    async def members_slow(self, info: strawberry.Info) -> str:
        called(info, "members_slow")
        await info.context.gate.wait()
        return "for members"

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[MayRead])  # type: ignore[untyped-decorator] # its overloads
    def members_in_threads(self, info: strawberry.Info) -> str:
        called(info, "members_in_threads")
        if info.context.say is not None:
            info.context.say(info)
        return "for members"

    @cache_control(ttl=0.2, stale=600)
    @strawberry.field
    async def slow(self, info: strawberry.Info) -> int:
        called(info, "slow")
        number = int(info.context.calls["slow"])
        if info.context.gate is not None:
            await info.context.gate.wait()
        return number

    @cache_control(ttl=60)
    @strawberry.field
    def skipped(self, info: strawberry.Info) -> int:
        called(info, "skipped")
        skip_cache(info)
        return int(info.context.calls["skipped"])

    @cache_control(ttl=60)
    @strawberry.field
    def mine(self, info: strawberry.Info) -> str:
        called(info, "mine")
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return f"mine: {info.context.user}"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self, info: strawberry.Info) -> Book:
        return books(1)[0]


@functools.cache
def _plain() -> strawberry.Schema:
    """The same schema without a cache, once for all tests: it holds nothing of theirs."""
    return strawberry.Schema(Query, Mutation, types=[Film, Book])


class Library:
    """A schema over one cache, asked in both ways."""

    def __init__(self, cache: ResponseCache, **options: Any) -> None:
        chosen: dict[str, Any] = {
            "tenant": lambda context: context.tenant,
            "session": lambda context: context.user,
            "vary": {"locale": lambda context: context.locale},
            "debug": True,
        } | options
        self.extension = ResponseCacheExtension(cache, **chosen)
        self.schema = strawberry.Schema(
            Query, Mutation, extensions=[self.extension], types=[Film, Book]
        )
        self.extension.check(self.schema)
        self.calls: Counter[str] = Counter()

    async def ask(self, query: str, *, variables: Any = None, **who: Any) -> ExecutionResult:
        context = Context(calls=self.calls, **who)
        return await self.schema.execute(query, context_value=context, variable_values=variables)

    async def ask_plain(self, query: str, *, variables: Any = None, **who: Any) -> ExecutionResult:
        """Ask the same schema without a cache; what runs is not counted."""
        context = Context(**who)
        return await _plain().execute(query, context_value=context, variable_values=variables)

    def ask_sync(self, query: str, *, variables: Any = None, **who: Any) -> ExecutionResult:
        context = Context(calls=self.calls, **who)
        return self.schema.execute_sync(query, context_value=context, variable_values=variables)


def fields(result: ExecutionResult) -> dict[str, str]:
    """What the cache did for each field that is cached by itself."""
    said: Any = outcome(result).get("fields", [])
    return {each["field"]: each["status"] for each in said}
