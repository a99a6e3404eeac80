"""A service with the fields that the clients ask for, and with automatic persisted queries."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from typing import ClassVar

import strawberry
from graphql import GraphQLError
from strawberry.asgi import GraphQL
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control


@strawberry.type
class Account:
    id: strawberry.ID
    name: str
    balance: Decimal


@strawberry.type
class Entry:
    id: strawberry.ID
    account: Account


@strawberry.input
class PostEntryInput:
    account_id: strawberry.ID
    amount: Decimal
    posted_on: dt.date
    memo: str


def _account(account_id: strawberry.ID) -> Account:
    return Account(id=account_id, name="Cash", balance=Decimal("12.50"))


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def accounts(self) -> list[Account]:
        return [_account(strawberry.ID("1"))]

    @cache_control(ttl=60)
    @strawberry.field
    def account(self, id: strawberry.ID) -> Account | None:  # noqa: A002 - the name in the schema
        return _account(id)


@strawberry.type
class Mutation:
    @strawberry.mutation
    def post_entry(self, input: PostEntryInput) -> Entry:  # noqa: A002 - as above
        return Entry(id=strawberry.ID("7"), account=_account(input.account_id))


class PersistedQueries(SchemaExtension):
    """Knows the documents that were sent once, as Apollo's clients expect it."""

    known: ClassVar[dict[str, str]]

    def on_operation(self) -> Iterator[None]:
        context = self.execution_context
        sent = (context.operation_extensions or {}).get("persistedQuery")
        if sent is not None:
            digest = sent["sha256Hash"]
            if context.query is None and digest not in self.known:
                msg = "PersistedQueryNotFound"
                raise GraphQLError(msg, extensions={"code": "PERSISTED_QUERY_NOT_FOUND"})
            if context.query is not None and sha256(context.query.encode()).hexdigest() == digest:
                self.known[digest] = context.query
            context.query = self.known[digest]
        yield


def application(cache: ResponseCache) -> GraphQL[None, None]:
    """Return the service as an ASGI application."""
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)

    class Persisted(PersistedQueries):
        known: ClassVar[dict[str, str]] = {}

    schema = strawberry.Schema(Query, Mutation, extensions=[Persisted, extension])
    return GraphQL(schema)
