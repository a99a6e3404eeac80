"""A copy of a schema is another schema: it executes itself, with its own extensions."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import strawberry
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.graphql.ledger import reason, status

WAYS = ["execute", "execute_sync", "stream"]


@strawberry.type
class Item:
    id: strawberry.ID
    stock: int


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def item(self, info: strawberry.Info) -> Item:
        return Item(id=strawberry.ID("1"), stock=info.context["stock"])


@strawberry.type
class Mutation:
    @strawberry.mutation
    def sell(self, info: strawberry.Info) -> Item:
        info.context["sold"] = info.context["stock"] - 1
        return Item(id=strawberry.ID("1"), stock=info.context["sold"])


class Commit(SchemaExtension):
    """Commits when the operation is over."""

    def on_operation(self) -> Iterator[None]:
        yield
        context = self.execution_context.context
        context["stock"] = context.pop("sold", context["stock"])


class Refuse(SchemaExtension):
    """Refuses every operation."""

    def on_execute(self) -> Iterator[None]:
        msg = "refused"
        raise PermissionError(msg)
        yield


READ = "{ item { stock } }"
SELL = "mutation { sell { id } }"


async def ask(schema: strawberry.Schema, way: str, query: str, context: Any) -> Any:
    match way:
        case "execute":
            return await schema.execute(query, context_value=context)
        case "execute_sync":
            return schema.execute_sync(query, context_value=context)
        case _:
            stream: Any = await schema.stream(query, context_value=context)
            return [frame async for frame in stream][-1]


def shop(cache: ResponseCache) -> strawberry.Schema:
    ours = ResponseCacheExtension(cache, tenant=None, debug=True)
    return strawberry.Schema(Query, Mutation, extensions=[Commit, ours])


@pytest.mark.parametrize("way", WAYS)
async def test_a_copy_of_a_schema_runs_its_own_extensions(
    memory_cache: ResponseCache, way: str
) -> None:
    schema = shop(memory_cache)
    for _ in range(2):
        assert (await ask(schema, way, READ, {"stock": 5})).errors is None
    copied: Any = copy.copy(schema)
    copied.extensions = (Refuse,)
    result = await ask(copied, way, READ, {"stock": 5})
    assert [error.message for error in result.errors] == ["refused"]
    assert status(await ask(schema, way, READ, {"stock": 5})) == "hit"


@pytest.mark.parametrize("way", WAYS)
async def test_a_copy_of_a_schema_has_the_configuration_of_its_own_extension(
    new_cache: Callable[..., ResponseCache], way: str
) -> None:
    schema = shop(new_cache("memory://"))
    await ask(schema, way, READ, {"stock": 5})
    copied: Any = copy.copy(schema)
    off = ResponseCacheExtension(
        new_cache("memory://"), tenant=None, debug=True, schema_name="copy", enabled=False
    )
    copied.extensions = (off,)
    assert reason(await ask(copied, way, READ, {"stock": 5})) == "disabled"
    assert vars(copied)["_response_cache"].adopted.plans.setting.schema_name == "copy"
    assert vars(schema)["_response_cache"].adopted.plans.setting.schema_name == ""


@pytest.mark.parametrize("way", WAYS)
async def test_a_mutation_of_a_copy_of_a_schema_invalidates(
    memory_cache: ResponseCache, way: str
) -> None:
    schema = shop(memory_cache)
    context = {"stock": 5}
    assert status(await ask(schema, way, READ, context)) == "miss"
    copied = copy.copy(schema)
    assert (await ask(copied, way, SELL, context)).errors is None
    read = await ask(schema, way, READ, context)
    assert (read.data, status(read)) == ({"item": {"stock": 4}}, "miss")


@pytest.mark.parametrize("way", WAYS)
async def test_a_copy_of_a_custom_schema_calls_its_overridden_methods(
    memory_cache: ResponseCache, way: str
) -> None:
    made: list[object] = []

    class OfOnesOwn(strawberry.Schema):
        def create_extensions_runner(self, *arguments: Any, **named: Any) -> Any:
            made.append(self)
            return super().create_extensions_runner(*arguments, **named)

    ours = ResponseCacheExtension(memory_cache, tenant=None)
    schema = OfOnesOwn(Query, Mutation, extensions=[ours])
    await ask(schema, way, READ, {"stock": 5})
    copied = copy.copy(schema)
    for each in (copied, schema):
        await ask(each, way, READ, {"stock": 5})
        assert made.pop() is each


async def test_a_method_that_the_user_replaced_on_the_schema_is_called(
    memory_cache: ResponseCache,
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    schema: Any = strawberry.Schema(Query, Mutation, extensions=[ours])
    create, made = schema.create_extensions_runner, []

    def counted(*arguments: Any) -> Any:
        made.append(arguments)
        return create(*arguments)

    schema.create_extensions_runner = counted
    for _ in range(2):
        assert (await schema.execute(READ, context_value={"stock": 5})).errors is None
    assert len(made) == 2


def test_one_extension_caches_each_of_many_schemas(memory_cache: ResponseCache) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    for number in range(6):
        schema = strawberry.Schema(Query, extensions=[extension])
        query = f"query Q{number} {{ item {{ stock }} }}"
        answers = [schema.execute_sync(query, context_value={"stock": 1}) for _ in range(2)]
        assert [*map(status, answers)] == ["miss", "hit"], number
