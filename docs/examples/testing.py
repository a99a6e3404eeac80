"""A test of your own schema: what is cached, for whom, and what a mutation makes fresh."""

import strawberry
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    Reason,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def motto(self) -> str:
        return "once"

    @strawberry.field
    def now(self) -> int:
        return 12


def make_schema() -> tuple[strawberry.Schema, ResponseCache]:
    """Return a schema with an empty cache of its own, for one test."""
    cache = ResponseCache.from_url("memory://", prefix="test")
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    extension.check(schema)  # fails the test if an annotation is wrong
    return schema, cache


def status_of(result: ExecutionResult) -> str:
    assert result.errors is None
    assert result.extensions is not None
    status: str = result.extensions["responseCache"]["status"]
    return status


def test_the_motto_is_cached() -> None:
    schema, cache = make_schema()
    with cache:
        assert status_of(schema.execute_sync("{ motto }")) == "miss"
        assert status_of(schema.execute_sync("{ motto }")) == "hit"


def test_the_motto_is_cached_for_a_minute() -> None:
    schema, _ = make_schema()
    assert explain(schema, "{ motto }").ttl == 60


def test_the_time_is_not_cached() -> None:
    schema, _ = make_schema()
    explanation = explain(schema, "{ motto now }")
    assert explanation.reason is Reason.ROOT_WITHOUT_HINT
    assert explanation.limited_by == "Query.now"


if __name__ == "__main__":
    test_the_motto_is_cached()
    test_the_motto_is_cached_for_a_minute()
    test_the_time_is_not_cached()
    print("3 passed")
