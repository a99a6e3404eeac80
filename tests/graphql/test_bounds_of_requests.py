"""No request makes the service slow: what one may ask of the cache is bounded, and it is told."""

import asyncio
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FrameType
from typing import Any

import pytest
import strawberry
from strawberry.dataloader import DataLoader

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from strawberry_response_cache.core.redis.async_connection import StreamConnection
from strawberry_response_cache.core.redis.sync_connection import SocketConnection
from strawberry_response_cache.graphql.keys import schema_identity

IDENTITY = schema_identity.__file__
LOOKED_UP = 1_000
MOST_KEYS = 3 * 250 + 3
"""Of a batch: a lookup names three, and a script the clocks of its tenant."""


def told(result: Any) -> dict[str, Any]:
    assert result.errors is None
    return dict(result.extensions["responseCache"])


async def execute(schema: strawberry.Schema, face: str, query: str, **more: Any) -> Any:
    if face == "sync":
        return await asyncio.to_thread(schema.execute_sync, query, **more)
    return await schema.execute(query, **more)


both = pytest.mark.parametrize("face", ["sync", "async"])
mostly_async = pytest.mark.parametrize(
    "face", [pytest.param("sync", marks=pytest.mark.exhaustive), "async"]
)
"""Of tests with hundreds of fields, whose bounds are the same in threads."""

# -- Selections that are too large -----------------------------------------------------------------------


@strawberry.interface
class Thing:
    id: strawberry.ID

    @cache_control(ttl=60)
    @strawberry.field
    def next(self) -> "Thing":
        return first()


def first() -> Thing:
    made: Thing = KINDS[0](id="0")
    return made


KINDS: list[Any] = [strawberry.type(type(f"Kind{number}", (Thing,), {})) for number in range(100)]


@strawberry.type(name="Query")
class Things:
    @cache_control(ttl=60)
    @strawberry.field
    def thing(self) -> Thing:
        return first()

    @strawberry.field
    def fresh(self) -> int:
        return 1


@strawberry.type(name="Mutation")
class Changes:
    @strawberry.mutation
    async def change(self, info: strawberry.Info) -> Thing:
        info.context["begun"].set()
        await asyncio.Event().wait()
        return first()


def selecting(much: int) -> str:
    return " ".join(f"a{number}: next {{ next {{ id }} }}" for number in range(much))


@pytest.fixture
def things(memory_cache: ResponseCache) -> strawberry.Schema:
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    return strawberry.Schema(Things, mutation=Changes, types=KINDS, extensions=[extension])


@mostly_async
async def test_a_selection_that_is_too_large_is_answered_and_not_cached(
    things: strawberry.Schema, face: str
) -> None:
    plain = strawberry.Schema(Things, mutation=Changes, types=KINDS)
    query = f"{{ thing {{ {selecting(300)} }} }}"
    for _ in range(2):
        result = await execute(things, face, query)
        assert result.data == plain.execute_sync(query).data
        assert (told(result)["status"], told(result)["reason"]) == ("bypass", "selection_too_large")
    explained = explain(things, query)
    assert explained.reason == "selection_too_large"
    assert "interfaces" in str(explained.advice)


async def test_a_selection_that_is_large_and_not_too_large_is_cached(
    things: strawberry.Schema,
) -> None:
    query = f"{{ thing {{ {selecting(5)} }} }}"
    assert [told(await things.execute(query))["status"] for _ in range(2)] == ["miss", "hit"]


@pytest.mark.exhaustive
def test_each_type_is_described_once_for_keys(things: strawberry.Schema) -> None:
    """However many fields return whatever implements an interface."""
    described: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and (code.co_filename, code.co_name) == (IDENTITY, "_methods"):
            described.append(frame.f_locals["named"].name)

    sys.setprofile(note)
    try:
        things.execute_sync("{ thing { next { id } } }")
    finally:
        sys.setprofile(None)
    assert len(KINDS) <= len(described) == len(set(described))


@mostly_async
async def test_fields_of_a_too_large_selection_are_not_looked_up_by_themselves(
    things: strawberry.Schema, face: str
) -> None:
    query = f"{{ fresh thing {{ {selecting(300)} }} }}"
    result = await execute(things, face, query)
    assert "fields" not in told(result)


@pytest.mark.exhaustive
async def test_the_bound_of_a_selection_counts_all_fields_that_spread_a_large_fragment(
    things: strawberry.Schema,
) -> None:
    fields = " ".join(f"b{number}: thing {{ ...F }}" for number in range(10))
    query = f"{{ fresh {fields} }} fragment F on Thing {{ {selecting(20)} }}"
    result = await things.execute(query)
    reasons = {each.get("reason") for each in told(result)["fields"]}
    assert "selection_too_large" in reasons


