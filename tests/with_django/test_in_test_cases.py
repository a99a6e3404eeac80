"""In a ``TestCase`` of Django, which is a transaction that is never committed, the cache does what it does elsewhere."""

import unittest
from typing import Any

import pytest
import strawberry
import strawberry_django
from django.db import transaction
from django.test import TestCase

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.django import invalidate_on_save
from tests.graphql.ledger import outcome
from tests.with_django.bookshop import BookType
from tests.with_django.models import Author, Book

READ = "{ books { title } }"


@strawberry.type
class Query:
    books: list[BookType] = cache_control(ttl=60)(strawberry_django.field())


def renamed(title: str) -> Any:
    book = Book.objects.get(title="Aleph")
    book.title = title
    book.save()
    return book


@strawberry.type
class Mutation:
    @strawberry_django.mutation
    def rename(self, title: str) -> BookType:
        return renamed(title)

    @strawberry_django.mutation
    def rename_within(self, title: str) -> BookType:
        with transaction.atomic():
            return renamed(title)


@pytest.fixture
def schema(cache: ResponseCache) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    return strawberry.Schema(Query, Mutation, extensions=[extension])


class WithABook(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        author = Author.objects.create(name="Jorge")
        Book.objects.create(title="Aleph", author=author)


def run(case: type[unittest.TestCase]) -> None:
    """Run the tests of a class."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun
    assert not (said := [text for _, text in result.errors + result.failures]), said[0]


def test_rows_created_in_the_set_up_do_not_prevent_caching(
    schema: strawberry.Schema, signals_of_its_own: None
) -> None:
    invalidate_on_save(schema)

    class Case(WithABook):
        def test_the_second_query_is_a_hit(self) -> None:
            said = [outcome(schema.execute_sync(READ))["status"] for _ in range(2)]
            assert said[1] == "hit"

    run(Case)


@pytest.mark.parametrize("mutation", ["rename", "renameWithin"])
@pytest.mark.parametrize("is_watched", [False, True])
def test_a_mutation_outside_of_transactions_invalidates_before_its_answer(
    schema: strawberry.Schema, signals_of_its_own: None, mutation: str, *, is_watched: bool
) -> None:
    if is_watched:
        invalidate_on_save(schema)

    class Case(WithABook):
        def test_the_change_is_seen(self) -> None:
            schema.execute_sync(READ)
            with self.captureOnCommitCallbacks(execute=True):
                result = schema.execute_sync(f'mutation {{ {mutation}(title: "Zahir") {{ id }} }}')
            assert outcome(result)["invalidated"]["when"] == "now"
            answers = [schema.execute_sync(READ) for _ in range(2)]
            assert [outcome(each)["status"] for each in answers] == ["miss", "hit"]
            for each in answers:
                assert each.data is not None
                assert {"title": "Zahir"} in each.data["books"]

    run(Case)


def test_what_is_saved_outside_of_transactions_is_invalidated_at_once(
    schema: strawberry.Schema, signals_of_its_own: None
) -> None:
    invalidate_on_save(schema)

    class Case(WithABook):
        def test_the_change_is_seen(self) -> None:
            schema.execute_sync(READ)
            renamed("Zahir")
            result = schema.execute_sync(READ)
            assert result.data is not None
            assert {"title": "Zahir"} in result.data["books"]
            assert outcome(result)["status"] == "miss"

    run(Case)


def test_queries_run_uncached_while_an_invalidation_waits_for_a_commit_in_a_test(
    schema: strawberry.Schema, signals_of_its_own: None
) -> None:
    class Case(WithABook):
        def test_the_change_is_seen(self) -> None:
            schema.execute_sync(READ)
            with transaction.atomic():
                result = schema.execute_sync('mutation { rename(title: "Zahir") { id } }')
            assert outcome(result)["invalidated"]["when"] == "deferred"
            result = schema.execute_sync(READ)
            assert result.data is not None
            assert {"title": "Zahir"} in result.data["books"]
            assert outcome(result)["reason"] == "invalidation_pending"

    run(Case)
