"""A mutation invalidates once, after what other extensions commit, and before its answer is sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError
from strawberry.extensions import MaskErrors, SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionResult

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.conftest import Eventually
from tests.graphql.ledger import status


@strawberry.type
class Item:
    id: strawberry.ID
    stock: int


@strawberry.type
class Query:
    @cache_control(ttl=600)
    @strawberry.field
    def item(self, info: strawberry.Info) -> Item:
        return Item(id=strawberry.ID("1"), stock=info.context["committed"]["stock"])


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def sell(self, info: strawberry.Info) -> Item:
        return _sold(info)

    @strawberry.mutation
    def sell_sync(self, info: strawberry.Info) -> Item:
        return _sold(info)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncIterator[int]:
        for number in range(3):
            yield number


def _sold(info: strawberry.Info) -> Item:
    left = info.context["committed"]["stock"] - 1
    info.context["written"] = left
    return Item(id=strawberry.ID("1"), stock=left)


class UnitOfWork(SchemaExtension):
    """Commits when the operation is over."""

    def on_operation(self) -> Iterator[None]:
        yield
        context = self.execution_context.context
        if "written" in context:
            context["committed"]["stock"] = context.pop("written")


class FailingResults(SchemaExtension):
    """Fails when it is asked for its results."""

    def get_results(self) -> dict[str, Any]:
        if "fails" in self.execution_context.context:
            raise RuntimeError
        return {}


def shop(cache: ResponseCache, *, before: bool) -> strawberry.Schema:
    ours = ResponseCacheExtension(cache, tenant=None, debug=True)
    extensions: list[Any] = [UnitOfWork, FailingResults, ours]
    schema = strawberry.Schema(
        Query, Mutation, Subscription, extensions=extensions if before else extensions[::-1]
    )
    ours.check(schema)
    return schema


async def sell(schema: strawberry.Schema, way: str, context: dict[str, Any]) -> None:
    match way:
        case "execute":
            await schema.execute("mutation { sell { stock } }", context_value=context)
        case "execute_sync":
            schema.execute_sync("mutation { sellSync { stock } }", context_value=context)
        case _:
            stream = await schema.stream("mutation { sell { stock } }", context_value=context)
            async for frame in stream:
                assert not getattr(frame, "errors", None)
                # The answer is there: whoever reads now reads what was committed.
                context["read"] = await schema.execute(
                    "{ item { stock } }", context_value={"committed": context["committed"]}
                )


WAYS = ["execute", "execute_sync", "stream"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before", [True, False])
async def test_a_mutation_invalidates_once(
    valkey_cache: ResponseCache, raw_valkey: Any, way: str, before: bool
) -> None:
    schema = shop(valkey_cache, before=before)
    context: dict[str, Any] = {"committed": {"stock": 9}}
    await schema.execute("{ item { stock } }", context_value=context)
    raw_valkey.config_resetstat()
    await sell(schema, way, context)
    assert raw_valkey.info("commandstats")["cmdstat_publish"]["calls"] == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before", [True, False])
async def test_a_read_after_the_answer_sees_what_was_committed(
    cache: ResponseCache, way: str, before: bool
) -> None:
    schema = shop(cache, before=before)
    context: dict[str, Any] = {"committed": {"stock": 9}}
    for expected in ("miss", "hit"):
        result = await schema.execute("{ item { stock } }", context_value=dict(context))
        assert status(result) == expected
    await sell(schema, way, context)
    if way == "stream":
        assert context["read"].data == {"item": {"stock": 8}}
    result = await schema.execute("{ item { stock } }", context_value=dict(context))
    assert result.data == {"item": {"stock": 8}}
    result = await schema.execute("{ item { stock } }", context_value=dict(context))
    assert status(result) == "hit", "the first refill is not taken by a second invalidation"


async def test_an_async_mutation_does_not_block_its_event_loop_while_it_invalidates(
    valkey_cache: ResponseCache, raw_valkey: Any, eventually: Eventually
) -> None:
    schema = shop(valkey_cache, before=True)
    context: dict[str, Any] = {"committed": {"stock": 9}}
    await schema.execute("{ item { stock } }", context_value=dict(context))
    raw_valkey.client_pause(60_000, all=False)
    try:
        selling = asyncio.create_task(sell(schema, "execute", context))
        await eventually(lambda: selling.done() or raw_valkey.info("clients")["blocked_clients"])
        assert not selling.done()
    finally:
        raw_valkey.client_unpause()
    await selling
    result = await schema.execute("{ item { stock } }", context_value=dict(context))
    assert result.data == {"item": {"stock": 8}}


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
@pytest.mark.parametrize("before", [True, False])
async def test_a_mutation_invalidates_although_get_results_of_another_extension_raises(
    cache: ResponseCache, way: str, before: bool
) -> None:
    schema = shop(cache, before=before)
    context: dict[str, Any] = {"committed": {"stock": 9}}
    await schema.execute("{ item { stock } }", context_value=dict(context))
    with pytest.raises(RuntimeError):
        await sell(schema, way, context | {"fails": True})
    result = await schema.execute("{ item { stock } }", context_value=dict(context))
    assert status(result) == "miss"


async def test_a_streamed_mutation_that_is_closed_early_invalidates(cache: ResponseCache) -> None:
    schema = shop(cache, before=True)
    context: dict[str, Any] = {"committed": {"stock": 9}}
    await schema.execute("{ item { stock } }", context_value=dict(context))
    stream: Any = await schema.stream("mutation { sell { stock } }", context_value=context)
    await anext(stream)
    await stream.aclose()
    result = await schema.execute("{ item { stock } }", context_value=dict(context))
    assert result.data == {"item": {"stock": 8}}


async def test_every_frame_of_a_subscription_is_delivered(cache: ResponseCache) -> None:
    schema = shop(cache, before=True)
    stream: Any = await schema.subscribe("subscription { ticks }", context_value={})
    for number in range(3):
        assert (await anext(stream)).data == {"ticks": number}
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


# -- Where something raises at the end ---------------------------------------------------------------------


class RaisesAtTheEnd(SchemaExtension):
    def on_operation(self) -> Iterator[None]:
        yield
        if "sold" in self.execution_context.context:
            raise ValueError


class GivenUpAtTheEnd(BaseException):
    """Such as a server's own time-out."""


