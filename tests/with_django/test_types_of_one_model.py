"""A mutation invalidates every type that shows the row which it changed."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import strawberry
import strawberry_django
from strawberry_django import mutations

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from strawberry_response_cache.testing import assert_hit, assert_miss, record
from tests.with_django import bookshop
from tests.with_django.models import Book


class NovelProxy(Book):
    class Meta:
        app_label = "bookshop"
        proxy = True


@strawberry_django.type(NovelProxy)
class NovelType:
    id: strawberry.auto
    title: strawberry.auto


@strawberry_django.input(Book)
class BookInput:
    title: strawberry.auto
    author: strawberry.auto


@strawberry_django.partial(Book)
class BookPatch:
    id: strawberry.auto
    title: strawberry.auto


@strawberry.type
class Mutation:
    create_book: bookshop.BookType = mutations.create(BookInput, full_clean=False)
    update_book: bookshop.BookType = mutations.update(BookPatch, full_clean=False)

    @strawberry_django.mutation
    def interrupt(self) -> bookshop.BookType:
        raise KeyboardInterrupt


CHANGES = [
    'mutation { createBook(data: {title: "New", author: {set: 1}}) { title } }',
    'mutation { updateBook(data: {id: 1, title: "Other"}) { title } }',
    "mutation { interrupt { title } }",
]
READS = [
    "{ shelf { totalCount edges { node { title } } } }",
    "{ novels { title } }",
    "{ ownBooks { title } }",
]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    Book.objects.filter(title="New").delete()
    Book.objects.filter(pk=1).update(title="Rocannon")


@pytest.fixture
def schema(cache: ResponseCache) -> strawberry.Schema:
    @strawberry.type
    class Query(bookshop.query_type()):  # type: ignore[misc] # a class that is made for each schema
        novels: list[NovelType] = bookshop.HINT(strawberry_django.field())
        novel: NovelType = bookshop.HINT(strawberry_django.field())

    extension = ResponseCacheExtension(cache, tenant=None, session=lambda context: context["user"])
    return strawberry.Schema(Query, Mutation, extensions=[extension])


def ask(schema: strawberry.Schema, query: str) -> Any:
    result = schema.execute_sync(query, context_value={"user": "alice"})
    assert result.errors is None
    return result.data


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("query", READS)
def test_a_changed_row_is_read_anew_in_every_type_that_shows_it(
    schema: strawberry.Schema, query: str, change: str
) -> None:
    with record(schema) as recording:
        ask(schema, query)
        ask(schema, query)
        assert_hit(recording.last)
        with suppress(KeyboardInterrupt):
            ask(schema, change)
        ask(schema, query)
        assert_miss(recording.last)


def test_a_mutation_invalidates_only_its_object_in_another_type(schema: strawberry.Schema) -> None:
    first, second = "{ novel(pk: 1) { title } }", "{ novel(pk: 2) { title } }"
    with record(schema) as recording:
        for query in (first, second, CHANGES[1], first):
            ask(schema, query)
        assert_miss(recording.last)
        ask(schema, second)
        assert_hit(recording.last)


def test_a_mutation_leaves_responses_of_other_models_cached(schema: strawberry.Schema) -> None:
    query = "{ authors { name } }"
    with record(schema) as recording:
        for each in (query, CHANGES[1], query):
            ask(schema, each)
        assert_hit(recording.last)
