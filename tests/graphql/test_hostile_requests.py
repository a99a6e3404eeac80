"""What a client sends causes no fault, reaches no limit earlier and is told apart."""

import asyncio
from contextvars import ContextVar
from typing import Any, NewType

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)

user: ContextVar[str] = ContextVar("user", default="guest")


def said(result: Any) -> Any:
    return result.data, [e.message for e in result.errors or ()]


@strawberry.type
class Numbers:
    @cache_control(ttl=60)
    @strawberry.field
    def half(self, of: float = 1.0) -> str:
        return str(of)

    @cache_control(ttl=60)
    @strawberry.field
    def item(self, key: strawberry.ID) -> str:
        return str(len(key))

    @strawberry.field
    def fresh(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("query", "more"),
    [
        ("{ fresh half(of: 1e999) }", {}),
        ("{ half(of: 1e999) }", {}),
        ("query ($x: Float! = 1e999) { half(of: $x) }", {}),
        ("query ($x: Float! = 1e999) { fresh half(of: $x) }", {}),
        ("{ fresh item(key: " + "1" * 5000 + ") }", {}),
        ("query ($x: ID! = " + "1" * 5000 + ") { item(key: $x) }", {}),
        ("{ fresh half }", {"operation_extensions": [{}]}),
        ("{ fresh half }", {"operation_extensions": 5}),
        ("{ fresh half }", {"operation_extensions": "persistedQuery"}),
        ("{ fresh half }", {"operation_extensions": ["persistedQuery"]}),
        ("query ($x: Float!) { half(of: $x) }", {"variable_values": {"x": float("1e308") * 10}}),
        ("query ($x: ID!) { fresh item(key: $x) }", {"variable_values": {"x": int("1" * 4300)}}),
        ("query ($x: ID!) { fresh item(key: $x) }", {"variable_values": {"x": "\ud800"}}),
        ("query ($x: Float!) { fresh half(of: $x) }", {"variable_values": {"x": 10**400}}),
        ("query ($x: Float!) { fresh half(of: $x) }", {"variable_values": {"x": 10**5000}}),
        ('{ fresh item(key: "\\ud83d") }', {}),
    ],
    ids=range(16),
)
async def test_extreme_values_in_a_request_are_answered_as_without_a_cache(
    memory_cache: ResponseCache, query: str, more: dict[str, Any]
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    cached = strawberry.Schema(Numbers, extensions=[ours])
    plain = strawberry.Schema(Numbers)
    for _ in range(2):
        assert said(cached.execute_sync(query, **more)) == said(plain.execute_sync(query, **more))
        assert said(await cached.execute(query, **more)) == said(await plain.execute(query, **more))


@strawberry.type
class Node:
    id: strawberry.ID

    @cache_control(ttl=60)
    @strawberry.field
    def child(self) -> "Node":
        return Node(id=strawberry.ID(str(int(self.id) + 1)))


@strawberry.type
class Tree:
    @cache_control(ttl=30)
    @strawberry.field
    def root(self) -> Node:
        return Node(id=strawberry.ID("0"))

    @strawberry.field
    def fresh(self) -> int:
        return 1


@pytest.mark.parametrize("depth", [60, 75])
@pytest.mark.parametrize("face", ["sync", "async"])
async def test_a_deeply_nested_query_is_answered_as_without_a_cache(
    memory_cache: ResponseCache, depth: int, face: str
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    cached = strawberry.Schema(Tree, extensions=[ours])
    plain = strawberry.Schema(Tree)
    query = "{ fresh root {" + " child {" * depth + " id " + "}" * depth + "} }"
    for _ in range(2):
        if face == "sync":
            got, wanted = cached.execute_sync(query), plain.execute_sync(query)
        else:
            got, wanted = await cached.execute(query), await plain.execute(query)
        assert wanted.errors is None
        assert said(got) == said(wanted)


def _parse_filter(value: dict[str, Any]) -> tuple[str, Any]:
    kind = value.pop("kind")
    return kind, value


Filter = NewType("Filter", object)
SCALARS: Any = StrawberryConfig(
    scalar_map={Filter: strawberry.scalar(name="Filter", parse_value=_parse_filter, serialize=str)}
)


@strawberry.type
class Filtered:
    @cache_control(ttl=60)
    @strawberry.field
    def found(self, by: Filter) -> str:
        return repr(by)

    @strawberry.field
    def fresh(self) -> int:
        return 1


@pytest.mark.parametrize(
    "query",
    ["query ($f: Filter!) { found(by: $f) }", "query ($f: Filter!) { fresh found(by: $f) }"],
)
def test_a_scalar_that_changes_the_dict_it_parses_gets_no_wrong_answer(
    memory_cache: ResponseCache, query: str
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    cached = strawberry.Schema(Filtered, config=SCALARS, extensions=[ours])
    plain = strawberry.Schema(Filtered, config=SCALARS)
    for kind in ("a", "b"):
        wanted = plain.execute_sync(query, {"f": {"kind": kind, "x": 1}})
        assert said(cached.execute_sync(query, {"f": {"kind": kind, "x": 1}})) == said(wanted)


async def test_an_extreme_value_in_one_request_does_not_prevent_storing_a_concurrent_answer(
    memory_cache: ResponseCache,
) -> None:
    """A fault would keep every concurrent answer from being stored; 1e999 in a query causes none."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    @strawberry.type(name="Query")
    class Slow(Numbers):
        @cache_control(ttl=60)
        @strawberry.field
        async def slow(self) -> int:
            begun.set()
            await go_on.wait()
            return 1

    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Slow, extensions=[ours])
    slow = asyncio.create_task(schema.execute("{ slow }"))
    await begun.wait()
    await schema.execute("{ fresh half(of: 1e999) }")
    go_on.set()
    result = await slow
    assert result.extensions is not None
    assert result.extensions["responseCache"].get("reason") is None
