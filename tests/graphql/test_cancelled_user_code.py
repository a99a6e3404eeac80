"""A function of the user's that raises `CancelledError` fails no request; a real cancellation goes through."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from strawberry_response_cache.core._observer import Concluded, Guarded, Observer


class Odd:
    """An object whose attributes may raise."""

    @property
    def name(self) -> str:
        raise asyncio.CancelledError


@strawberry.type
class Item:
    id: strawberry.ID
    odd: strawberry.Private[Odd] = field(default_factory=Odd)


@strawberry.type
class Query:
    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def hello(self) -> int:
        return 1

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self, info: strawberry.Info) -> Item:
        info.context["ran"] += 1
        return Item(id=strawberry.ID("1"))

    @invalidates("odd:{result.odd.name}")
    @strawberry.mutation
    def odd(self, info: strawberry.Info) -> Item:
        info.context["ran"] += 1
        return Item(id=strawberry.ID("1"))


class _Second:
    """Answers the first time it is asked, and raises afterwards."""

    def __init__(self, error: type[BaseException]) -> None:
        self._error = error
        self._was_asked = False

    def __call__(self, _: object) -> str:
        if self._was_asked:
            raise self._error
        self._was_asked = True
        return "one"


async def _cancelled_future(_: object) -> str:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    future.cancel()
    return await future


@dataclass(frozen=True, kw_only=True)
class Case:
    """What raises, and in which request."""

    query: str
    options: Callable[[Callable[..., Any]], dict[str, Any]]
    again: bool = False


READ: Final = "{ hello }"
CHANGE: Final = "mutation { change { id } }"
CASES: Final = {
    "tenant": Case(query=READ, options=lambda raises: {"tenant": raises}),
    "tenant of a mutation": Case(query=CHANGE, options=lambda raises: {"tenant": raises}),
    "session": Case(query="{ me }", options=lambda raises: {"session": raises}),
    "vary": Case(query=READ, options=lambda raises: {"vary": {"locale": raises}}),
    "enabled": Case(query=READ, options=lambda raises: {"enabled": raises}),
    "debug": Case(query=READ, options=lambda raises: {"debug": raises}),
    "debug of a mutation": Case(query=CHANGE, options=lambda raises: {"debug": raises}),
    "on_commit": Case(query=CHANGE, options=lambda raises: {"on_commit": raises}),
    "a tag of @invalidates": Case(query="mutation { odd { id } }", options=lambda _: {}),
    "tenant asked again": Case(query=READ, options=lambda raises: {"tenant": raises}, again=True),
    "session asked again": Case(
        query="{ me }", options=lambda raises: {"session": raises}, again=True
    ),
    "vary asked again": Case(
        query=READ, options=lambda raises: {"vary": {"locale": raises}}, again=True
    ),
}


def _schema(cache: ResponseCache, options: dict[str, Any]) -> strawberry.Schema:
    named = {"tenant": None, "vary": {"locale": lambda _: "en"}} | options
    return strawberry.Schema(Query, Mutation, extensions=[ResponseCacheExtension(cache, **named)])


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit])
@pytest.mark.parametrize("in_loop", [True, False])
@pytest.mark.parametrize("what", CASES)
def test_a_cancelled_error_or_generator_exit_of_a_configured_function_fails_no_request(
    what: str,
    in_loop: bool,
    error: type[BaseException],
    new_cache: Callable[..., ResponseCache],
) -> None:
    case = CASES[what]

    def raises(*_: object) -> Any:
        raise error

    function = _Second(error) if case.again else raises
    schema = _schema(new_cache("memory://"), case.options(function))
    context = {"ran": 0}
    result: Any = (
        asyncio.run(schema.execute(case.query, context_value=context))
        if in_loop
        else schema.execute_sync(case.query, context_value=context)
    )
    assert result.errors is None
    assert result.data
    assert context["ran"] == ("mutation" in case.query)


@pytest.mark.parametrize("name", ["tenant", "vary", "enabled", "debug"])
async def test_a_cancelled_future_from_a_configured_function_cancels_no_request(
    name: str, new_cache: Callable[..., ResponseCache]
) -> None:
    schema = _schema(
        new_cache("memory://"),
        {name: {"locale": _cancelled_future} if name == "vary" else _cancelled_future},
    )
    result = await schema.execute(READ)
    assert (result.data, result.errors) == ({"hello": 1}, None)


async def test_a_request_cancelled_while_it_awaits_the_tenant_function_is_cancelled(
    new_cache: Callable[..., ResponseCache],
) -> None:
    asked = asyncio.Event()

    async def tenant(_: object) -> str:
        asked.set()
        await asyncio.Event().wait()
        return "one"

    schema = _schema(new_cache("memory://"), {"tenant": tenant})
    request = asyncio.create_task(schema.execute(READ))
    await asked.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_keyboard_interrupt_or_system_exit_of_a_configured_function_is_raised(
    error: type[BaseException], new_cache: Callable[..., ResponseCache]
) -> None:
    def raises(_: object) -> str:
        raise error

    schema = _schema(new_cache("memory://"), {"tenant": raises})
    with pytest.raises(error):
        schema.execute_sync(READ)


@pytest.mark.faults
@pytest.mark.parametrize("in_loop", [True, False])
@pytest.mark.parametrize("query", [READ, CHANGE])
def test_a_cancelled_error_raised_by_this_package_fails_no_request(
    query: str,
    in_loop: bool,
    new_cache: Callable[..., ResponseCache],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raises(*_: object, **__: object) -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr(
        "strawberry_response_cache.graphql.execution.run.RequestContext._to_ask", raises
    )
    schema = _schema(new_cache("memory://"), {})
    context = {"ran": 0}
    result: Any = (
        asyncio.run(schema.execute(query, context_value=context))
        if in_loop
        else schema.execute_sync(query, context_value=context)
    )
    assert result.errors is None
    assert context["ran"] == ("mutation" in query)


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("kind", ["query", "mutation"])
async def test_a_cancelled_error_of_a_resolver_is_raised_as_without_the_cache(
    kind: str, cached: bool, new_cache: Callable[..., ResponseCache]
) -> None:
    """A resolver whose own future was cancelled: graphql-core lets that out, and so does the cache."""
    ran = 0

    async def cancelled() -> int:
        nonlocal ran
        ran += 1
        return int(await _cancelled_future(None))

    @strawberry.type
    class Root:
        field = cache_control(ttl=60)(strawberry.field(cancelled))

    @strawberry.type
    class Changes:
        field = strawberry.mutation(cancelled)

    ours = ResponseCacheExtension(new_cache("memory://"), tenant=None)
    schema = strawberry.Schema(Root, Changes, extensions=[ours] if cached else [])
    with pytest.raises(asyncio.CancelledError):
        await schema.execute(f"{kind} {{ field }}")
    assert ran == 1


def test_an_observer_that_raises_a_cancelled_error_fails_no_caller() -> None:
    class Raising(Observer):
        def listening(self) -> bool:
            raise asyncio.CancelledError

        def concluded(self, event: Concluded) -> None:
            raise asyncio.CancelledError

    observer = Guarded(Raising())
    assert not observer.listening()
    observer.concluded(Concluded("hit", None))
