"""`max_ttl` on the extension caps every ttl: what is stored, and what is said of it."""

from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
    restrict_cache,
)
from tests.graphql.ledger import outcome, status

HOUR = 3600


@cache_control(ttl=HOUR)
@strawberry.type
class Typed:
    name: str = "typed"


@strawberry.type
class Account:
    id: strawberry.ID

    @cache_control(ttl=HOUR)
    @strawberry.field
    def balance(self) -> int:
        return 12


@strawberry.type
class Query:
    @cache_control(ttl=HOUR)
    @strawberry.field
    def long(self) -> str:
        return "long"

    @cache_control(ttl=20)
    @strawberry.field
    def short(self) -> str:
        return "short"

    @cache_control()
    @strawberry.field
    def typed(self) -> Typed:
        return Typed()

    @cache_control(ttl=HOUR, stale=HOUR)
    @strawberry.field
    def restricted(self, info: strawberry.Info, ttl: int) -> str:
        restrict_cache(info, ttl=ttl)
        return "restricted"

    @cache_control(ttl=HOUR)
    @strawberry.field
    def account(self) -> Account:
        return Account(id=strawberry.ID("1"))

    @strawberry.field
    def plain(self) -> Account:
        return Account(id=strawberry.ID("2"))


def schema_of(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True, **options)
    return strawberry.Schema(Query, extensions=[extension])


@pytest.mark.parametrize(
    ("query", "options", "ttl"),
    [
        ("{ long }", {}, 60),
        ("{ short }", {}, 20),
        ("{ long short }", {}, 20),
        ("{ typed { name } }", {}, 60),
        ("{ plain { id } }", {"default_ttl": HOUR}, 60),
        ("{ plain { id } }", {"default_ttl": 30}, 30),
        ("{ restricted(ttl: 120) }", {}, 60),
        ("{ restricted(ttl: 30) }", {}, 30),
    ],
)
def test_max_ttl_caps_a_longer_ttl_wherever_it_is_written(
    cache: ResponseCache, query: str, options: dict[str, Any], ttl: int
) -> None:
    schema = schema_of(cache, max_ttl=60, **options)
    said = outcome(schema.execute_sync(query))
    assert (said["status"], said["ttl"]) == ("miss", ttl)
    assert ttl - 5 <= outcome(schema.execute_sync(query))["ttl"] <= ttl
    if "restricted" not in query:  # which nothing knows beforehand
        assert explain(schema, query).ttl == ttl


def test_max_ttl_caps_the_entries_of_fields(cache: ResponseCache) -> None:
    schema = schema_of(cache, max_ttl=60)
    for _ in range(2):
        said = outcome(schema.execute_sync("{ plain { id balance } long }"))
    assert {(each["field"], each["status"]) for each in said["fields"]} == {
        ("Account.balance", "hit"),
        ("Query.long", "hit"),
    }
    assert all(50 < each["ttl"] <= 60 for each in said["fields"])
    # None outlives the operation, so none has an entry of its own beside it.
    whole = outcome(schema.execute_sync("{ account { id balance } }"))
    assert (whole["ttl"], "fields" in whole) == (60, False)


def test_an_entry_stored_before_max_ttl_was_lowered_is_not_read(cache: ResponseCache) -> None:
    before, lower, higher = (schema_of(cache, max_ttl=ttl) for ttl in (None, 60, 7200))
    for query in ("{ long }", "{ plain { id balance } long }"):
        before.execute_sync(query)
        for said in (
            outcome(lower.execute_sync(query)),
            *outcome(lower.execute_sync(query)).get("fields", ()),
        ):
            assert said.get("ttl", 0) <= 60
    assert status(higher.execute_sync("{ long }")) == "hit"
    assert status(lower.execute_sync("{ short }")) == "miss"
    assert status(before.execute_sync("{ short }")) == "hit"


def test_check_and_explain_name_each_ttl_that_max_ttl_cuts(cache: ResponseCache) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, max_ttl=60)
    schema = strawberry.Schema(Query, extensions=[extension])
    (note,) = extension.check(schema)
    assert "max_ttl on the extension cuts the ttl to 60 s" in note
    assert "Query.long" in note
    assert "Query.short" not in note
    told = explain(schema, "{ long }")
    assert told.limited_by == "Query.long"
    assert told.notes == (note,)
    assert explain(schema, "{ short }").notes == ()
    field, *_ = explain(schema, "{ plain { balance } }").fields[0].fields
    assert (field.ttl, field.own_ttl) == (60, 60)
    unlimited = ResponseCacheExtension(cache, tenant=None)
    assert unlimited.check(strawberry.Schema(Query, extensions=[unlimited])) == ()
