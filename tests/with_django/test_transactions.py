"""Invalidations follow the transactions of Django, without a setting."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import strawberry
import strawberry_django
from asgiref.sync import sync_to_async
from django.core.handlers.base import BaseHandler
from django.db import connection, transaction
from django.test import RequestFactory, TestCase
from strawberry.django.views import GraphQLView
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate_sync,
)
from strawberry_response_cache.django import invalidate_on_save
from tests.graphql.ledger import outcome, reason
from tests.with_django.bookshop import BookType
from tests.with_django.models import Book


@strawberry.type
class Query:
    books: list[BookType] = cache_control(ttl=60)(strawberry_django.field())


def renamed(title: str) -> Any:
    book = Book.objects.get(pk=1)
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


READ = "{ books { id title } }"


def schema_over(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True, **options)
    return strawberry.Schema(Query, Mutation, extensions=[extension])


def first_title(schema: strawberry.Schema) -> tuple[str, str]:
    """Return the title of the first book, and what the cache did."""
    result = schema.execute_sync(READ)
    assert result.data is not None
    return min(result.data["books"], key=lambda book: book["id"])["title"], outcome(result)[
        "status"
    ]


def rename(schema: strawberry.Schema, title: str, field: str = "rename") -> Any:
    result = schema.execute_sync(f'mutation {{ {field}(title: "{title}") {{ id title }} }}')
    assert result.errors is None
    return outcome(result)


@pytest.fixture(autouse=True)
def _a_known_title() -> None:
    Book.objects.filter(pk=1).update(title="Rocannon")


@pytest.mark.parametrize("options", [{}, {"on_commit": transaction.on_commit}])
def test_within_a_transaction_a_mutation_invalidates_after_the_commit(
    cache: ResponseCache, options: dict[str, Any]
) -> None:
    schema = schema_over(cache, **options)
    first_title(schema)
    with transaction.atomic():
        said = rename(schema, "Second")
        assert said["invalidated"]["when"] == "deferred"
        # Another request reads the old data before the commit, and finds it stored.
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(first_title, schema).result() == ("Rocannon", "hit")
    assert first_title(schema) == ("Second", "miss")


def test_without_a_transaction_a_mutation_invalidates_before_its_answer(
    cache: ResponseCache,
) -> None:
    schema = schema_over(cache)
    first_title(schema)
    for number, field in enumerate(("rename", "renameWithin")):
        assert rename(schema, f"{number}", field)["invalidated"]["when"] == "now"
        assert first_title(schema) == (f"{number}", "miss")


def test_a_rolled_back_transaction_invalidates_nothing(cache: ResponseCache) -> None:
    schema = schema_over(cache)
    first_title(schema)
    with transaction.atomic():
        rename(schema, "never")
        transaction.set_rollback(True)
    assert first_title(schema) == ("Rocannon", "hit")


def test_a_rolled_back_savepoint_invalidates_nothing(cache: ResponseCache) -> None:
    schema = schema_over(cache)
    first_title(schema)
    with transaction.atomic(), transaction.atomic():
        rename(schema, "never")
        transaction.set_rollback(True)
    assert first_title(schema) == ("Rocannon", "hit")


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_query_in_the_transaction_of_a_mutation_is_not_cached(
    cache: ResponseCache, *, is_stored: bool
) -> None:
    schema = schema_over(cache)
    if is_stored:
        first_title(schema)
    with transaction.atomic():
        with transaction.atomic():
            rename(schema, "never")
            result = schema.execute_sync(READ)
            assert result.data is not None
            assert {"id": "1", "title": "never"} in result.data["books"]
            assert reason(result) == "invalidation_pending"
            transaction.set_rollback(True)
        assert first_title(schema) == ("Rocannon", "hit" if is_stored else "miss")
    assert first_title(schema) == ("Rocannon", "hit")


@pytest.mark.parametrize("field", ["touched", "renamedBy"])
def test_a_query_that_changes_rows_is_not_stored_before_the_commit(
    cache: ResponseCache, signals_of_its_own: None, field: str
) -> None:
    @strawberry.type
    class Reads(Query):
        @cache_control(ttl=60)
        @strawberry_django.field
        def touched(self) -> BookType:
            return renamed("never")

        @cache_control(ttl=60)
        @strawberry_django.field
        def renamed_by(self, info: strawberry.Info) -> BookType:
            Book.objects.filter(pk=1).update(title="never")
            invalidate_sync(info, "BookType:1")
            return Book.objects.get(pk=1)

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Reads, extensions=[extension])
    invalidate_on_save(schema)
    query = f"{{ {field} {{ title }} }}"
    with transaction.atomic():
        assert reason(schema.execute_sync(query)) == "invalidation_pending"
        transaction.set_rollback(True)
    assert outcome(schema.execute_sync(query))["status"] == "miss"


def test_an_invalidation_by_a_query_is_repeated_after_the_commit(
    cache: ResponseCache,
) -> None:
    @strawberry.type
    class Reads(Query):
        @strawberry_django.field
        def rename(self, info: strawberry.Info, title: str) -> bool:
            Book.objects.filter(pk=1).update(title=title)
            invalidate_sync(info, "BookType")
            return True

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Reads, extensions=[extension])
    with transaction.atomic():
        assert schema.execute_sync('{ rename(title: "Second") }').errors is None
        with ThreadPoolExecutor(1) as pool:  # what is not committed yet is not to be seen there
            assert pool.submit(first_title, schema).result() == ("Rocannon", "miss")
    assert first_title(schema) == ("Second", "miss")


def test_a_batch_that_is_rolled_back_leaves_nothing_stored(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(
        Query,
        Mutation,
        extensions=[extension],
        config=StrawberryConfig(batching_config={"max_operations": 2}),
    )
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    view = GraphQLView.as_view(schema=schema)

    def rolled_back(request: Any) -> Any:
        response = view(request)
        transaction.set_rollback(True)
        return response

    batch = [{"query": 'mutation { rename(title: "never") { id } }'}, {"query": READ}]
    request = RequestFactory().post("/", batch, content_type="application/json")
    answers = json.loads(BaseHandler().make_view_atomic(rolled_back)(request).content)
    assert {"id": "1", "title": "never"} in answers[1]["data"]["books"]
    assert first_title(schema) == ("Rocannon", "miss")


def test_queries_are_cached_after_a_test_ran_its_captured_callbacks(cache: ResponseCache) -> None:
    schema = schema_over(cache)
    with transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True):
            rename(schema, "captured")
        assert first_title(schema) == ("captured", "miss")
        assert first_title(schema) == ("captured", "hit")
        transaction.set_rollback(True)


def test_a_view_with_atomic_requests_needs_no_setting(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = schema_over(cache)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    view = GraphQLView.as_view(schema=schema)

    def post(query: str) -> Any:

        request = RequestFactory().post("/", {"query": query}, content_type="application/json")
        handled = BaseHandler().make_view_atomic(view)(request)
        return json.loads(handled.content)

    for number in range(5):
        post(READ)
        post(f'mutation {{ rename(title: "{number}") {{ id }} }}')
        answer = post(READ)
        assert min(answer["data"]["books"], key=lambda book: book["id"])["title"] == str(number)
        assert answer["extensions"]["responseCache"]["status"] == "miss"


@pytest.mark.parametrize("options", [{}, {"on_commit": transaction.on_commit}])
async def test_an_async_view_invalidates_before_its_answer_and_logs_nothing(
    cache: ResponseCache, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    schema = schema_over(cache, **options)
    await schema.execute(READ)
    with caplog.at_level(logging.WARNING):
        changed = await schema.execute('mutation { rename(title: "async") { id } }')
    assert changed.errors is None
    assert outcome(changed)["invalidated"]["when"] == "now"
    assert caplog.records == []
    title, status = await sync_to_async(first_title)(schema)
    assert (title, status) == ("async", "miss")
