"""A page depends on its objects although none is selected: what a mutation creates or deletes invalidates it."""

import pytest
import strawberry
from strawberry import relay

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
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


@strawberry.type
class Mutation:
    @strawberry.mutation
    def create(self, title: str) -> Book:
        TITLES.append(title)
        return Book(code=title, title=title)


@pytest.mark.parametrize(
    "query",
    [
        "{ books { edges { cursor } } }",
        "{ books(first: 1) { pageInfo { hasNextPage } } }",
        "{ shelf { totalCount } }",
    ],
)
def test_a_page_without_its_objects_is_invalidated_with_their_lists(
    cache: ResponseCache, query: str
) -> None:
    TITLES[:] = ["Exile"]
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])

    first, again = schema.execute_sync(query), schema.execute_sync(query)
    assert (status(first), status(again)) == ("miss", "hit")
    assert schema.execute_sync('mutation { create(title: "Tombs") { id } }').errors is None
    latest = schema.execute_sync(query)
    assert status(latest) == "miss"
    assert latest.data != first.data
