"""Advice names what stands in the code, and no repr holds a value."""

import asyncio
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

import pytest
import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)

user: ContextVar[str] = ContextVar("user", default="guest")


@strawberry.type
class Thing:
    id: strawberry.ID
    number: int


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


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def open(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def secret(self) -> str:
        return "for staff"


def said(result: Any) -> Any:
    return result.data, [e.message for e in result.errors or ()]


def test_enabled_that_returns_a_truthy_value_is_not_reported_as_disabled(
    memory_cache: ResponseCache,
) -> None:
    ours = ResponseCacheExtension(
        memory_cache,
        tenant=None,
        debug=True,
        enabled=lambda _: 1,  # type: ignore[arg-type, return-value]
    )
    schema = strawberry.Schema(Query, extensions=[ours])
    result = schema.execute_sync("{ open }")
    assert result.extensions is not None
    assert "says no" not in str(result.extensions["responseCache"])


Element = TypeVar("Element")


@strawberry.type
class Page(Generic[Element]):
    items: list[Element]

    @strawberry.field
    def total_count(self) -> int:
        return 1


@strawberry.type
class Paged:
    some_number: int = 1

    @cache_control(ttl=60)
    @strawberry.field
    def page(self) -> Page[Thing]:
        return Page(items=[])


@pytest.mark.parametrize(
    ("query", "wrong"),
    [("{ page { totalCount } }", "ThingPage"), ("{ someNumber }", "write someNumber:")],
)
def test_advice_contains_no_name_that_is_missing_from_the_code(
    memory_cache: ResponseCache, query: str, wrong: str
) -> None:
    """There is no class ThingPage, and the attribute is some_number."""
    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    result = strawberry.Schema(Paged, extensions=[ours]).execute_sync(query)
    assert result.extensions is not None
    assert wrong not in result.extensions["responseCache"]["advice"]


async def test_a_cancelled_task_of_the_tenant_function_fails_no_request(
    memory_cache: ResponseCache,
) -> None:
    """The CancelledError of that task does not cancel the request."""

    async def tenant(_: object) -> str:
        looked_up = asyncio.create_task(asyncio.sleep(60, "acme"))
        asyncio.get_running_loop().call_soon(looked_up.cancel)
        return await looked_up

    schema = strawberry.Schema(
        Query, extensions=[ResponseCacheExtension(memory_cache, tenant=tenant)]
    )
    try:
        result = await schema.execute("{ open }")
    except asyncio.CancelledError:
        pytest.fail("the request was cancelled, and nobody had cancelled it")
    assert result.data == {"open": 1}


def test_the_repr_of_a_plan_holds_no_value_of_the_document(memory_cache: ResponseCache) -> None:
    schema = strawberry.Schema(
        Numbers, extensions=[ResponseCacheExtension(memory_cache, tenant=None)]
    )
    schema.execute_sync("query ($x: Float! = 12345.25) { half(of: $x) }")
    kept = vars(schema)["_response_cache"].adopted.plans._known._kept.values()
    plans = [plan for each in kept for plan in each.value.plans.values()]
    assert plans
    assert "12345.25" not in repr(plans)
