"""How many functions of this package a request calls: what it costs, however busy the machine is.

The bounds are a little above what was counted. A request that needs more is slower than before.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.counted_calls import counted

_DOCUMENT: Final = "query Titles($count: Int!) { %s(count: $count) }"


@strawberry.type
class Book:
    id: strawberry.ID
    title: str


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def books(self, count: int) -> list[Book]:
        return [Book(id=strawberry.ID(str(number)), title="Romola") for number in range(count)]

    @cache_control(ttl=60)
    @strawberry.field
    def titles(self, count: int) -> list[str]:
        return ["Silas Marner"] * count

    @strawberry.field
    def newest(self, count: int) -> list[str]:
        return ["Middlemarch"] * count


@strawberry.type(name="Query")
class WithoutHints:
    @strawberry.field
    def newest(self, count: int) -> list[str]:
        return ["Middlemarch"] * count


def asking(
    cache: ResponseCache, query: type = Query, field: str = "titles", *, is_sync: bool = False
) -> Callable[[int], Awaitable[Any]]:
    schema = strawberry.Schema(query, extensions=[ResponseCacheExtension(cache, tenant=None)])

    async def ask(count: int) -> Any:
        variables = {"count": count}
        if is_sync:
            return schema.execute_sync(_DOCUMENT % field, variables)
        return await schema.execute(_DOCUMENT % field, variables)

    return ask


@pytest.mark.parametrize("is_sync", [False, True])
async def test_a_hit_in_local_memory_calls_few_functions(
    new_cache: Callable[..., ResponseCache], *, is_sync: bool
) -> None:
    cache = new_cache("memory://", local_bytes=1_000_000)
    ask = asking(cache, is_sync=is_sync)
    for _ in range(5):
        await ask(2)

    with counted() as calls:
        result = await ask(2)

    assert result.data == {"titles": ["Silas Marner"] * 2}
    assert cache.statistics().operations.local_hits
    assert calls.total() <= 118, calls.most_common()


async def test_a_miss_calls_few_functions_and_few_for_each_object(
    memory_cache: ResponseCache,
) -> None:
    schema = strawberry.Schema(
        Query, extensions=[ResponseCacheExtension(memory_cache, tenant=None)]
    )
    document = "query Books($count: Int!) { books(count: $count) { id title } }"

    async def calls_of(count: int) -> Counter[str]:
        with counted() as calls:
            result = await schema.execute(document, {"count": count})
        assert result.data is not None
        return calls

    for count in range(5):
        await calls_of(count)
    few, many = await calls_of(10), await calls_of(30)

    assert few.total() <= 545, few.most_common()
    assert many.total() - few.total() <= 20 * 6, (many - few).most_common()


@pytest.mark.parametrize("query", [Query, WithoutHints])
async def test_an_operation_that_is_never_cached_calls_few_functions(
    memory_cache: ResponseCache, query: type
) -> None:
    """Whatever its variables are: only the first request with a document is looked at."""
    ask = asking(memory_cache, query, "newest")
    await ask(1)

    with counted() as calls:
        result = await ask(2)

    assert result.data == {"newest": ["Middlemarch"] * 2}
    assert calls.total() <= 90, calls.most_common()
    assert not calls["OriginalVariables.__init__"]
    assert not calls["Plan.variant"]


async def test_a_hit_in_redis_makes_one_future_and_no_task(
    valkey_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = asking(valkey_cache)
    for _ in range(5):
        await ask(2)
    loop, made = asyncio.get_running_loop(), Counter[str]()

    def note(name: str) -> None:
        original = getattr(loop, name)

        def noting(*arguments: Any, **named: Any) -> Any:
            made[name] += 1
            return original(*arguments, **named)

        monkeypatch.setattr(loop, name, noting)

    for name in ("create_future", "create_task", "call_soon", "call_later", "call_at"):
        note(name)
    result = await ask(2)

    assert result.data == {"titles": ["Silas Marner"] * 2}
    # The lookup is sent at the end of this turn of the loop, and its answer resumes the request.
    assert made == {"create_future": 1, "call_soon": 2}