async def test_a_cancelled_mutation_whose_selection_is_too_large_still_invalidates(
    things: strawberry.Schema,
) -> None:
    query = "{ thing { id } }"
    assert [told(await things.execute(query))["status"] for _ in range(2)] == ["miss", "hit"]
    context = {"begun": asyncio.Event()}
    mutation = f"mutation {{ change {{ {selecting(300)} }} }}"
    running = asyncio.create_task(things.execute(mutation, context_value=context))
    await context["begun"].wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert told(await things.execute(query))["status"] == "miss"


# -- Operations that are nested too deeply ---------------------------------------------------------------


@strawberry.type
class Node:
    id: int

    @cache_control(ttl=60)
    @strawberry.field
    def child(self) -> "Node":
        return Node(id=self.id + 1)

    @cache_control(ttl=60)
    @strawberry.field
    def children(self) -> list["Node"]:
        return [Node(id=self.id + 1)]

    @cache_control(ttl=60)
    @strawberry.field
    async def later(self) -> "Node":
        return Node(id=self.id + 1)


@strawberry.type(name="Query")
class Tree:
    @strawberry.field
    def root(self) -> Node:
        return Node(id=0)


def nested(name: str, depth: int) -> str:
    return "{ root {" + f" {name} {{" * depth + " id " + "}" * depth + "} }"


async def deepest(schema: strawberry.Schema, face: str, name: str) -> int:
    """The depth of the deepest query that is answered, in steps of four."""
    lowest, highest = 5, 40
    while lowest < highest:
        middle = (lowest + highest + 1) // 2
        if (await execute(schema, face, nested(name, 4 * middle))).errors:
            highest = middle - 1
        else:
            lowest = middle
    return 4 * lowest


@pytest.mark.parametrize(
    ("face", "name"),
    [
        pytest.param("sync", "child", marks=pytest.mark.exhaustive),
        pytest.param("sync", "children", marks=pytest.mark.exhaustive),
        pytest.param("async", "child", marks=pytest.mark.exhaustive),
        pytest.param("async", "children", marks=pytest.mark.exhaustive),
        ("async", "later"),
    ],
)
async def test_a_query_may_be_as_deeply_nested_as_without_the_cache(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture, face: str, name: str
) -> None:
    caplog.set_level(logging.CRITICAL, "strawberry.execution")
    extension = ResponseCacheExtension(memory_cache, tenant=None)
    cached = strawberry.Schema(Tree, extensions=[extension])
    depth = await deepest(strawberry.Schema(Tree), face, name)
    for below in range(0, depth, 8):
        for _ in range(2):
            result = await execute(cached, face, nested(name, depth - below))
            assert result.errors is None


def in_frames(count: int, function: Callable[[], Any]) -> Any:
    """Call a function this many frames deeper in the stack."""
    return in_frames(count - 1, function) if count else function()


