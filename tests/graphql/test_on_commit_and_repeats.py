"""What `on_commit` answers, and when `invalidate_again` repeats an invalidation."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    CacheConfigurationError,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.conftest import Eventually
from tests.graphql.ledger import status

THING = '{ thing(id: "1") { id } }'
CHANGE = 'mutation { change(id: "1") { id } }'


@strawberry.type
class Thing:
    id: strawberry.ID


@strawberry.type
class Things:
    @cache_control(ttl=60)
    @strawberry.field
    def thing(self, id: strawberry.ID) -> Thing:  # noqa: A002 - as schemas have it
        return Thing(id=id)


@strawberry.type
class Changes:
    @strawberry.mutation
    def change(self, id: strawberry.ID) -> Thing:  # noqa: A002 - as schemas have it
        return Thing(id=id)


@pytest.fixture
def told() -> list[tuple[str, ...]]:
    return []


@pytest.fixture
def telling(told: list[tuple[str, ...]]) -> Iterator[ResponseCache]:
    """A cache that appends the tags of each invalidation to `told`."""
    with ResponseCache.from_url("memory://", prefix="told", on_invalidate=told.append) as cache:
        yield cache


def serve(cache: ResponseCache, **options: Any) -> Any:
    extension = ResponseCacheExtension(
        cache, tenant=None, debug=True, invalidate_on_mutation="entities", **options
    )
    return strawberry.Schema(Things, Changes, extensions=[extension])


async def ask(schema: Any, way: str, query: str) -> Any:
    return await schema.execute(query) if way == "execute" else schema.execute_sync(query)


async def _commit(function: Callable[[], None]) -> None:
    function()


class Hook:
    async def __call__(self, function: Callable[[], None]) -> None:
        function()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_an_on_commit_that_returns_a_coroutine_is_logged_and_defers_nothing(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    schema = serve(memory_cache, on_commit=lambda function: _commit(function))  # noqa: PLW0108 - so that nothing shows that it is async
    await ask(schema, way, THING)
    changed = await ask(schema, way, CHANGE)
    assert changed.extensions["responseCache"]["invalidated"]["when"] == "now"
    assert status(await ask(schema, way, THING)) == "miss"
    assert "on_commit is no plain function" in caplog.text


async def test_a_hook_that_starts_a_task_defers(memory_cache: ResponseCache) -> None:
    committed = asyncio.Event()
    started: list[asyncio.Task[None]] = []

    async def commit(function: Callable[[], None]) -> None:
        await committed.wait()
        function()

    schema = serve(
        memory_cache,
        on_commit=lambda function: started.append(asyncio.create_task(commit(function))),
    )
    await schema.execute(THING)
    changed = await schema.execute(CHANGE)
    assert changed.extensions["responseCache"]["invalidated"]["when"] == "deferred"
    assert status(await schema.execute(THING)) == "hit"
    committed.set()
    await started[0]


def test_an_object_that_is_called_like_an_async_function_is_refused(
    memory_cache: ResponseCache,
) -> None:
    with pytest.raises(CacheConfigurationError, match="on_commit is a Hook; pass a plain function"):
        serve(memory_cache, on_commit=Hook())


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_the_delay_of_a_repeat_begins_at_the_commit_and_not_at_the_mutation(
    telling: ResponseCache, told: list[tuple[str, ...]], eventually: Eventually, way: str
) -> None:
    """A transaction that is rolled back changed nothing, so nothing is repeated either."""
    deferred: list[Callable[[], None]] = []
    schema = serve(telling, on_commit=deferred.append, invalidate_again=0.01)
    await ask(schema, way, CHANGE.replace("1", "rolled back"))
    await ask(schema, way, CHANGE)
    commit = deferred.pop()
    await asyncio.to_thread(commit)
    await eventually(lambda: len(told) >= 2)
    assert told == [("Thing:1",), ("Thing:1",)], "repeats come in the order in which they are due"


async def test_a_repeat_outlives_the_event_loop_of_its_mutation(
    telling: ResponseCache, told: list[tuple[str, ...]], eventually: Eventually
) -> None:
    schema = serve(telling, invalidate_again=0.01)
    await asyncio.to_thread(asyncio.run, schema.execute(CHANGE))
    await eventually(lambda: len(told) >= 2)
    assert set(told) == {("Thing:1",)}


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_repeated_invalidations_wait_in_one_thread(
    telling: ResponseCache, told: list[tuple[str, ...]], eventually: Eventually, way: str
) -> None:
    def waiting() -> list[str]:
        return [each.name for each in threading.enumerate() if "again" in each.name]

    schema = serve(telling, invalidate_again=0.5)
    for _ in range(20):
        await ask(schema, way, CHANGE)
    assert len(waiting()) <= 1
    await eventually(lambda: len(told) >= 40 and not waiting())