class GivesUpAtTheEnd(SchemaExtension):
    def on_operation(self) -> Iterator[None]:
        yield
        if "sold" in self.execution_context.context:
            raise GivenUpAtTheEnd


class ErrorsCannotBeProcessed(strawberry.Schema):
    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        raise RuntimeError


@strawberry.type
class FailingMutation:
    @strawberry.mutation
    def sell_sync(self, info: strawberry.Info) -> Item:
        info.context["sold"] = True
        info.context["committed"]["stock"] -= 1
        return Item(id=strawberry.ID("1"), stock=info.context["committed"]["stock"])

    @strawberry.mutation
    def fail(self) -> int:
        raise ValueError


def failing(cache: ResponseCache, *extensions: type[SchemaExtension]) -> strawberry.Schema:
    ours = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = ErrorsCannotBeProcessed if not extensions else strawberry.Schema
    return schema(Query, mutation=FailingMutation, extensions=[*extensions, ours])


@pytest.mark.parametrize("extensions", [(), (GivesUpAtTheEnd,)], ids=["errors", "given up"])
def test_execute_sync_invalidates_a_mutation_that_raises_before_get_results(
    memory_cache: ResponseCache, extensions: tuple[type[SchemaExtension], ...]
) -> None:
    schema, committed = failing(memory_cache, *extensions), {"stock": 5}
    schema.execute_sync("{ item { id stock } }", context_value={"committed": committed})
    with pytest.raises((RuntimeError, GivenUpAtTheEnd)):
        schema.execute_sync(
            "mutation { sellSync { id } fail }", context_value={"committed": committed}
        )
    read = schema.execute_sync("{ item { id stock } }", context_value={"committed": committed})
    assert (read.data, status(read)) == ({"item": {"id": "1", "stock": 4}}, "miss")


