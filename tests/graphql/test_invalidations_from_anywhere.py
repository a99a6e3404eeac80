"""Invalidations from anywhere: every kind of resolver, operations within operations, and workers without a request."""

import asyncio
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import pytest
import strawberry
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate,
    invalidate_sync,
    invalidates,
)
from strawberry_response_cache.graphql._hooks import _ends_of
from tests.conftest import UNHURRIED, Eventually
from tests.graphql.ledger import status

BOOK = '{ book(id: "1") { title } }'
OTHER = '{ book(id: "2") { title } }'


@strawberry.type
class Book:
    id: strawberry.ID
    title: str = "book"


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def book(self, id: strawberry.ID) -> Book:  # noqa: A002 - as schemas have it
        return Book(id=id)

    @strawberry.field
    async def seen(self, info: strawberry.Info) -> bool:
        invalidate(info, "Book:1")  # type: ignore[unused-coroutine] # as it happens
        return True

    @strawberry.field
    def seen_in_sync(self, info: strawberry.Info) -> bool:
        info.context["info"] = info
        invalidate(info, "Book:1")  # type: ignore[unused-coroutine] # as it happens
        return True

    @strawberry.field
    async def seen_awaited(self, info: strawberry.Info) -> bool:
        await invalidate(info, "Book:1")
        return True

    @strawberry.field
    async def seen_in_a_thread(self, info: strawberry.Info) -> bool:
        def job() -> None:
            invalidate(info, "Book:1")  # type: ignore[unused-coroutine] # as it happens

        await asyncio.to_thread(job)
        return True

    @cache_control(ttl=60)
    @strawberry.field
    async def seen_and_cached(self, info: strawberry.Info) -> bool:
        invalidate(info, "Book:1")  # type: ignore[unused-coroutine] # as it happens
        return True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, info: strawberry.Info) -> AsyncGenerator[int, None]:
        invalidate(info, "Book:1")  # type: ignore[unused-coroutine] # as it happens
        yield 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    def sync(self, info: strawberry.Info) -> bool:
        invalidate_sync(info, "Book:1")
        return True

    @strawberry.mutation
    async def awaited(self, info: strawberry.Info) -> bool:
        await invalidate(info, "Book:1")
        return True

    @strawberry.mutation
    async def sync_in_a_loop(self, info: strawberry.Info) -> bool:
        invalidate_sync(info, "Book:1")
        return True

    @strawberry.mutation
    async def in_a_thread(self, info: strawberry.Info) -> bool:
        await asyncio.to_thread(invalidate_sync, info, "Book:1")
        return True

    @strawberry.mutation
    async def forgotten(self, info: strawberry.Info) -> bool:
        invalidate(info, "Book:1")  # type: ignore[unused-coroutine] # as it happens
        return True

    @strawberry.mutation
    def forgotten_in_sync(self, info: strawberry.Info) -> bool:
        invalidate(info, "Book:1")  # type: ignore[unused-coroutine] # as it happens
        return True

    @strawberry.mutation
    async def in_a_task(self, info: strawberry.Info) -> bool:
        async def job() -> None:
            await invalidate(info, "Book:1")

        await asyncio.create_task(job())
        return True

    @strawberry.mutation
    async def nested(self, info: strawberry.Info) -> bool:
        schema: Any = info.schema
        result = await schema.execute("mutation { changed { title } }", context_value=info.context)
        return result.errors is None

    @strawberry.mutation
    async def nested_query(self, info: strawberry.Info) -> bool:
        schema: Any = info.schema
        result = await schema.execute("{ seen }", context_value=info.context)
        return result.errors is None

    @strawberry.mutation
    def nested_sync(self, info: strawberry.Info) -> bool:
        schema: Any = info.schema
        result = schema.execute_sync("mutation { changed { title } }", context_value=info.context)
        return result.errors is None

    @strawberry.mutation
    def changed(self) -> Book:
        return Book(id=strawberry.ID("1"))

    @invalidates("Book:1")
    @strawberry.mutation
    def marked(self) -> bool:
        return True


class Served:
    """The schema for one tenant over a cache."""

    def __init__(self, cache: ResponseCache) -> None:
        self.cache = cache
        ours = ResponseCacheExtension(
            cache,
            tenant=lambda context: context["tenant"],
            debug=True,
            invalidate_on_mutation="entities",
        )
        self.schema = strawberry.Schema(Query, Mutation, Subscription, extensions=[ours])

    async def ask(self, query: str, way: str = "execute", tenant: str = "acme") -> Any:
        context = {"tenant": tenant}
        if way == "execute":
            result: Any = await self.schema.execute(query, context_value=context)
        else:
            result = await asyncio.to_thread(self.schema.execute_sync, query, context_value=context)
        assert result.errors is None
        return result

    async def missed(self) -> set[str]:
        asked = [(tenant, query) for tenant in ("acme", "other") for query in (BOOK, OTHER)]
        return {
            f"{tenant} {query}"
            for tenant, query in asked
            if status(await self.ask(query, tenant=tenant)) == "miss"
        }


