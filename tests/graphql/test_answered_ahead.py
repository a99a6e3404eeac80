"""A hit in local memory, and an operation that is never cached, are decided before an executor is asked for.

That is so only where nothing but Strawberry's own code acts in between.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import strawberry
from graphql import ExecutionResult
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.graphql._compat.executor import CachingExecutor


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    def sent(self, info: strawberry.Info) -> str:
        return str(info.input_extensions)


class Asks:
    """A schema, and how often its executors were asked for."""

    def __init__(
        self,
        cache: ResponseCache,
        *others: Any,
        kind: type[strawberry.Schema] = strawberry.Schema,
        **options: Any,
    ) -> None:
        executor = options.pop("executor", None)
        self.built = 0
        extension = ResponseCacheExtension(cache, tenant=None, debug=True, **options)
        self.schema = kind(Query, extensions=[extension, *others], execution_context_class=executor)

    def ask(self, face: str, query: str = "{ hello }", **more: Any) -> tuple[str, Any, int]:
        """Return the status, the data, and whether an executor was asked for."""
        built = 0
        build = CachingExecutor.__dict__["build"].__func__

        def counting(cls: type, *args: Any, **named: Any) -> Any:
            nonlocal built
            built += 1
            return build(cls, *args, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CachingExecutor, "build", classmethod(counting))
            result = FACES[face](self.schema, query, more)
        assert result.errors is None
        return result.extensions["responseCache"]["status"], result.data, built


async def streamed(schema: strawberry.Schema, query: str, more: dict[str, Any]) -> Any:
    (frame,) = [each async for each in await schema.stream(query, **more)]
    return frame


FACES: dict[str, Callable[[strawberry.Schema, str, dict[str, Any]], Any]] = {
    "execute": lambda schema, query, more: asyncio.run(schema.execute(query, **more)),
    "execute_sync": lambda schema, query, more: schema.execute_sync(query, **more),
    "stream": lambda schema, query, more: asyncio.run(streamed(schema, query, more)),
}
HELLO = {"hello": "hello world"}


@pytest.fixture
def local(new_cache: Callable[..., ResponseCache]) -> ResponseCache:
    return new_cache("memory://", local_bytes=1_000_000)


def test_a_hit_in_local_memory_builds_no_executor(local: ResponseCache) -> None:
    asks = Asks(local)
    found = [asks.ask("execute_sync") for _ in range(3)]
    assert found == [("miss", HELLO, 1), ("hit", HELLO, 0), ("hit", HELLO, 0)]
    assert local.statistics().operations.local_hits == 2


@pytest.mark.parametrize("face", ["execute", "stream"])
async def test_a_hit_in_local_memory_in_an_event_loop_builds_no_executor(
    local: ResponseCache, monkeypatch: pytest.MonkeyPatch, face: str
) -> None:
    schema = Asks(local).schema

    async def ask() -> Any:
        if face == "stream":
            return await streamed(schema, "{ hello }", {})
        return await schema.execute("{ hello }")

    for _ in range(2):
        assert (await ask()).data == HELLO
    monkeypatch.delattr(CachingExecutor, "build")
    monkeypatch.setattr(StrawberryGraphQLCoreExecutionContext, "build", None)
    result = await ask()
    assert (result.data, result.extensions["responseCache"]["status"]) == (HELLO, "hit")


@pytest.mark.parametrize("face", list(FACES))
def test_a_request_that_is_never_cached_counts_as_one_bypass(
    new_cache: Callable[..., ResponseCache], face: str
) -> None:
    cache = new_cache("memory://")
    asks = Asks(cache)
    for extensions in (None, {"a": 1}):
        for _ in range(2):
            found = asks.ask(face, "{ sent }", operation_extensions=extensions)
            assert found == ("bypass", {"sent": str(extensions)}, 1)
    assert cache.statistics().operations.bypasses == 4


def answers(asks: Asks, **more: Any) -> list[int]:
    """Return for each of three requests how many executors were asked for."""
    found = [asks.ask("execute_sync", **more) for _ in range(3)]
    assert {data["hello"] for _, data, _ in found} == {HELLO["hello"]}
    return [built for *_, built in found]


@pytest.mark.parametrize("hook", ["on_execute", "resolve"])
def test_an_executor_is_built_for_each_hit_where_another_extension_has_execution_hooks(
    local: ResponseCache, hook: str
) -> None:
    called: list[str] = []

    def on_execute(_: object) -> Iterator[None]:
        called.append(hook)
        yield

    def resolve(_: object, step: Any, *args: Any, **named: Any) -> Any:
        called.append(hook)
        return step(*args, **named)

    other = type(
        "Other", (SchemaExtension,), {hook: on_execute if hook == "on_execute" else resolve}
    )
    assert answers(Asks(local, other, trusted_extensions=[other])) == [1, 1, 1]
    assert called == [hook] * (3 if hook == "on_execute" else 1)


@pytest.mark.parametrize(
    "name",
    [
        "_get_execute_function",
        "_get_middleware_manager",
        "_get_custom_context_kwargs",
        "execute_sync",
    ],
)
@pytest.mark.parametrize("where", ["class", "object"])
def test_a_method_that_a_custom_schema_overrides_is_called_on_each_request(
    local: ResponseCache, name: str, where: str
) -> None:
    original, called = getattr(strawberry.Schema, name), []

    def own(self: Any, *args: Any, **named: Any) -> Any:
        called.append(name)
        return original(self, *args, **named)

    if where == "class":
        asks = Asks(local, kind=type("Own", (strawberry.Schema,), {name: own}))
    else:
        asks = Asks(local)
        vars(asks.schema)[name] = own.__get__(asks.schema)
    assert answers(asks) == [1, 1, 1]
    assert called == [name] * 3


def test_a_custom_executor_is_built_on_each_request(local: ResponseCache) -> None:
    class Own(StrawberryGraphQLCoreExecutionContext):
        pass

    assert answers(Asks(local, executor=Own, trusted_extensions=[Own])) == [1, 1, 1]


def test_an_executor_class_that_replaces_the_known_one_is_built(
    local: ResponseCache,
) -> None:
    """The hits before were answered for another executor class."""
    asks = Asks(local)
    for _ in range(2):
        asks.ask("execute_sync")
    known: Any = asks.schema.execution_context_class
    for base in (known, StrawberryGraphQLCoreExecutionContext):
        built: list[type] = []

        def build(
            cls: Any, /, *args: Any, _built: Any = built, _base: Any = base, **named: Any
        ) -> Any:
            _built.append(cls)
            return _base.build.__func__(cls, *args, **named)

        own = type("Own", (base,), {"build": classmethod(build)})
        asks.schema.execution_context_class = own
        assert asks.schema.execute_sync("{ hello }").data == HELLO
        assert built == [own]


def test_a_result_that_another_extension_has_set_is_kept(local: ResponseCache) -> None:
    class Sets(SchemaExtension):
        is_on = False

        def on_validate(self) -> Iterator[None]:
            if Sets.is_on:
                self.execution_context.result = ExecutionResult({"hello": "set"}, None)
            yield

    asks = Asks(local, Sets)
    for _ in range(3):
        asks.ask("execute_sync")
    Sets.is_on = True
    assert asks.schema.execute_sync("{ hello }").data == {"hello": "set"}


def test_request_extensions_count_as_sent_although_a_hook_replaces_them(
    local: ResponseCache,
) -> None:
    """An executor gets what was sent, also if a hook replaces it in the execution context."""

    class Hides(SchemaExtension):
        def on_validate(self) -> Iterator[None]:
            self.execution_context.operation_extensions = None
            yield

    asks = Asks(local, Hides)
    for _ in range(3):
        asks.ask("execute_sync")
    assert asks.ask("execute_sync", operation_extensions={"a": 1}) == ("bypass", HELLO, 1)


def test_changing_the_result_of_a_hit_does_not_change_later_hits(local: ResponseCache) -> None:
    asks = Asks(local)
    for _ in range(3):
        found = asks.ask("execute_sync")[1]
        assert found == HELLO
        found["hello"] = "changed"


def test_a_vary_function_is_called_twice_on_a_miss_before_the_resolvers_and_before_storing(
    local: ResponseCache,
) -> None:
    called: list[str] = []

    def locale(_: object) -> str:
        called.append("locale")
        return "en"

    @strawberry.type(name="Query")
    class Varied:
        @cache_control(ttl=60, vary=["locale"])
        @strawberry.field
        def hello(self, name: str) -> str:
            return f"hello {name}"

    extension = ResponseCacheExtension(local, tenant=None, vary={"locale": locale})
    schema = strawberry.Schema(Varied, extensions=[extension])
    query = "query($name: String!) { hello(name: $name) }"
    for _ in range(3):
        schema.execute_sync(query, {"name": "a"})
    local.clear_sync()
    called.clear()
    assert schema.execute_sync(query, {"name": "a"}).data == {"hello": "hello a"}
    assert called == ["locale"] * 2  # before the first resolver, and before it is stored
