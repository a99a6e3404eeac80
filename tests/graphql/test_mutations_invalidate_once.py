"""A mutation invalidates once, after what other extensions commit, and before its answer is sent."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import strawberry
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
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


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
@pytest.mark.parametrize("before", [True, False])
async def test_results_of_another_extension_that_fail_lose_no_invalidation(
    cache: ResponseCache, way: str, before: bool
) -> None:
    schema = shop(cache, before=before)
    context: dict[str, Any] = {"committed": {"stock": 9}}
    await schema.execute("{ item { stock } }", context_value=dict(context))
    with pytest.raises(RuntimeError):
        await sell(schema, way, context | {"fails": True})
    result = await schema.execute("{ item { stock } }", context_value=dict(context))
    assert status(result) == "miss"


async def test_a_stream_that_is_closed_early_invalidates(cache: ResponseCache) -> None:
    schema = shop(cache, before=True)
    context: dict[str, Any] = {"committed": {"stock": 9}}
    await schema.execute("{ item { stock } }", context_value=dict(context))
    stream: Any = await schema.stream("mutation { sell { stock } }", context_value=context)
    await anext(stream)
    await stream.aclose()
    result = await schema.execute("{ item { stock } }", context_value=dict(context))
    assert result.data == {"item": {"stock": 8}}


async def test_the_frames_of_a_subscription_are_not_held_back(cache: ResponseCache) -> None:
    schema = shop(cache, before=True)
    stream: Any = await schema.subscribe("subscription { ticks }", context_value={})
    for number in range(3):
        assert (await anext(stream)).data == {"ticks": number}
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
