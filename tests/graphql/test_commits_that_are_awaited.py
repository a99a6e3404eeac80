"""Whoever commits outside the schema can wait for the invalidation, and then send the answer."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from tests.graphql.conftest import UntilInvalidated
from tests.graphql.test_mutations_cut_off import Changes, Things

Deferred: TypeAlias = Callable[[], Awaitable[None]]
QUERY = "{ thing { number } }"


class Shop:
    """A schema whose mutations are committed by the test."""

    def __init__(self, cache: ResponseCache) -> None:
        self.deferred: list[Deferred] = []
        ours = ResponseCacheExtension(cache, tenant=None, on_commit=self.deferred.append)
        self.schema = strawberry.Schema(Things, Changes, extensions=[ours])
        self.context: dict[str, Any] = {"rows": {"number": 1}}

    async def read(self) -> Any:
        result = await self.schema.execute(QUERY, context_value=self.context)
        return result.data and result.data["thing"]["number"]

    async def change(self) -> Deferred:
        await self.schema.execute("mutation { bump { number } }", context_value=self.context)
        assert await self.read() == 1  # the old data, until it is committed
        return self.deferred.pop()


async def test_a_read_after_the_awaited_invalidation_is_fresh(cache: ResponseCache) -> None:
    shop = Shop(cache)
    assert await shop.read() == 1
    await (await shop.change())()
    assert await shop.read() == 2


async def test_a_deferred_invalidation_can_be_awaited_in_another_event_loop(
    cache: ResponseCache,
) -> None:
    shop = Shop(cache)
    assert await shop.read() == 1
    invalidate = await shop.change()

    async def commit() -> None:
        await invalidate()

    await asyncio.to_thread(asyncio.run, commit())
    assert await shop.read() == 2


async def test_a_thread_that_commits_waits_for_the_invalidation_without_awaiting(
    cache: ResponseCache,
) -> None:
    shop = Shop(cache)
    assert await shop.read() == 1
    ended = await asyncio.to_thread(await shop.change())
    assert await shop.read() == 2
    await ended


async def test_on_commit_of_a_sync_mutation_gets_a_function_that_can_be_awaited(
    cache: ResponseCache,
) -> None:
    shop = Shop(cache)
    assert await shop.read() == 1

    def mutate() -> None:
        result = shop.schema.execute_sync(
            "mutation { bumpSync { number } }", context_value=shop.context
        )
        assert result.errors is None

    thread = threading.Thread(target=mutate)
    thread.start()
    await asyncio.to_thread(thread.join)
    await shop.deferred.pop()()
    assert await shop.read() == 2


async def test_a_waiter_that_is_cancelled_does_not_stop_the_invalidation(
    cache: ResponseCache, until_invalidated: UntilInvalidated
) -> None:
    shop = Shop(cache)
    assert await shop.read() == 1
    waited = (await shop.change())()
    assert inspect.isawaitable(waited)
    waiter = asyncio.ensure_future(waited)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await until_invalidated()
    assert await shop.read() == 2


def test_on_commit_may_return_the_result_of_the_invalidation(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    ours = ResponseCacheExtension(cache, tenant=None, on_commit=lambda invalidate: invalidate())
    schema = strawberry.Schema(Things, Changes, extensions=[ours])
    context = {"rows": {"number": 1}}
    for expected in (1, 2):
        result = schema.execute_sync(QUERY, context_value=context)
        assert result.data == {"thing": {"number": expected}}
        schema.execute_sync("mutation { bumpSync { number } }", context_value=context)
    assert not caplog.records
