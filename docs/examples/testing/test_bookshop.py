"""The application's tests: what is cached, for how long, for whom, and what a mutation invalidates."""

import pytest
import strawberry

from strawberry_response_cache import CacheScope, Reason, explain
from strawberry_response_cache.testing import (
    Recording,
    assert_bypass,
    assert_hit,
    assert_invalidated,
    assert_miss,
)

ALICE = {"shop": "main street", "user": "alice"}
BOB = {"shop": "main street", "user": "bob"}


def test_the_list_of_books_is_cached(schema: strawberry.Schema, recording: Recording) -> None:
    schema.execute_sync("{ books { title } }", context_value=ALICE)
    assert_miss(recording.last)
    schema.execute_sync("{ books { title } }", context_value=BOB)
    assert_hit(recording.last)


def test_the_list_of_books_is_cached_for_a_minute(schema: strawberry.Schema) -> None:
    assert explain(schema, "{ books { title } }").ttl == 60


@pytest.mark.asyncio
async def test_a_basket_is_cached_for_its_user(
    schema: strawberry.Schema, recording: Recording
) -> None:
    basket = "{ basket { title } }"
    hers = await schema.execute(basket, context_value=ALICE)
    his = await schema.execute(basket, context_value=BOB)
    assert_miss(recording.last)
    assert recording.last.scope is CacheScope.PRIVATE
    assert hers.data != his.data
    await schema.execute(basket, context_value=ALICE)
    assert_hit(recording.last)


def test_the_number_of_visitors_is_not_cached(
    schema: strawberry.Schema, recording: Recording
) -> None:
    for _ in range(2):
        schema.execute_sync("{ visitors books { title } }", context_value=ALICE)
        assert_bypass(recording.last, reason=Reason.ROOT_WITHOUT_HINT)
    assert_hit(recording.last.of_field("Query.books"))  # it has an entry of its own


def test_a_new_title_is_seen_at_once(schema: strawberry.Schema, recording: Recording) -> None:
    schema.execute_sync("{ books { title } }", context_value=ALICE)
    schema.execute_sync('mutation { rename(book: "1", title: "Momo 2") { id } }', context_value=BOB)
    assert_invalidated(recording.last, "Book:1", "[Book]")
    result = schema.execute_sync("{ books { title } }", context_value=ALICE)
    assert_miss(recording.last)
    assert result.data == {"books": [{"title": "Momo 2"}, {"title": "Emma"}]}
