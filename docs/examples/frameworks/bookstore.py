"""A shop with several tenants. Each framework's file serves one of its two schemas."""

import inspect
import os
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Self

import strawberry
from strawberry import relay
from strawberry.dataloader import DataLoader
from strawberry.file_uploads import Upload
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(os.environ["SHOP_DATABASE"], isolation_level=None)
    connection.execute("CREATE TABLE IF NOT EXISTS book (tenant TEXT, title TEXT)")
    return connection


async def load_lengths(titles: list[str]) -> list[int]:
    return [len(title) for title in titles]


@dataclass
class Caller:
    """What the shop knows of a request. Each framework's context has one."""

    tenant: str
    user: str | None = None
    is_developer: bool = False
    lengths: DataLoader[str, int] = field(default_factory=lambda: DataLoader(load_lengths))

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """Read the headers; a real service verifies a token instead."""
        return cls(headers["x-tenant"], headers.get("x-user"), "x-debug" in headers)


@dataclass
class Context:
    """The context of frameworks that do not bring one."""

    caller: Caller
    request: Any = None
    response: Any = None


class IsUser(BasePermission):
    message = "Sign in first."

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return info.context.caller.user is not None


@strawberry.type
class Book(relay.Node):
    key: relay.NodeID[str]
    title: str


def books_of(caller: Caller) -> list[Book]:
    with closing(database()) as connection:
        rows = connection.execute("SELECT title FROM book WHERE tenant = ?", [caller.tenant])
        return [Book(key=title, title=title) for (title,) in rows]


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @relay.connection(relay.ListConnection[Book])
    def books(self, info: strawberry.Info) -> list[Book]:
        return books_of(info.context.caller)

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def greeting(self, info: strawberry.Info) -> str:
        caller = info.context.caller
        return f"Hello {caller.user} in {caller.tenant}"

    @cache_control(ttl=60)
    @strawberry.field(permission_classes=[IsUser])
    def profit(self) -> int:
        return 3

    @cache_control(ttl=60)
    @strawberry.field
    def fails(self) -> str | None:
        raise ValueError


@strawberry.type
class Mutation:
    @strawberry.mutation
    def add_book(self, info: strawberry.Info, title: str) -> Book:
        with closing(database()) as connection:
            values = [info.context.caller.tenant, title]
            connection.execute("INSERT INTO book VALUES (?, ?)", values)
        return Book(key=title, title=title)

    @strawberry.mutation
    def upload(self, file: Upload) -> int:
        uploaded: Any = file  # a class of the framework
        content: bytes = uploaded.read()
        return len(content)


@strawberry.type(name="Query")
class AsyncQuery(Query):
    @cache_control(ttl=60)
    @strawberry.field
    async def length(self, info: strawberry.Info, title: str) -> int:
        return await info.context.caller.lengths.load(title)


@strawberry.type(name="Mutation")
class AsyncMutation(Mutation):
    @strawberry.mutation
    async def upload(self, file: Upload) -> int:
        uploaded: Any = file
        content = uploaded.body if hasattr(uploaded, "body") else uploaded.read()
        return len(await content if inspect.isawaitable(content) else content)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def greetings(self, info: strawberry.Info) -> AsyncIterator[str]:
        caller = info.context.caller
        for word in ("Hello", "Goodbye"):
            yield f"{word} {caller.user} in {caller.tenant}"


def make_schema(cache: ResponseCache, *, is_async: bool = True) -> strawberry.Schema:
    """Return the schema; views that execute in threads take the one without async resolvers."""
    extension = ResponseCacheExtension(
        cache,
        tenant=lambda context: context.caller.tenant,
        session=lambda context: context.caller.user,
        debug=lambda context: context.caller.is_developer,
    )
    config = StrawberryConfig(
        batching_config={"max_operations": 10},
        enable_experimental_incremental_execution=is_async,
    )
    schema = strawberry.Schema(
        AsyncQuery if is_async else Query,
        AsyncMutation if is_async else Mutation,
        Subscription if is_async else None,
        extensions=[extension],
        config=config,
    )
    extension.check(schema)
    return schema
