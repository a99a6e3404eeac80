"""An answer goes when its request is over, and not when the garbage collector comes by.

It would hold the memory of hundreds of large answers: the collector counts objects, and not their size.
"""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.graphql.ledger import outcome

LINES = 1_000
LARGE = 1_000_000
TIMES = 8

QUERIES = {
    "stored": "query($n: Int!) { pages(n: $n) }",
    "hit": "{ pages(n: 0) }",
    "private": "{ own }",
    "too large": "{ book }",
    "fields by themselves": "{ pages(n: 0) uncached }",
    "mutation": "mutation { write }",
}


def lines(times: int = 1) -> list[str]:
    return [f"{number:01000}" for number in range(LINES * times)]


@strawberry.type
class Query:
    @cache_control(ttl=600)
    @strawberry.field
    def pages(self, n: int) -> list[str]:
        return lines()

    @cache_control(ttl=600, scope=CacheScope.PRIVATE)
    @strawberry.field
    def own(self) -> list[str]:
        return lines()

    @cache_control(ttl=600)
    @strawberry.field
    def book(self) -> list[str]:
        return lines(2)

    @strawberry.field
    def uncached(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    def write(self) -> list[str]:
        return lines()


@pytest.fixture
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("face", ["execute", "execute_sync"])
@pytest.mark.parametrize(
    "what",
    [
        *("stored", "hit", "too large"),
        *(
            pytest.param(what, marks=pytest.mark.exhaustive)
            for what in QUERIES
            if what not in {"stored", "hit", "too large"}
        ),
    ],
)
async def test_the_memory_of_an_answer_is_freed_when_its_request_ends(
    new_cache: Callable[..., ResponseCache], url: str, face: str, what: str
) -> None:
    cache = new_cache(url, max_entry_bytes=LARGE * 3 // 2, confirmed_bytes=0, compress_above=10**9)
    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: "alice", debug=True)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])

    async def ask(number: int) -> Any:
        given = {"n": number} if "$n" in QUERIES[what] else None
        if face == "execute_sync":
            return schema.execute_sync(QUERIES[what], given)
        return await schema.execute(QUERIES[what], given)

    first = await ask(0)
    assert first.errors is None
    if what == "too large":
        assert outcome(first)["reason"] == "too_large"
    del first
    before, _ = tracemalloc.get_traced_memory()
    for number in range(TIMES):
        await ask(number)
    await asyncio.sleep(0)  # the loop itself holds what woke this task
    after, _ = tracemalloc.get_traced_memory()

    in_process = TIMES * LARGE * 1.2 if what == "stored" and url == "memory://" else 0
    assert after - before < LARGE + in_process, "less than one of the eight answers is left"


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("face", ["execute", "execute_sync"])
@pytest.mark.parametrize("query", ["{ book }", "{ book uncached }"])
async def test_a_result_that_is_too_large_is_noticed_before_it_is_copied(
    new_cache: Callable[..., ResponseCache], face: str, query: str
) -> None:
    cache = new_cache("memory://", max_entry_bytes=LARGE)
    extension = ResponseCacheExtension(cache, tenant=None)

    async def peak(*extensions: Any) -> int:
        schema = strawberry.Schema(Query, extensions=extensions)
        for _ in range(2):  # the second time nothing is set up any more
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            result: Any = (
                schema.execute_sync(query)
                if face == "execute_sync"
                else await schema.execute(query)
            )
            _, highest = tracemalloc.get_traced_memory()
            assert result.errors is None
            del result
        return highest - before

    assert await peak(extension) < await peak() + LARGE, "less than half of the answer"
