"""An operation whose parts are of different age is not run on each request after one of them was invalidated."""

import asyncio
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.graphql.ledger import outcome, status


@pytest.mark.parametrize("is_sync", [False, True])
@pytest.mark.parametrize("ttl", [3600, 60])
async def test_a_field_older_than_an_invalidation_does_not_keep_other_fields_from_being_stored(
    cache: ResponseCache, ttl: int, is_sync: bool
) -> None:
    runs: list[str] = []

    @strawberry.type
    class Query:
        @cache_control(ttl=60, scope=CacheScope.PRIVATE, tags=["projects"])
        @strawberry.field
        def projects(self) -> list[int]:
            runs.append("projects")
            return [len(runs)]

        @cache_control(ttl=ttl)
        @strawberry.field
        def labels(self) -> list[int]:
            runs.append("labels")
            return [len(runs)]

    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: "ann", debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])

    async def ask() -> Any:
        query = "{ projects labels }"
        if is_sync:
            result = await asyncio.to_thread(schema.execute_sync, query)
        else:
            result = await schema.execute(query)
        assert result.errors is None
        return result

    assert [status(await ask()) for _ in range(2)] == ["miss", "hit"]
    await cache.invalidate("projects")
    runs.clear()
    data = [await ask() for _ in range(6)]
    assert runs.count("labels") == 0, "it was not invalidated"
    assert runs.count("projects") <= 3, "twice for the whole, once for an entry of its own"
    assert data[-1].data == data[3].data
    said = outcome(data[-1])
    assert said["reason"] == "refused"
    assert {each["status"] for each in said["fields"]} == {"hit"}
    await cache.invalidate("projects")
    before = len(runs)
    assert (await ask()).data != data[-1].data
    assert runs[before:] == ["projects"]


async def test_after_one_refusal_the_operation_is_still_stored_as_a_whole(
    cache: ResponseCache,
) -> None:
    """Redis refuses to store a response if one of its tags was invalidated while it was generated."""
    began, go_on = asyncio.Event(), asyncio.Event()

    @strawberry.type
    class Query:
        @cache_control(ttl=60, scope=CacheScope.PRIVATE, tags=["projects"])
        @strawberry.field
        async def projects(self) -> list[int]:
            began.set()
            await go_on.wait()
            return []

        @cache_control(ttl=60)
        @strawberry.field
        def labels(self) -> list[int]:
            return []

    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: "ann", debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    first = asyncio.create_task(schema.execute("{ projects labels }"))
    await began.wait()
    await cache.invalidate("projects")
    go_on.set()
    assert outcome(await first)["reason"] == "refused"
    await cache.clear()
    assert [status(await schema.execute("{ projects labels }")) for _ in range(2)] == [
        "miss",
        "hit",
    ]
