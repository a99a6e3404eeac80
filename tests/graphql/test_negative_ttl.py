"""`negative_ttl`: a root field that is null is not stored for its ordinary ttl."""

from typing import Any

import pytest
import strawberry
from strawberry.scalars import JSON

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
)
from tests.graphql.ledger import outcome, status


@strawberry.type
class Account:
    id: strawberry.ID
    note: str | None = None


@strawberry.type
class Query:
    @cache_control(ttl=60, stale=600)
    @strawberry.field
    def account(self, id: strawberry.ID) -> Account | None:  # noqa: A002 - as schemas have it
        return None if id == "none" else Account(id=id)

    @cache_control(ttl=60, stale=600)
    @strawberry.field
    def must(self) -> Account:
        return Account(id=strawberry.ID("1"))

    @cache_control(ttl=60)
    @strawberry.field
    def listed(self) -> list[Account | None]:
        return [None]

    @cache_control(ttl=60)
    @strawberry.field
    def restricted(self, info: strawberry.Info, ttl: int) -> Account | None:
        restrict_cache(info, ttl=ttl)
        return None

    @strawberry.field
    def fresh(self) -> int:
        return 1


NULL = '{ account(id: "none") { id } }'
THERE = '{ account(id: "1") { id note } }'


def schema_of(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True, **options)
    return strawberry.Schema(Query, extensions=[extension])


@pytest.mark.parametrize(
    ("query", "ttl"),
    [
        (NULL, 5),
        ('{ must { id } ... { gone: account(id: "none") { id } } }', 5),
        ("{ restricted(ttl: 30) { id } }", 5),
        ("{ restricted(ttl: 2) { id } }", 2),
        # Only a root field counts.
        (THERE, 60),
        ("{ must { note } }", 60),
        ("{ listed { id } }", 60),
        ('{ must { id } account(id: "none") @skip(if: true) { id } }', 60),
    ],
)
def test_a_null_root_field_is_stored_for_negative_ttl_at_most(
    cache: ResponseCache, query: str, ttl: int
) -> None:
    schema = schema_of(cache, negative_ttl=5)
    said = outcome(schema.execute_sync(query))
    assert (said["status"], said["ttl"]) == ("miss", ttl)
    assert status(schema.execute_sync(query)) == "hit"


def test_negative_ttl_shortens_and_never_lengthens(cache: ResponseCache) -> None:
    assert outcome(schema_of(cache, negative_ttl=900).execute_sync(NULL))["ttl"] == 60
    assert outcome(schema_of(cache, negative_ttl=900, max_ttl=7).execute_sync(NULL))["ttl"] == 7


def test_without_negative_ttl_a_null_is_stored_for_the_ordinary_ttl(cache: ResponseCache) -> None:
    assert outcome(schema_of(cache).execute_sync(NULL))["ttl"] == 60


def test_negative_ttl_holds_for_the_entry_of_a_root_field(cache: ResponseCache) -> None:
    schema = schema_of(cache, negative_ttl=5)
    for expected in ("miss", "hit"):
        said = outcome(schema.execute_sync(NULL.replace("{ account", "{ fresh account")))
        (field,) = said["fields"]
        assert (field["status"], field["field"]) == (expected, "Query.account")
        assert field["ttl"] <= 5
    there = outcome(schema.execute_sync(THERE.replace("{ account", "{ fresh account")))
    assert there["fields"][0]["ttl"] == 60


def test_a_null_is_not_stored_where_negative_ttl_is_zero(cache: ResponseCache) -> None:
    schema = schema_of(cache, negative_ttl=0)
    for _ in range(2):
        said = outcome(schema.execute_sync(NULL))
        assert (said["status"], said["reason"]) == ("bypass", "ttl_zero")
        assert "negative_ttl" in said["advice"]
    assert [status(schema.execute_sync(THERE)) for _ in range(2)] == ["miss", "hit"]


class Odd:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = object.__hash__


def test_a_value_whose_comparison_raises_is_reported_as_unserializable(
    cache: ResponseCache,
) -> None:
    @strawberry.type
    class Oddities:
        @cache_control(ttl=60)
        @strawberry.field
        def odd(self) -> JSON | None:
            return Odd()  # type: ignore[return-value] # what a scalar may hand on

    extension = ResponseCacheExtension(cache, tenant=None, debug=True, negative_ttl=0)
    result = strawberry.Schema(Oddities, extensions=[extension]).execute_sync("{ odd }")
    assert outcome(result)["reason"] == "unserializable"


@pytest.mark.parametrize("beside", ["", "fresh "], ids=["operation", "field"])
def test_a_null_has_no_stale_window(
    new_cache: Any, valkey_url: str, raw_valkey: Any, beside: str
) -> None:
    """The server drops an entry at the end of its stale window."""
    schema = schema_of(new_cache(valkey_url), negative_ttl=30)
    for query in (NULL, THERE):
        assert schema.execute_sync(query.replace("{ account", f"{{ {beside}account")).errors is None
    lives = sorted(round(raw_valkey.pttl(key) / 1000, -1) for key in raw_valkey.keys("*:e:*"))
    assert lives == [30, 660]


def test_a_null_that_was_stored_before_negative_ttl_was_lowered_is_not_read(
    cache: ResponseCache,
) -> None:
    before, lower = schema_of(cache), schema_of(cache, negative_ttl=5)
    for query in (NULL, "{ must { id } }"):
        assert status(before.execute_sync(query)) == "miss"
    assert outcome(lower.execute_sync(NULL))["ttl"] == 5
    # What cannot be null is no cold start.
    assert status(lower.execute_sync("{ must { id } }")) == "hit"
