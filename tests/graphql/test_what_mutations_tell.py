"""A debugged mutation tells which types and lists it invalidated, and when; never which objects."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate_sync,
    invalidates,
)
from tests.core.logs import facts_of, ours
from tests.graphql.ledger import outcome

SECRET = "s3cret"


@strawberry.type
class Book:
    id: strawberry.ID


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def books(self) -> list[Book]:
        return []


@strawberry.type
class Mutation:
    @invalidates("shelf:{args.shelf}", "Query", "none at all")
    @strawberry.mutation
    def add(self, shelf: str) -> Book:
        return Book(id=strawberry.ID(SECRET))

    @strawberry.mutation
    def nothing(self) -> bool:
        return True

    @invalidates("{result.nothing}")
    @strawberry.mutation
    def all(self) -> Book:
        return Book(id=strawberry.ID(SECRET))

    @strawberry.mutation
    def told(self, info: strawberry.Info) -> bool:
        invalidate_sync(info, f"Book:{SECRET}")
        return True


ADD = f'mutation {{ add(shelf: "{SECRET}") {{ id }} }}'
ADDED = {"types": ["Book", "Query"], "lists": ["[Book]"], "tags": 5}
WAYS = ["execute", "execute_sync", "stream"]


async def said(schema: strawberry.Schema, way: str, query: str = ADD) -> dict[str, Any]:
    """Return what the answer says."""
    if way == "execute":
        result: Any = await schema.execute(query)
    elif way == "execute_sync":
        result = schema.execute_sync(query)
    else:
        stream: Any = await schema.stream(query)
        [result] = [frame async for frame in stream]
    assert not result.errors
    return outcome(result)


def served(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True, **options)
    return strawberry.Schema(Query, Mutation, extensions=[extension])


@pytest.mark.parametrize("way", WAYS)
async def test_a_mutation_names_the_types_and_lists_that_it_invalidated(
    memory_cache: ResponseCache, way: str
) -> None:
    answer = await said(served(memory_cache), way)
    assert answer["invalidated"] == {"when": "now"} | ADDED
    assert SECRET not in str(answer)
    assert "none at all" not in str(answer)


@pytest.mark.parametrize("way", WAYS)
async def test_a_mutation_that_invalidates_nothing_names_nothing(
    memory_cache: ResponseCache, way: str
) -> None:
    assert "invalidated" not in await said(served(memory_cache), way, "mutation { nothing }")
    answer = await said(served(memory_cache), way, "mutation { told }")
    assert answer["invalidated"] == {"when": "now", "types": ["Book"], "lists": [], "tags": 1}


async def test_a_mutation_that_invalidates_the_tenant_says_so(memory_cache: ResponseCache) -> None:
    answer = await said(served(memory_cache), "execute", "mutation { all { id } }")
    assert answer["invalidated"]["everything"] is True


@pytest.mark.parametrize("way", WAYS)
async def test_a_mutation_says_that_its_invalidation_is_deferred(
    memory_cache: ResponseCache, way: str
) -> None:
    deferred: list[Callable[[], object]] = []
    answer = await said(served(memory_cache, on_commit=deferred.append), way)
    assert answer["invalidated"] == {"when": "deferred"} | ADDED
    answer = await said(served(memory_cache, on_commit=lambda function: function()), way)
    assert answer["invalidated"] == {"when": "now"} | ADDED


@pytest.fixture
def replica(raw_valkey: Any) -> Iterator[None]:
    """A server that takes no writes."""
    raw_valkey.replicaof("127.0.0.1", "1")
    yield
    raw_valkey.replicaof("NO", "ONE")


@pytest.mark.usefixtures("replica")
@pytest.mark.parametrize("way", WAYS)
async def test_a_mutation_says_that_its_invalidation_is_queued(
    valkey_url: str, new_cache: Callable[..., ResponseCache], way: str
) -> None:
    cache = new_cache(valkey_url, invalidate_deadline=0.1)
    answer = await said(served(cache), way)
    assert answer["invalidated"] == {"when": "queued"} | ADDED


@pytest.mark.parametrize("way", WAYS)
async def test_the_log_counts_the_tags(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    caplog.set_level(logging.DEBUG, "strawberry_response_cache")
    await said(served(memory_cache), way)
    [record] = [r for r in ours(caplog.records) if "A mutation invalidated" in r.getMessage()]
    assert record.getMessage() == "A mutation invalidated 5 tags (now)."
    assert facts_of(record) == {
        "response_cache.tag.count": 5,
        "response_cache.invalidate.kind": "tags",
    }


async def test_only_a_mutation_with_debug_reports_what_it_invalidated(
    memory_cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    result: Any = await schema.execute(ADD)
    assert "responseCache" not in (result.extensions or {})
