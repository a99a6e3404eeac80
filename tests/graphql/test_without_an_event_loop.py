"""Operations that are awaited outside of an asyncio event loop, as under Trio, and async resolvers in `execute_sync`."""

import asyncio
import gc
import logging
import warnings
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
import strawberry
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate,
    invalidates,
)
from tests.graphql.ledger import outcome, status

T = TypeVar("T")

pytestmark = pytest.mark.parametrize("url", ["quick"], indirect=True)


def driven(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing but for what is there."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    coroutine.close()
    raise AssertionError


class Interrupted(BaseException):
    """As Trio's cancellation, no `Exception`."""


@strawberry.type
class Account:
    id: strawberry.ID
    name: str

    @cache_control(ttl=60)
    @strawberry.field
    async def slow(self, info: strawberry.Info) -> str:
        value: str = info.context["name"][0]
        return value


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def account(self, info: strawberry.Info) -> Account:
        return Account(id=strawberry.ID("1"), name=info.context["name"][0])

    @cache_control(ttl=60, tags=["later"])
    @strawberry.field
    async def later(self, info: strawberry.Info) -> str:
        value: str = info.context["name"][0]
        return value

    @strawberry.field
    def fresh(self, info: strawberry.Info) -> Account:
        return Account(id=strawberry.ID("1"), name=info.context["name"][0])


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def rename(self, info: strawberry.Info, name: str) -> Account:
        info.context["name"][0] = name
        return Account(id=strawberry.ID("1"), name=name)

    @invalidates("Account")
    @strawberry.mutation
    async def tagged(self, info: strawberry.Info, name: str) -> bool:
        info.context["name"][0] = name
        return True

    @strawberry.mutation
    async def called(self, info: strawberry.Info, name: str) -> bool:
        info.context["name"][0] = name
        await invalidate(info, "Account")
        return True

    @strawberry.mutation
    def at_once(self, info: strawberry.Info, name: str) -> Account:
        info.context["name"][0] = name
        return Account(id=strawberry.ID("1"), name=name)

    @strawberry.mutation
    async def cut_off(self, info: strawberry.Info, name: str) -> Account:
        info.context["name"][0] = name
        raise Interrupted


async def tenant(context: Any) -> str:
    return "acme"


def schema_of(cache: ResponseCache, *more: Any, **options: Any) -> strawberry.Schema:
    chosen: dict[str, Any] = {"tenant": None, "debug": True} | options
    extension = ResponseCacheExtension(cache, **chosen)
    return strawberry.Schema(Query, Mutation, extensions=[extension, *more])


class Adding(SchemaExtension):
    async def on_operation(self) -> Any:
        yield


NAME = "{ account { name } }"


@pytest.mark.parametrize("beside", [(), (Adding,)])
@pytest.mark.parametrize("field", ["rename", "tagged", "called", "atOnce"])
def test_a_mutation_invalidates_before_it_answers(
    cache: ResponseCache, field: str, beside: Any
) -> None:
    schema, context = schema_of(cache, *beside), {"name": ["old"]}

    def ask(query: str) -> Any:
        result = driven(schema.execute(query, context_value=context))
        assert result.errors is None
        return result

    assert [status(ask(NAME)) for _ in range(2)] == ["miss", "hit"]
    below = " { name }" if field in {"rename", "atOnce"} else ""
    ask(f'mutation {{ {field}(name: "new"){below} }}')
    assert ask(NAME).data == {"account": {"name": "new"}}


def test_a_mutation_that_is_interrupted_invalidates(cache: ResponseCache) -> None:
    schema, context = schema_of(cache), {"name": ["old"]}
    driven(schema.execute(NAME, context_value=context))
    with pytest.raises(Interrupted):
        driven(schema.execute('mutation { cutOff(name: "new") { name } }', context_value=context))
    assert driven(schema.execute(NAME, context_value=context)).data == {"account": {"name": "new"}}


def test_the_tenant_of_a_mutation_may_be_an_async_function(cache: ResponseCache) -> None:
    schema, context = schema_of(cache, tenant=tenant), {"name": ["old"]}
    sync = schema_of(cache, tenant=lambda _: "acme")
    driven(sync.execute(NAME, context_value=context))
    driven(schema.execute('mutation { rename(name: "new") { name } }', context_value=context))
    assert driven(sync.execute(NAME, context_value=context)).data == {"account": {"name": "new"}}


def test_the_reason_of_a_query_names_the_async_resolver(cache: ResponseCache) -> None:
    schema, context = schema_of(cache), {"name": ["old"]}
    for _ in range(2):
        result = driven(schema.execute("{ later }", context_value=context))
        assert result.data == {"later": "old"}
        assert (status(result), outcome(result)["reason"]) == ("bypass", "async_resolver")
        result = driven(schema.execute("{ fresh { name slow } }", context_value=context))
        assert result.data == {"fresh": {"name": "old", "slow": "old"}}
        assert outcome(result)["fields"][0]["reason"] == "async_resolver"


async def test_an_async_resolver_in_execute_sync_is_an_error_and_is_reported(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    schema = schema_of(cache)
    caplog.set_level(logging.CRITICAL, "strawberry.execution")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Strawberry drops what the resolver was to do
        result = schema.execute_sync("{ later }", context_value={"name": ["old"]})
        await asyncio.sleep(0)
        has_errors, reason = bool(result.errors), outcome(result)["reason"]
        # What was dropped is held by errors, which Strawberry would log, and by the extensions of the schema.
        del result, schema
        gc.collect()
    assert has_errors
    assert reason == "async_resolver"


def test_running_without_an_event_loop_is_logged_once(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    schema, context = schema_of(cache), {"name": ["old"]}
    with caplog.at_level(logging.WARNING, "strawberry_response_cache"):
        for _ in range(3):
            driven(schema.execute(NAME, context_value=context))
    told = [each.getMessage() for each in caplog.records]
    assert len(told) == 1
    assert "outside of an asyncio event loop" in told[0]
