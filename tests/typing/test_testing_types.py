"""The types of the helpers for users' tests, which two type checkers check; the tests run the same code once."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Literal, assert_type

import pytest
import strawberry
from strawberry.schema import BaseSchema

from strawberry_response_cache import (
    CacheScope,
    Reason,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    testing,
)
from strawberry_response_cache.testing import (
    RecordedField,
    RecordedOperation,
    Recording,
    assert_bypass,
    assert_hit,
    assert_invalidated,
    assert_miss,
    assert_stale,
    clear_all_tenants,
    clear_all_tenants_sync,
    memory_cache,
    record,
)
from strawberry_response_cache.testing.pytest import record_operations, response_cache

fixtures = (record_operations, response_cache)


def test_every_name_is_here() -> None:
    tree = ast.parse(Path(__file__).read_text("utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(testing.__all__) - used == set()


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def today(self) -> str:
        return "today"

    @strawberry.field
    def now(self) -> int:
        return 12


async def test_recorded_operations_have_types() -> None:
    cache = memory_cache("typing", stale=5)
    assert_type(cache, ResponseCache)
    assert_type(await clear_all_tenants(cache), None)
    assert_type(clear_all_tenants_sync(cache), None)
    schema = strawberry.Schema(Query, extensions=[ResponseCacheExtension(cache, tenant=None)])
    with record(schema, limit=10) as recording:
        assert_type(recording, Recording)
        for _ in range(2):
            await schema.execute("{ today now }")
    assert_type(recording.operations, tuple[RecordedOperation, ...])
    assert_type(recording.clear, Callable[[], None])
    last = recording.last
    assert_type(last.status, Literal["hit", "stale", "miss", "bypass"])
    assert_type(last.reason, Reason | None)
    assert_type(last.scope, CacheScope | None)
    assert_type(last.ttl, float | None)
    assert_type(last.operation_type, Literal["query", "mutation", "subscription"])
    assert_type(last.operation_name, str | None)
    assert_type(last.invalidated, frozenset[str])
    assert_type(last.invalidates, Literal["now", "queued", "deferred", "lost"] | None)
    assert_type(last.of_field("Query.today"), RecordedField)
    assert_type(last.fields, tuple[RecordedField, ...])
    assert_type(assert_bypass(last, reason=Reason.ROOT_WITHOUT_HINT), None)
    assert_type(assert_hit(last.of_field("Query.today")), None)
    for check in (assert_miss, assert_stale):
        with pytest.raises(AssertionError):
            check(last)
    with pytest.raises(AssertionError):
        assert_invalidated(last, "Book:42")
    await cache.aclose()


def test_fixtures_are_typed(
    response_cache: ResponseCache,
    record_operations: Callable[[BaseSchema], Recording],
) -> None:
    extension = ResponseCacheExtension(response_cache, tenant=None)
    recording = record_operations(strawberry.Schema(Query, extensions=[extension]))
    assert recording.operations == ()


async def wrong_calls(operation: RecordedOperation) -> None:
    """Never run: every line is an error to both type checkers."""
    assert_hit("Query.today")  # type: ignore[arg-type] # no operation
    assert_bypass(operation, reason="errors")  # type: ignore[arg-type] # a reason is a Reason
    memory_cache(unknown=1)  # type: ignore[call-arg] # no setting
