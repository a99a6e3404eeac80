"""A page depends on its objects although none is selected: what a mutation creates or deletes invalidates it."""

from typing import Any

import pytest
import strawberry
from strawberry import relay

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from tests.graphql.ledger import status

TITLES: list[str] = []


@strawberry.interface
class Titled:
    title: str


@strawberry.type
class Book(relay.Node, Titled):
    code: relay.NodeID[str]


@strawberry.type
class Shelf:
    """A page of objects of an interface."""

    results: list[Titled]

    @cache_control(inherit=True)
    @strawberry.field
    def total_count(self) -> int:
        return len(self.results)


@strawberry.type
class Edge:
    """Between a list and one of its objects, reached without the list."""

    cursor: str
    node: Book
    cover: Book


@strawberry.type
class Mark:
    """No edge: it has no cursor."""

    node: Book


def books() -> list[Book]:
    return [Book(code=title, title=title) for title in TITLES]


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @relay.connection(relay.ListConnection[Book])  # type: ignore[untyped-decorator] # Strawberry's
    def books(self) -> list[Book]:
        return books()

    @cache_control(ttl=60)
    @strawberry.field
    def shelf(self) -> Shelf:
        return Shelf(results=[*books()])

    @cache_control(ttl=60)
    @strawberry.field
    def newest(self) -> Edge:
        return Edge(cursor=TITLES[-1], node=books()[-1], cover=books()[0])

    @cache_control(ttl=60)
    @strawberry.field
    def mark(self) -> Mark:
        return Mark(node=books()[0])


@strawberry.type
class Mutation:
    @strawberry.mutation
    def create(self, title: str) -> Book:
        TITLES.append(title)
        return Book(code=title, title=title)

    @invalidates("Book")
    @strawberry.mutation
    def sort(self) -> bool:
        TITLES.reverse()
        return True


def asked_twice(cache: ResponseCache, query: str) -> tuple[strawberry.Schema, Any]:
    """Return a schema with an answer in the cache, and the answer."""
    TITLES[:] = ["Exile"]
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    first, again = schema.execute_sync(query), schema.execute_sync(query)
    assert (status(first), status(again)) == ("miss", "hit")
    return schema, first


@pytest.mark.combined
@pytest.mark.parametrize(
    "query",
    [
        "{ books { edges { cursor } } }",
        "{ books(first: 1) { pageInfo { hasNextPage } } }",
        "{ shelf { totalCount } }",
        "{ newest { node { id } } }",
    ],
)
def test_a_page_without_its_objects_is_invalidated_with_their_lists(
    cache: ResponseCache, query: str
) -> None:
    schema, first = asked_twice(cache, query)
    assert schema.execute_sync('mutation { create(title: "Tombs") { id } }').errors is None
    latest = schema.execute_sync(query)
    assert status(latest) == "miss"
    assert latest.data != first.data


def test_a_page_without_its_objects_is_invalidated_with_their_type(cache: ResponseCache) -> None:
    query = "{ books(first: 1) { pageInfo { endCursor } } }"
    schema, _ = asked_twice(cache, query)
    assert schema.execute_sync("mutation { sort }").errors is None
    assert status(schema.execute_sync(query)) == "miss"


@pytest.mark.combined
@pytest.mark.parametrize("query", ["{ newest { cover { id } } }", "{ mark { node { id } } }"])
def test_a_single_object_is_not_invalidated_with_the_lists_of_its_type(
    cache: ResponseCache, query: str
) -> None:
    schema, _ = asked_twice(cache, query)
    assert schema.execute_sync('mutation { create(title: "Tombs") { id } }').errors is None
    assert status(schema.execute_sync(query)) == "hit"
