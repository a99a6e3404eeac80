"""The fields of strawberry-django: what inherits from its parent, and rows that are chosen for each user."""

from collections.abc import Iterator
from typing import Any

import pytest
import strawberry
import strawberry_django
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from strawberry_django.optimizer import DjangoOptimizerExtension

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from tests.graphql.ledger import outcome, status
from tests.with_django import bookshop
from tests.with_django.models import Book


@pytest.fixture(params=["optimizer", "plain"])
def schema(request: pytest.FixtureRequest, cache: ResponseCache) -> strawberry.Schema:
    extension = ResponseCacheExtension(
        cache, tenant=None, session=lambda context: context["user"], debug=True
    )
    others: list[Any] = [DjangoOptimizerExtension] if request.param == "optimizer" else []
    schema = strawberry.Schema(bookshop.query_type(), extensions=[*others, extension])
    assert extension.check(schema) == ()
    return schema


def ask(schema: strawberry.Schema, query: str, user: str = "alice", **variables: Any) -> Any:
    result = schema.execute_sync(query, variables, context_value={"user": user})
    assert result.errors is None
    return result


SHARED = [
    "{ books { id title number label } }",
    "{ books { author { name } authorName } }",
    '{ books(filters: {title: {contains: "o"}}, ordering: [{title: ASC}]) { title } }',
    "{ books(pagination: {limit: 1}) { title } }",
    "{ book(pk: 1) { title } }",
    "{ authors { name books { title } } }",
    "{ shelf(first: 1) { totalCount pageInfo { hasNextPage } edges { cursor node { id title } } } }",
    "{ pages(pagination: {limit: 2}) { totalCount pageInfo { limit } results { title } } }",
]


@pytest.mark.parametrize("query", SHARED)
def test_columns_relations_lookups_and_pages_inherit_from_their_parent(
    schema: strawberry.Schema, query: str
) -> None:
    first = ask(schema, query)
    with CaptureQueriesContext(connection) as captured:
        second = ask(schema, query, user="bob")
    assert (status(first), status(second)) == ("miss", "hit")
    assert first.data == second.data
    assert len(captured) == 0
    assert explain(schema, query).scope is CacheScope.PUBLIC


def test_an_annotation_of_the_optimizer_inherits_from_its_parent(cache: ResponseCache) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(
        bookshop.query_type(), extensions=[extension, DjangoOptimizerExtension]
    )
    results = [ask(schema, "{ authors { name size } }") for _ in range(2)]
    assert [each.data["authors"][0]["size"] for each in results] == [3, 3]
    assert [status(each) for each in results] == ["miss", "hit"]


@pytest.mark.parametrize(
    "query",
    [
        "{ books { shout } }",
        '{ authors { books(filters: {title: {contains: "o"}}) { shout } } }',
    ],
)
def test_resolvers_of_the_users_own_need_a_hint(schema: strawberry.Schema, query: str) -> None:
    said = outcome(ask(schema, query))
    assert said["reason"] == "resolver_without_hint"
    assert "BookType.shout" in said["advice"]


OWN = [
    "{ ownBooks { title } }",
    "{ ownShelf { totalCount } }",
    "{ ownShelf { pageInfo { hasNextPage } edges { node { title } } } }",
    "{ ownPages { totalCount } }",
    "{ ownPages { results { title } } }",
    "{ ownAuthors { name books { title } } }",
    "{ ownAuthors { name shelf { totalCount edges { node { title } } } } }",
    "{ ownAuthors { name pages { totalCount } } }",
    '{ node(id: "T3duQm9vazox") { id ... on OwnBook { title } } }',
]


@pytest.mark.parametrize("query", OWN)
def test_rows_of_a_get_queryset_are_cached_for_one_session_only(
    schema: strawberry.Schema, query: str
) -> None:
    plain = strawberry.Schema(bookshop.query_type())

    def asked(user: str) -> Any:
        return schema.execute_sync(query, context_value={"user": user})

    def expected(user: str) -> Any:
        return plain.execute_sync(query, context_value={"user": user}).data

    first = asked("alice")
    assert (first.data, status(first)) == (expected("alice"), "miss")
    again = asked("alice")
    assert (again.data, status(again)) == (expected("alice"), "hit")
    assert asked("bob").data == expected("bob")
    assert explain(schema, query).scope is CacheScope.PRIVATE


async def test_an_async_view_answers_with_a_hit(schema: strawberry.Schema) -> None:
    for query in ("{ books { title author { name } } }", SHARED[-2], SHARED[-1]):
        said = []
        for _ in range(2):
            result = await schema.execute(query, context_value={"user": "alice"})
            assert result.errors is None
            said.append(status(result))
        assert said == ["miss", "hit"]
    for query in OWN:
        answers = [
            (await schema.execute(query, context_value={"user": user})).data
            for user in ("alice", "alice", "bob")
        ]
        assert answers[0] == answers[1] != answers[2]


def test_scope_public_on_rows_of_a_get_queryset_is_a_mistake(cache: ResponseCache) -> None:
    @strawberry.type
    class Query:
        books: list[bookshop.OwnBook] = cache_control(ttl=60, scope=CacheScope.PUBLIC)(
            strawberry_django.field()
        )

    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: "alice")
    schema = strawberry.Schema(Query, extensions=[extension])
    with pytest.raises(
        CacheConfigurationError, match=r"Query\.books: get_queryset .* PRIVATE always"
    ):
        extension.check(schema)


class OwnIteration(QuerySet[Book]):
    """A query set that runs code between its rows."""

    def __iter__(self) -> Iterator[Book]:
        yield from super().__iter__()


@pytest.mark.parametrize(
    ("rows", "status", "reason"),
    [(Book.objects.all, "hit", None), (lambda: OwnIteration(Book), "bypass", "unfinished_list")],
    ids=["query set", "iteration of one's own"],
)
def test_fields_of_query_set_rows_have_their_own_entries_unless_iteration_is_custom(
    cache: ResponseCache, rows: Any, status: str, reason: str | None
) -> None:
    @strawberry_django.type(Book, name="Shouting")
    class Shouting:
        id: strawberry.auto

        @cache_control(ttl=60)
        @strawberry_django.field
        def shout(self) -> str:
            return "!"

    def books() -> list[Shouting]:
        found: list[Shouting] = rows()
        return found

    query = strawberry.type(type("Query", (), {"books": strawberry.field(resolver=books)}))
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(query, extensions=[extension])
    ask(schema, "{ books { shout } }")
    [told] = outcome(ask(schema, "{ books { shout } }"))["fields"]
    assert (told["status"], told.get("reason")) == (status, reason)
