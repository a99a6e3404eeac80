"""The user's own code that strawberry-django calls with ``info``: what it makes is shared between no two users."""

from typing import Any

import pytest
import strawberry
import strawberry_django
from django.db.models import BooleanField, Case, Prefetch, Value, When
from strawberry import relay
from strawberry_django.optimizer import DjangoOptimizerExtension
from strawberry_django.pagination import OffsetPaginated

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from tests.graphql.ledger import outcome, reason, status
from tests.with_django.bookshop import BookNode, BookType
from tests.with_django.models import Author, Book

HINT = cache_control(ttl=60)


def is_mine(info: strawberry.Info) -> Any:
    return Case(
        When(owner=info.context["user"], then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )


def mine(info: strawberry.Info) -> Any:
    own = Book.objects.filter(owner=info.context["user"])
    return Prefetch("books", queryset=own, to_attr="own_books")


@strawberry_django.type(Book)
class AnnotatedField:
    title: strawberry.auto
    is_mine: bool = strawberry_django.field(annotate={"is_mine": is_mine})


@strawberry_django.type(Book)
class AnnotatedShort:
    title: strawberry.auto
    is_mine: bool = strawberry_django.field(annotate=is_mine)


@strawberry_django.type(Book, annotate={"is_mine": is_mine})
class AnnotatedType:
    title: strawberry.auto
    is_mine: bool


@strawberry_django.type(Book)
class AnnotatedProperty:
    title: strawberry.auto
    of_reader: strawberry.auto


@strawberry_django.type(Author)
class Prefetched:
    books: list[BookType]
    own: list[BookType] = strawberry_django.field(field_name="own_books", prefetch_related=[mine])


@strawberry.type
class OwnConnection(strawberry_django.relay.DjangoListConnection[relay.NodeType]):
    @classmethod
    def resolve_connection(cls, nodes: Any, *, info: strawberry.Info, **arguments: Any) -> Any:
        own = nodes.filter(owner=info.context["user"])
        return super().resolve_connection(own, info=info, **arguments)


@strawberry.type
class OwnPage(OffsetPaginated[relay.NodeType]):
    @classmethod
    def resolve_paginated(cls, queryset: Any, *, info: strawberry.Info, **arguments: Any) -> Any:
        own = queryset.filter(owner=info.context["user"])
        return super().resolve_paginated(own, info=info, **arguments)


@strawberry.type
class PlainConnection(strawberry_django.relay.DjangoListConnection[relay.NodeType]):
    """A class of the user's own that replaces nothing."""

    @strawberry.field
    def kind(self) -> str:
        return "plain"


@strawberry_django.type(Author)
class Paged:
    shelf: OwnConnection[BookNode] = strawberry_django.connection(field_name="books")
    pages: OwnPage[BookNode] = strawberry_django.offset_paginated(field_name="books")
    plain: PlainConnection[BookNode] = strawberry_django.connection(field_name="books")


@strawberry.type
class Query:
    fields: list[AnnotatedField] = HINT(strawberry_django.field())
    short: list[AnnotatedShort] = HINT(strawberry_django.field())
    properties: list[AnnotatedProperty] = HINT(strawberry_django.field())
    types: list[AnnotatedType] = HINT(strawberry_django.field())
    prefetched: list[Prefetched] = HINT(strawberry_django.field())
    paged: list[Paged] = HINT(strawberry_django.field())


OPTIMIZED = strawberry.Schema(Query, extensions=[DjangoOptimizerExtension])
PLAIN = strawberry.Schema(Query)


def schema_over(cache: ResponseCache, *, is_optimized: bool = True) -> strawberry.Schema:
    extension = ResponseCacheExtension(
        cache, tenant=None, session=lambda context: context["user"], debug=True
    )
    others = [DjangoOptimizerExtension] if is_optimized else []
    return strawberry.Schema(Query, extensions=[*others, extension])


def answers(schema: strawberry.Schema, plain: strawberry.Schema, query: str) -> list[Any]:
    """Return what three users get, after a comparison with the schema that has no cache."""
    results = []
    for user in ("alice", "bob", "alice"):
        result = schema.execute_sync(query, context_value={"user": user})
        expected = plain.execute_sync(query, context_value={"user": user})
        assert result.errors is None
        assert result.data == expected.data, user
        results.append(result)
    assert results[0].data == results[2].data != results[1].data
    return results


OF_ONE_FIELD = [
    ("{ fields { title isMine } }", "AnnotatedField.isMine"),
    ("{ short { title isMine } }", "AnnotatedShort.isMine"),
    ("{ properties { title ofReader } }", "AnnotatedProperty.ofReader"),
    ("{ prefetched { own { title } } }", "Prefetched.own"),
    ("{ paged { shelf { edges { node { title } } } } }", "Paged.shelf"),
    ("{ paged { shelf { totalCount } } }", "Paged.shelf"),
    ("{ paged { pages { totalCount } } }", "Paged.pages"),
]


@pytest.mark.parametrize(("query", "coordinate"), OF_ONE_FIELD)
def test_a_field_with_code_that_receives_info_counts_as_a_resolver(
    cache: ResponseCache, query: str, coordinate: str
) -> None:
    for result in answers(schema_over(cache), OPTIMIZED, query):
        assert reason(result) == "resolver_without_hint"
        assert coordinate in outcome(result)["advice"]


@pytest.mark.parametrize("query", [query for query, _ in OF_ONE_FIELD[-3:]])
def test_without_the_optimizer_custom_page_classes_count_as_resolvers(
    cache: ResponseCache, query: str
) -> None:
    for result in answers(schema_over(cache, is_optimized=False), PLAIN, query):
        assert reason(result) == "resolver_without_hint"


def test_a_type_whose_hints_hold_a_function_is_private(cache: ResponseCache) -> None:
    schema, query = schema_over(cache), "{ types { title isMine } }"
    said = [status(each) for each in answers(schema, OPTIMIZED, query)]
    assert said == ["miss", "miss", "hit"]
    assert explain(schema, query).scope is CacheScope.PRIVATE


def test_fields_beside_custom_code_inherit_from_their_parent(cache: ResponseCache) -> None:
    schema = schema_over(cache)
    for query in (
        "{ fields { title } }",
        "{ prefetched { books { title } } }",
        "{ paged { plain { totalCount edges { node { title } } } } }",
    ):
        results = [
            schema.execute_sync(query, context_value={"user": user}) for user in ("alice", "bob")
        ]
        assert [status(each) for each in results] == ["miss", "hit"], query
