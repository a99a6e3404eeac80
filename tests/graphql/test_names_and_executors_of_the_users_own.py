"""Whatever the user calls arguments, and however an executor of the user's own calls its methods, requests work."""

import asyncio
import inspect
from bisect import bisect_left
from functools import partial
from typing import Annotated, Any

import pytest
import strawberry
from graphql import OperationType, is_object_type
from strawberry.permission import BasePermission
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from strawberry_response_cache.graphql._compat.private_names import executable_of

NAMES = ("source", "info_", "next_", "self_", "kwargs", "args", "result", "parent", "path", "field")
"""What parameters of this package, of Strawberry and of graphql-core are called."""


class Allowed(BasePermission):
    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return True


def _argued(name: str) -> Any:
    """Return a resolver that takes an argument of this name."""

    def resolve(info: strawberry.Info, placeholder: str) -> str:
        info.context["ran"].append(1)
        return placeholder

    code = resolve.__code__
    names = tuple(name if each == "placeholder" else each for each in code.co_varnames)
    resolve.__code__ = code.replace(co_varnames=names)
    resolve.__annotations__ = {"info": strawberry.Info, name: str, "return": str}
    return resolve


def _named(name: str) -> Any:
    """Return a resolver with an argument that GraphQL calls so."""

    def resolve(info: strawberry.Info, given: str) -> str:
        info.context["ran"].append(1)
        return given

    resolve.__annotations__["given"] = Annotated[str, strawberry.argument(name=name)]
    return resolve


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
@pytest.mark.parametrize("name", NAMES)
async def test_an_argument_may_have_any_name(
    memory_cache: ResponseCache, name: str, way: str
) -> None:
    guarded: list[type[BasePermission]] = [Allowed]

    @strawberry.type
    class Query:
        hello: str = "world"
        argued: str = cache_control(ttl=60)(strawberry.field(resolver=_argued(name)))
        named: str = cache_control(ttl=60)(
            strawberry.field(resolver=_named(name), permission_classes=guarded)
        )
        unhinted: str = strawberry.field(resolver=_named(name), permission_classes=guarded)

    @strawberry.type
    class Mutation:
        argued: str = invalidates(f"of:{{args.{name}}}")(
            strawberry.mutation(resolver=_argued(name))
        )
        named: str = invalidates("of:{args.given}")(strawberry.mutation(resolver=_named(name)))

    extension = ResponseCacheExtension(memory_cache, tenant=None, session=lambda _: "alice")
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    extension.check(schema)
    for kind, field in (
        *(("query", field) for field in ("argued", "named", "unhinted") * 2),
        *(("mutation", field) for field in ("argued", "named")),
    ):
        root: Any = executable_of(schema).get_root_type(OperationType(kind))
        [shown] = root.fields[field].args
        query = f'{kind} {{ {field}({shown}: "a") }}'
        ran: list[int] = []
        context = {"ran": ran}
        if way == "execute":
            result = await schema.execute(query, context_value=context)
        else:
            result = await asyncio.to_thread(schema.execute_sync, query, context_value=context)
        assert (result.errors, result.data) == (None, {field: "a"})
        assert kind == "query" or len(ran) == 1


class ByKeyword(StrawberryGraphQLCoreExecutionContext):
    """Calls methods of its own by keyword."""

    def complete_value(self, *given: Any, **named: Any) -> Any:
        names = inspect.signature(super().complete_value).parameters
        bound = dict(zip(names, given, strict=False)) | named
        result, kind = bound["result"], bound["return_type"]
        if is_object_type(kind) and result is not None and not isinstance(result, Exception):
            return self.complete_object_value(**bound)
        return super().complete_value(*given, **named)

    def execute_fields(self, *given: Any, **named: Any) -> Any:
        names = [*inspect.signature(super().execute_fields).parameters]
        return super().execute_fields(**dict(zip(names, given, strict=False)), **named)


class WithMore(StrawberryGraphQLCoreExecutionContext):
    """Has a parameter more than graphql-core."""

    def complete_object_value(self, *given: Any, more: str = "") -> Any:
        assert more
        return super().complete_object_value(*given)

    def complete_value(self, *given: Any, **named: Any) -> Any:
        names = inspect.signature(super().complete_value).parameters
        bound = dict(zip(names, given, strict=False)) | named
        result, kind = bound["result"], bound["return_type"]
        if is_object_type(kind) and result is not None and not isinstance(result, Exception):
            return self.complete_object_value(*bound.values(), more="more")
        return super().complete_value(*given, **named)


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("executor", [ByKeyword, WithMore])
async def test_a_custom_executor_may_call_its_methods_with_keywords_or_more_arguments(
    memory_cache: ResponseCache, executor: type[Any], *, trusted: bool
) -> None:
    @strawberry.type
    class Item:
        id: strawberry.ID

        @cache_control(ttl=60)
        @strawberry.field
        def price(self) -> int:
            return 1

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def item(self) -> Item:
            return Item(id=strawberry.ID("1"))

        @strawberry.field
        def items(self) -> list[Item]:
            return [Item(id=strawberry.ID("1"))]

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def change(self, info: strawberry.Info) -> Item:
            info.context.append(1)
            return Item(id=strawberry.ID("1"))

    options: Any = {"trusted_extensions": [executor] if trusted else []}
    extension = ResponseCacheExtension(memory_cache, tenant=None, **options)
    made: Any = {"execution_context_class": executor}
    cached = strawberry.Schema(Query, Mutation, extensions=[extension], **made)
    plain = strawberry.Schema(Query, Mutation, **made)
    for query in (
        "{ item { id price } }",
        "{ items { id price } }",
        "mutation { change { id } }",
    ) * 2:
        for sync in (False, True):
            ran: list[int] = []
            if sync:
                result = await asyncio.to_thread(cached.execute_sync, query, context_value=ran)
            else:
                result = await cached.execute(query, context_value=ran)
            assert result.errors is None
            assert result.data == plain.execute_sync(query, context_value=[]).data
            assert len(ran) == query.startswith("mutation")


# -- Depth ------------------------------------------------------------------------------------------------


@strawberry.type
class Deep:
    @strawberry.field
    def deeper(self) -> "Deep":
        return self

    @strawberry.field
    def more(self) -> list["Deep"]:
        return [self]

    name: str = "deep"


@pytest.mark.parametrize("level", ["deeper", "more"])
@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_recorded_objects_nest_as_deep_as_without_a_cache(
    memory_cache: ResponseCache, kind: str, level: str
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def deep(self) -> Deep:
            return Deep()

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def deep(self, info: strawberry.Info) -> Deep:
            info.context.append(1)
            return Deep()

    extension = ResponseCacheExtension(memory_cache, tenant=None, default_ttl=60)
    cached = strawberry.Schema(Query, Mutation, extensions=[extension])
    plain = strawberry.Schema(Query, Mutation)

    def fails(depth: int, schema: strawberry.Schema) -> bool:
        inside = f"{{ {level} " * depth + "{ name }" + " }" * depth
        ran: list[int] = []
        result = schema.execute_sync(f"{kind} {{ deep {inside} }}", context_value=ran)
        return result.errors is not None

    def deepest(schema: strawberry.Schema) -> int:
        first = bisect_left(range(20, 300), 1, key=partial(fails, schema=schema))
        assert 0 < first < 280
        return 20 + first - 1

    assert not fails(1, cached)
    # What stands around an operation takes its frames once, and not at each level.
    assert deepest(plain) - deepest(cached) <= 8