SYNC = ["sync", "forgottenInSync", "nestedSync", "changed { id }", "marked"]
ASYNC = ["awaited", "syncInALoop", "inAThread", "forgotten", "inATask", "nested", "nestedQuery"]


@pytest.mark.parametrize(
    ("way", "call"),
    [*(("execute", each) for each in SYNC + ASYNC), *(("execute_sync", each) for each in SYNC)],
)
async def test_any_resolver_of_a_mutation_can_invalidate_in_its_tenant(
    memory_cache: ResponseCache, way: str, call: str
) -> None:
    served = Served(memory_cache)
    await served.missed()
    assert await served.missed() == set()
    with warnings.catch_warnings():
        # A forgotten `await`: the mutation invalidates at its end all the same.
        warnings.simplefilter("ignore", RuntimeWarning)
        await served.ask(f"mutation {{ {call} }}", way)
    assert await served.missed() == {f"acme {BOOK}"}


QUERIES = ["seen", "seenInSync", "seenAwaited", "seenInAThread", "seenAndCached"]


@pytest.mark.parametrize(
    ("way", "call"),
    [*(("execute", each) for each in QUERIES), ("execute_sync", "seenInSync")],
)
async def test_a_resolver_of_a_query_invalidates_before_the_query_answers(
    memory_cache: ResponseCache, way: str, call: str
) -> None:
    served = Served(memory_cache)
    await served.missed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # as above
        await served.ask(f"{{ {call} }}", way)
    assert await served.missed() == {f"acme {BOOK}"}


async def test_execute_sync_in_an_event_loop_invalidates_before_it_answers(
    new_cache: Callable[..., ResponseCache], valkey_url: str
) -> None:
    schema = Served(new_cache(valkey_url)).schema
    context = {"tenant": "acme"}
    for expected in ("miss", "hit"):
        assert status(schema.execute_sync(BOOK, context_value=context)) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # as above
        schema.execute_sync("{ seenInSync }", context_value=context)
    assert status(schema.execute_sync(BOOK, context_value=context)) == "miss"


async def test_a_query_does_not_wait_for_invalidations_in_another_event_loop() -> None:
    """A resolver may run another event loop in a thread; its tasks cannot be awaited from this one."""
    other = asyncio.new_event_loop()
    task = other.create_task(asyncio.sleep(0))
    async with asyncio.timeout(60):
        await _ends_of([task])
    assert not task.done()
    await asyncio.to_thread(other.run_until_complete, task)
    other.close()


async def test_a_resolver_of_a_subscription_can_invalidate(eventually: Eventually) -> None:
    told: list[tuple[str, ...]] = []
    with ResponseCache.from_url("memory://", prefix="told", on_invalidate=told.append) as cache:
        served = Served(cache)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # as above
            events: Any = await served.schema.subscribe(
                "subscription { ticks }", context_value={"tenant": "acme"}
            )
            assert [each.data async for each in events] == [{"ticks": 1}]
        await eventually(lambda: told == [("Book:1",)])


def test_an_event_loop_that_ends_right_after_a_query_loses_no_invalidation(
    memory_cache: ResponseCache,
) -> None:
    served = Served(memory_cache)

    async def later() -> None:
        context: dict[str, Any] = {"tenant": "acme"}
        await served.schema.execute("{ seenInSync }", context_value=context)
        invalidate(context["info"], "Book:2")  # type: ignore[unused-coroutine] # by code that kept it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # as above
        asyncio.run(served.missed())
        asyncio.run(later())
    assert asyncio.run(served.missed()) == {f"acme {BOOK}", f"acme {OTHER}"}


class CommitsAtTheOutermost(SchemaExtension):
    """One session for operations within each other, which the outermost commits in its teardown."""

    def on_operation(self) -> Iterator[None]:
        context = self.execution_context.context
        context["depth"] = context.get("depth", 0) + 1
        yield
        context["depth"] -= 1
        if context["depth"] == 0 and "staged" in context:
            context["read"]()
            context["stored"].update(context.pop("staged"))


@strawberry.type
class Stored:
    @cache_control(ttl=60)
    @strawberry.field
    def book(self, info: strawberry.Info) -> Book:
        return Book(id=strawberry.ID("1"), title=info.context["stored"]["title"])

    @strawberry.field
    def change(self, info: strawberry.Info) -> bool:
        info.context["staged"] = {"title": "new"}
        invalidate_sync(info, "Book:1")
        return True