def test_a_request_that_begins_deep_in_the_stack_is_answered_as_without_the_cache(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    """But for the calls that the cache itself takes, however few fields have entries of their own."""
    caplog.set_level(logging.CRITICAL, "strawberry.execution")
    extension = ResponseCacheExtension(memory_cache, tenant=None)
    plain, cached = strawberry.Schema(Tree), strawberry.Schema(Tree, extensions=[extension])

    def is_answered(schema: strawberry.Schema, depth: int, frames: int) -> bool:
        ask = partial(schema.execute_sync, nested("child", depth))
        return thread.submit(in_frames, frames, ask).result().errors is None

    begins = sys.getrecursionlimit() * 7 // 10
    with ThreadPoolExecutor(1) as thread:  # whose stack is empty
        depths = [depth for depth in range(1, 60, 2) if is_answered(plain, depth, begins + 30)]
        assert len(depths) > 10
        assert [depth for depth in depths if not is_answered(cached, depth, begins)] == []


def test_a_query_that_is_nested_very_deeply_says_why_it_is_not_cached(
    memory_cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Tree, extensions=[extension])
    shallow = told(schema.execute_sync(nested("child", 10)))
    assert [each["field"] for each in shallow["fields"]] == ["Node.child"]
    assert told(schema.execute_sync(nested("child", 100)))["reason"] == "selection_too_large"


def test_nesting_within_fragments_counts_for_the_bound_of_depth(
    memory_cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Tree, extensions=[extension])
    parts = [
        f"fragment F{number} on Node {{ child {{ child {{ ...F{number + 1} }} }} }}"
        for number in range(50)
    ]
    query = f"{{ root {{ ...F0 }} }} {' '.join(parts)} fragment F50 on Node {{ id }}"
    assert told(schema.execute_sync(query))["reason"] == "selection_too_large"


# -- Operations with too many fields that have entries of their own --------------------------------------


@strawberry.type
class Item:
    id: int

    @cache_control(ttl=60)
    @strawberry.field
    def name(self, info: strawberry.Info) -> str:
        info.context["resolved"].append(self.id)
        return f"item {self.id}"


@strawberry.type(name="Query")
class Items:
    @strawberry.field
    def items(self, count: int) -> list[Item]:
        return [Item(id=number) for number in range(count)]


ITEMS = "query ($count: Int!) { items(count: $count) { name } }"


async def ask(schema: strawberry.Schema, face: str, count: int) -> tuple[Any, list[int]]:
    context: dict[str, Any] = {"resolved": []}
    result = await execute(
        schema, face, ITEMS, variable_values={"count": count}, context_value=context
    )
    names = [f"item {number}" for number in range(count)]
    assert [each["name"] for each in result.data["items"]] == names
    return result, context["resolved"]


@mostly_async
async def test_fields_beyond_the_bound_of_lookups_are_executed_and_reported(
    valkey_cache: ResponseCache, face: str
) -> None:
    extension = ResponseCacheExtension(valkey_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Items, extensions=[extension])
    count = LOOKED_UP + 200
    _, resolved = await ask(schema, face, count)
    assert sorted(resolved) == list(range(count))
    result, resolved = await ask(schema, face, count)
    assert resolved == list(range(LOOKED_UP, count))
    (field,) = told(result)["fields"]
    assert (field["count"], field["reason"]) == (count, "too_many_fields")
    result, resolved = await ask(schema, face, LOOKED_UP)
    assert resolved == []
    assert told(result)["fields"][0]["status"] == "hit"


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many keys went out together, each time."""
    sent: list[int] = []

    def watch(kind: type) -> None:
        exchange: Any = vars(kind)["exchange"]

        def watched(self: Any, calls: Any, *args: Any, **kwargs: Any) -> Any:
            sent.append(sum(len(keys) for _, keys, _ in calls))
            return exchange(self, calls, *args, **kwargs)

        monkeypatch.setattr(kind, "exchange", watched)

    watch(StreamConnection)
    watch(SocketConnection)
    return sent


@mostly_async
async def test_the_fields_of_a_list_are_looked_up_in_batches_of_bounded_size(
    valkey_cache: ResponseCache, batches: list[int], face: str
) -> None:
    extension = ResponseCacheExtension(valkey_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Items, extensions=[extension])
    await ask(schema, face, 600)
    batches.clear()
    result, resolved = await ask(schema, face, 600)
    assert resolved == []
    assert told(result)["fields"][0]["status"] == "hit"
    assert max(batches) <= MOST_KEYS
    assert sum(batches) >= 2 * 600


@both
async def test_remember_many_looks_values_up_in_batches_of_bounded_size(
    valkey_cache: ResponseCache, batches: list[int], face: str
) -> None:
    keys = [[f"key {number}"] for number in range(600)]

    async def load(missing: Any) -> list[str]:
        return [key for (key,) in missing]

    def load_sync(missing: Any) -> list[str]:
        return [key for (key,) in missing]

    for _ in range(2):
        if face == "sync":
            found = await asyncio.to_thread(
                valkey_cache.remember_many_sync, keys, 60, load_sync, as_type=str
            )
        else:
            found = await valkey_cache.remember_many(keys, 60, load, as_type=str)
        assert found == [key for (key,) in keys]
    assert max(batches) <= MOST_KEYS


# -- Loaders beside and below fields that have entries of their own --------------------------------------


@strawberry.type
class Loaded:
    id: int

    @cache_control(ttl=60)
    @strawberry.field
    async def cached(self, info: strawberry.Info) -> str:
        return str(await info.context["cached"].load(self.id))

    @strawberry.field
    async def plain(self, info: strawberry.Info) -> str:
        return str(await info.context["plain"].load(self.id))


@strawberry.type(name="Query")
class Loading:
    @strawberry.field
    def items(self, count: int) -> list[Loaded]:
        return [Loaded(id=number) for number in range(count)]

    @strawberry.field
    async def later(self, count: int) -> list[Loaded]:
        return [Loaded(id=number) for number in range(count)]


@pytest.mark.parametrize("fields", ["cached plain", "plain cached"])
@pytest.mark.parametrize("name", ["items", "later"])
async def test_each_dataloader_of_a_list_loads_at_most_one_batch(
    cache: ResponseCache, name: str, fields: str
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Loading, extensions=[extension])

    async def batches(count: int) -> dict[str, list[int]]:
        asked: dict[str, list[int]] = {"cached": [], "plain": []}

        def loader(kind: str) -> Any:
            async def load(keys: list[int]) -> list[str]:
                asked[kind].append(len(keys))
                return [f"{kind} {key}" for key in keys]

            return DataLoader(load_fn=load)

        result = await schema.execute(
            f"query ($count: Int!) {{ {name}(count: $count) {{ {fields} }} }}",
            variable_values={"count": count},
            context_value={"cached": loader("cached"), "plain": loader("plain")},
        )
        assert result.errors is None
        return asked

    assert await batches(10) == {"cached": [10], "plain": [10]}
    assert await batches(10) == {"cached": [], "plain": [10]}
    assert await batches(15) == {"cached": [5], "plain": [15]}
