"""`default_resolver=getitem`: what is read from mappings and rows counts as attributes do."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from operator import getitem
from types import MappingProxyType
from typing import Any

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
    invalidates,
)
from tests.graphql.ledger import outcome, status


@strawberry.type
class Owner:
    name: str


@strawberry.type
class Account:
    id: strawberry.ID
    name: str
    owner: Owner | None = None

    @cache_control(ttl=60, tags=["named:{parent.name}"])
    @strawberry.field
    def balance(self, info: strawberry.Info) -> str:
        info.context["runs"].append(self["id"])  # type: ignore[index] # a row stands for it
        return f"balance of {self['id']}"  # type: ignore[index] # as above

    @cache_control(ttl=60, key="name")
    @strawberry.field
    def initial(self) -> str:
        return str(self["name"][0])  # type: ignore[index] # as above


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def account(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        made: Account = info.context["row"](id)
        return made

    @strawberry.field
    def fresh(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        made: Account = info.context["row"](id)
        return made


@strawberry.type
class Mutation:
    @invalidates("named:{result.name}")
    @strawberry.mutation
    def touch(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        made: Account = info.context["row"](id)
        return made


class Labelled(dict[str, Any]):
    """A mapping whose attribute is not what GraphQL reads."""

    id = "the same for all"
    name = "so is this"


def of_sqlite(values: dict[str, Any]) -> Any:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(
            "select ? as id, ? as name, null as owner", (values["id"], values["name"])
        ).fetchone()


ROWS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "dict": dict,
    "proxy": MappingProxyType,
    "labelled": Labelled,
    "sqlite": of_sqlite,
}


@pytest.fixture(params=sorted(ROWS))
def context(request: pytest.FixtureRequest) -> dict[str, Any]:
    made = ROWS[request.param]
    owner = {"name": "bank"} if request.param != "sqlite" else None
    return {"runs": [], "row": lambda id: made({"id": id, "name": f"n{id}", "owner": owner})}  # noqa: A006 - as schemas have it


def schema_of(cache: ResponseCache, resolver: Any = getitem) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    config = StrawberryConfig(default_resolver=resolver)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension], config=config)
    assert not any("balance" in note for note in extension.check(schema))
    return schema


def test_plain_fields_of_mappings_are_attributes(
    cache: ResponseCache, context: dict[str, Any]
) -> None:
    schema = schema_of(cache)
    query = '{ account(id: "1") { id name owner { name } } }'
    assert explain(schema, query).cacheable
    results = [schema.execute_sync(query, context_value=context) for _ in range(2)]
    assert [status(each) for each in results] == ["miss", "hit"]
    assert results[0].data == results[1].data
    by_default = explain(schema, query, default_ttl=30)
    assert by_default.ttl == 30  # an object without a hint


def test_fields_of_rows_have_entries_by_the_id_that_graphql_reads(
    cache: ResponseCache, context: dict[str, Any]
) -> None:
    schema = schema_of(cache)
    for number in ("1", "2", "1", "2"):
        query = f'{{ fresh(id: "{number}") {{ id balance initial }} }}'
        result = schema.execute_sync(query, context_value=context)
        assert result.data == {
            "fresh": {"id": number, "balance": f"balance of {number}", "initial": "n"}
        }
    assert {each["status"] for each in outcome(result)["fields"]} == {"hit"}
    assert context["runs"] == ["1", "2"]


def test_a_mutation_invalidates_the_row_that_it_returns(
    cache: ResponseCache, context: dict[str, Any]
) -> None:
    schema = schema_of(cache)
    queries = [f'{{ account(id: "{number}") {{ name }} }}' for number in ("1", "2")]
    fields = [f'{{ fresh(id: "{number}") {{ balance }} }}' for number in ("1", "2")]
    for query in (*queries, *fields):
        schema.execute_sync(query, context_value=context)
    schema.execute_sync('mutation { touch(id: "1") { id } }', context_value=context)
    said = [status(schema.execute_sync(query, context_value=context)) for query in queries]
    assert said == ["miss", "hit"]
    told = [outcome(schema.execute_sync(query, context_value=context)) for query in fields]
    assert [each["fields"][0]["status"] for each in told] == ["miss", "hit"]
    cache.invalidate_sync("named:n2")
    told = [outcome(schema.execute_sync(query, context_value=context)) for query in fields]
    assert [each["fields"][0]["status"] for each in told] == ["hit", "miss"]


def test_a_default_resolver_that_wraps_getitem_counts_as_a_resolver(cache: ResponseCache) -> None:
    extension = ResponseCacheExtension(cache, tenant=None)
    config = StrawberryConfig(default_resolver=lambda row, name: row[name])
    schema = strawberry.Schema(Query, extensions=[extension], config=config)
    told = explain(schema, '{ account(id: "1") { name } }')
    assert (told.reason or "").endswith("resolver_without_hint")