@pytest.mark.parametrize("first", [True, False])
async def test_the_frame_of_a_streamed_mutation_is_sent_although_something_raises_after_it(
    memory_cache: ResponseCache, first: bool
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    extensions: list[Any] = [RaisesAtTheEnd, ours] if first else [ours, RaisesAtTheEnd]
    schema = strawberry.Schema(Query, mutation=FailingMutation, extensions=extensions)
    plain = strawberry.Schema(Query, mutation=FailingMutation, extensions=[RaisesAtTheEnd])
    committed = {"stock": 5}
    await schema.execute("{ item { id stock } }", context_value={"committed": committed})
    said = []
    for each in (plain, schema):
        frames: list[Any] = []
        context: dict[str, Any] = {"committed": committed}
        try:
            source: Any = await each.stream("mutation { sellSync { id } }", None, context)
            frames += [frame.data async for frame in source]
        except ValueError as error:
            frames.append(type(error))
        said.append(frames)
    assert said[0] == said[1]
    read = await schema.execute("{ item { id stock } }", context_value={"committed": committed})
    assert (read.data, status(read)) == ({"item": {"id": "1", "stock": 3}}, "miss")


class AwaitsAtTheEnd(SchemaExtension):
    """Is cancelled in its teardown."""

    async def on_operation(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if "sold" in self.execution_context.context:
                self.execution_context.context["waits"].set()
                await asyncio.get_running_loop().create_future()


async def test_a_mutation_invalidates_where_one_teardown_raises_and_another_is_cancelled(
    memory_cache: ResponseCache,
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(
        Query, mutation=FailingMutation, extensions=[AwaitsAtTheEnd, ours, RaisesAtTheEnd]
    )
    committed, waits = {"stock": 5}, asyncio.Event()
    await schema.execute("{ item { id stock } }", context_value={"committed": committed})
    mutation = asyncio.create_task(
        schema.execute(
            "mutation { sellSync { id } }", context_value={"committed": committed, "waits": waits}
        )
    )
    await waits.wait()
    mutation.cancel()
    await asyncio.wait([mutation])

    async def is_fresh() -> bool:
        read = await schema.execute("{ item { id stock } }", context_value={"committed": committed})
        return read.data == {"item": {"id": "1", "stock": 4}}

    async with asyncio.timeout(60):
        while not await is_fresh():
            await asyncio.sleep(0)


def test_a_mutation_invalidates_with_a_custom_extensions_runner(
    memory_cache: ResponseCache,
) -> None:
    class Runner:
        """Takes no attributes, and is no subclass of Strawberry's."""

        __slots__ = ("_runner",)

        def __init__(self, runner: Any) -> None:
            self._runner = runner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._runner, name)

    class WithItsOwn(strawberry.Schema):
        def create_extensions_runner(self, *arguments: Any, **named: Any) -> Any:
            return Runner(super().create_extensions_runner(*arguments, **named))

    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = WithItsOwn(Query, mutation=FailingMutation, extensions=[ours])
    committed = {"stock": 5}
    for query in ("{ item { id stock } }", "mutation { sellSync { id } }"):
        result = schema.execute_sync(query, context_value={"committed": committed})
        assert result.errors is None
    read = schema.execute_sync("{ item { id stock } }", context_value={"committed": committed})
    assert (read.data, status(read)) == ({"item": {"id": "1", "stock": 4}}, "miss")


async def test_the_first_frame_of_a_deferred_mutation_does_not_wait_for_the_last(
    memory_cache: ResponseCache,
) -> None:
    go = asyncio.Event()

    @strawberry.type
    class Slow:
        id: strawberry.ID

        @strawberry.field
        async def slow(self) -> int:
            await go.wait()
            return 1

    @strawberry.type
    class Slowly:
        @strawberry.mutation
        def make(self) -> Slow:
            return Slow(id=strawberry.ID("1"))

    schema = strawberry.Schema(
        Query,
        mutation=Slowly,
        extensions=[ResponseCacheExtension(memory_cache, tenant=None)],
        config=StrawberryConfig(enable_experimental_incremental_execution=True),
    )
    for _ in range(2):  # the first request of a schema is its own way
        go.clear()
        source: Any = await schema.stream("mutation { make { id ... @defer { slow } } }")
        async with asyncio.timeout(60):
            initial = await anext(source)
            assert initial.has_next
            go.set()
            assert not [frame async for frame in source][-1].has_next


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before", [True, False])
async def test_a_mutation_as_the_first_request_of_a_schema_invalidates_after_the_commit(
    cache: ResponseCache, way: str, before: bool
) -> None:
    """The extension sees the schema for the first time: not even `check()` has run."""
    reader = shop(cache, before=before)
    context: dict[str, Any] = {"committed": {"stock": 9}}
    await reader.execute("{ item { stock } }", context_value=context)
    ours = ResponseCacheExtension(cache, tenant=None, debug=True)
    extensions: list[Any] = [UnitOfWork, ours] if before else [ours, UnitOfWork]
    schema = strawberry.Schema(Query, Mutation, Subscription, extensions=extensions)
    await sell(schema, way, context)
    if way == "stream":
        assert context["read"].data == {"item": {"stock": 8}}
    result = await reader.execute("{ item { stock } }", context_value=context)
    assert result.data == {"item": {"stock": 8}}


class Editing(SchemaExtension):
    """Takes the result apart when the operation is over."""

    def on_operation(self) -> Iterator[None]:
        yield
        result: Any = self.execution_context.result
        for error in result.errors or ():
            error.message = "edited"
            error.extensions["edited"] = True
        if result.data:
            for each in result.data.values():
                if isinstance(each, dict):
                    each.clear()
            result.data["edited"] = True
        if result.extensions is not None:
            result.extensions.clear()
        result.data = None
        result.errors = None


class Labels(SchemaExtension):
    """Adds something to `extensions`."""

    def get_results(self) -> dict[str, Any]:
        return {"label": {"of": "this"}}


@strawberry.type
class Parted:
    @strawberry.mutation
    def sell(self) -> Item:
        return Item(id=strawberry.ID("1"), stock=1)

    @strawberry.mutation
    def refused(self) -> int | None:
        msg = "no"
        raise GraphQLError(msg, extensions={"code": 1})

    @strawberry.mutation
    def failed(self) -> int | None:
        msg = "secret"
        raise ValueError(msg)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("before", [True, False])
async def test_the_last_frame_of_a_stream_holds_no_change_of_a_teardown(
    cache: ResponseCache, before: bool, masked: bool
) -> None:
    """Without the cache, a client gets no change that a teardown makes to the result either."""
    others: list[Any] = [Editing, Labels, *([MaskErrors] if masked else [])]
    ours = ResponseCacheExtension(cache, tenant=None)
    query = "mutation { sell { id stock } refused failed }"

    async def frames(*extensions: Any) -> list[Any]:
        schema = strawberry.Schema(Query, mutation=Parted, extensions=list(extensions))
        told = []
        for _ in range(2):
            stream: Any = await schema.stream(query)
            told += [
                # As a transport sends it, at once.
                json.dumps([f.data, [each.formatted for each in f.errors], f.extensions])
                async for f in stream
            ]
        return told

    assert await frames(*([*others, ours] if before else [ours, *others])) == await frames(*others)


async def test_a_frame_that_cannot_be_copied_is_delivered(memory_cache: ResponseCache) -> None:
    class Uncopied(ExecutionResult):
        def __copy__(self) -> Any:
            raise asyncio.CancelledError

    class Own(strawberry.Schema):
        async def _handle_execution_result(self, *arguments: Any, **named: Any) -> Any:
            result = await super()._handle_execution_result(*arguments, **named)
            return Uncopied(result.data, result.errors, result.extensions)

    ours = ResponseCacheExtension(memory_cache, tenant=None)
    schema = Own(Query, mutation=Parted, extensions=[ours])
    stream: Any = await schema.stream("mutation { sell { stock } }")
    assert [frame.data async for frame in stream] == [{"sell": {"stock": 1}}]
