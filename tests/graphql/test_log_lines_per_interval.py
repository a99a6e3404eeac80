"""What happens again and again is logged once per interval: no request and no client floods the log."""

from collections.abc import Callable
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from strawberry_response_cache.core._cache import tenant_of
from tests.core.logs import facts_of, ours

TIMES = 30


@strawberry.type
class Item:
    id: strawberry.ID
    weight: float = 1.5

    @cache_control(ttl=60, tags=["weight:{parent.weight}"])
    @strawberry.field
    def heavy(self) -> bool:
        return True


@strawberry.type
class Query:
    @strawberry.field
    def items(self) -> list[Item]:
        return [Item(id=strawberry.ID(str(number))) for number in range(TIMES)]


@strawberry.type
class Mutation:
    @invalidates("item:{result.weight}")
    @strawberry.mutation
    def weigh(self) -> Item:
        return Item(id=strawberry.ID("1"))

    @invalidates("item")
    @strawberry.mutation
    def sort(self) -> bool:
        return True


def _fail(_: Any) -> Any:
    raise LookupError


def aliased(field: str) -> str:
    return "mutation { " + " ".join(f"a{n}: {field}" for n in range(TIMES)) + " }"


@pytest.mark.parametrize(
    ("query", "times", "options"),
    [
        (aliased("weigh { id }"), 1, {}),
        ("{ items { heavy } }", 1, {}),
        ("mutation { sort }", TIMES, {"on_commit": _fail}),
        ("mutation { sort }", TIMES, {"on_commit": lambda _: _nothing()}),
        ("mutation { sort }", TIMES, {"tenant": _fail}),
    ],
    ids=["unfilled after a mutation", "unfilled", "on_commit", "async on_commit", "no tenant"],
)
async def test_each_log_line_is_written_once_per_interval(
    memory_cache: ResponseCache,
    caplog: pytest.LogCaptureFixture,
    query: str,
    times: int,
    options: dict[str, Any],
) -> None:
    extension = ResponseCacheExtension(memory_cache, **({"tenant": None} | options))
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    for _ in range(times):
        result = await schema.execute(query)
        assert result.errors is None
    lines = [record.getMessage() for record in ours(caplog.records)]
    assert lines
    assert len(lines) == len({line.partition("(")[0] for line in lines})


async def _nothing() -> None:
    pass


async def test_unstorable_values_and_failed_refreshes_are_logged_once_per_interval(
    new_cache: Callable[..., ResponseCache], raw_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cache = new_cache("memory://", strict=False)

    async def unstorable() -> object:
        return (1, 2)

    async def old() -> str:
        return "old"

    async def fail() -> str:
        raise LookupError

    for number in range(TIMES):
        key = [str(number)]
        await cache.remember(key, 1000, old, stale=1000)
        entry = tenant_of(cache).keys(key).entry
        raw_of(cache).pexpire(entry, 900_000)
        await cache.remember(key, 1000, fail, stale=1000)
        await cache.remember(["unstorable"], 1000, unstorable)
    refresh, value = ours(caplog.records)
    assert "A refresh failed" in refresh.getMessage()
    assert "A value cannot be stored" in value.getMessage()
    assert facts_of(refresh)["response_cache.failures"] == 1