@strawberry.type
class Nested:
    @strawberry.mutation
    def outer(self, info: strawberry.Info) -> bool:
        schema: Any = info.schema
        result = schema.execute_sync("mutation { inner { title } }", context_value=info.context)
        return result.errors is None

    @strawberry.mutation
    def outer_of_a_query(self, info: strawberry.Info) -> bool:
        schema: Any = info.schema
        result = schema.execute_sync("{ change }", context_value=info.context)
        return result.errors is None

    @strawberry.mutation
    def in_a_thread(self, info: strawberry.Info) -> bool:
        info.context["staged"] = {"title": "new"}
        in_a_thread(lambda: invalidate_sync(info, "Book:1"))
        return True

    @strawberry.mutation
    def inner(self, info: strawberry.Info) -> Book:
        info.context["staged"] = {"title": "new"}
        return Book(id=strawberry.ID("1"), title="new")


@pytest.mark.parametrize("outer", ["outer", "outerOfAQuery", "inAThread"])
@pytest.mark.parametrize("before", [True, False])
def test_changes_of_a_nested_mutation_are_invalidated_after_the_outer_commit(
    memory_cache: ResponseCache, before: bool, outer: str
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=lambda context: context["tenant"])
    extensions: list[Any] = [CommitsAtTheOutermost, ours]
    schema = strawberry.Schema(
        Stored, Nested, extensions=extensions if before else extensions[::-1]
    )
    stored = {"title": "old"}

    def read() -> Any:
        context = {"tenant": "acme", "stored": stored}
        return schema.execute_sync("{ book { title } }", context_value=context).data

    assert read() == {"book": {"title": "old"}}
    # Somebody reads after the inner mutation is over, and before the commit.
    context = {"tenant": "acme", "stored": stored, "read": lambda: in_a_thread(read)}
    mutation = f"mutation {{ {outer} }}"
    assert schema.execute_sync(mutation, context_value=context).errors is None
    assert read() == {"book": {"title": "new"}}


def in_a_thread(function: Callable[[], Any]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize("worker", ["a thread", "a coroutine", "a loop of its own"])
async def test_a_background_worker_can_invalidate_without_a_request(
    cache: ResponseCache, worker: str
) -> None:
    served = Served(cache)
    await served.missed()
    tenant = cache.for_tenant("acme")
    if worker == "a thread":
        in_a_thread(lambda: tenant.invalidate_sync("Book:1"))
    elif worker == "a coroutine":
        await tenant.invalidate("Book:1")
    else:

        async def job() -> None:
            await tenant.invalidate("Book:1")
            await cache.aclose()  # what this loop has opened

        in_a_thread(lambda: asyncio.run(job()))
    assert await served.missed() == {f"acme {BOOK}"}


WORKER = """
import sys
from strawberry_response_cache import ResponseCache
with ResponseCache.from_url(sys.argv[1], prefix="test") as cache:
    cache.for_tenant("acme").invalidate_sync("Book:1")
"""


@pytest.mark.exhaustive
async def test_a_background_worker_in_another_process_can_invalidate(
    valkey_url: str, new_cache: Callable[..., ResponseCache]
) -> None:
    """As a worker of Celery does, whose process has neither a schema nor an event loop."""
    served = Served(new_cache(valkey_url))
    await served.missed()
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", WORKER, valkey_url], check=True, timeout=60
    )
    assert await served.missed() == {f"acme {BOOK}"}


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_on_invalidate_is_called_with_the_tags_that_a_mutation_invalidated(way: str) -> None:
    told: list[tuple[str, ...]] = []
    async with ResponseCache.from_url(
        "memory://", prefix="told", telemetry=False, on_invalidate=told.append, **UNHURRIED
    ) as cache:
        await Served(cache).ask("mutation { marked changed { id } }", way)
    assert told == [("Book:1",)]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
async def test_tags_hold_the_sent_arguments_although_the_mutation_changes_them(
    cache: ResponseCache, is_async: bool, fails: bool
) -> None:
    def consume(ids: list[strawberry.ID]) -> bool:
        while ids:
            ids.pop()
        if fails:
            raise ValueError
        return True

    async def consume_later(ids: list[strawberry.ID]) -> bool:
        return consume(ids)

    @strawberry.type
    class Mutation:
        sell = invalidates("Book:{args.ids}")(
            strawberry.mutation(resolver=consume_later if is_async else consume)
        )

    schema = strawberry.Schema(
        Query, Mutation, extensions=[ResponseCacheExtension(cache, tenant=None, debug=True)]
    )
    for query in (BOOK, OTHER):
        await schema.execute(query)
    await schema.execute('mutation { sell(ids: ["1"]) }')
    assert status(await schema.execute(BOOK)) == "miss"
    assert status(await schema.execute(OTHER)) == "hit"
