"""The memory of a process does not grow with the number of operations that clients send."""

import itertools
import logging
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
)

if TYPE_CHECKING:
    from tests.bounds.conftest import KeepsNothing

REQUESTS: Final = int(os.environ.get("HOSTILE_REQUESTS", "250"))
"""Of one round; with 20000, a kind comes to more than 10^5."""
NAMES: Final = [f"c{number}" for number in range(6)]
DECLARED: Final = " ".join(f"${name}: Boolean!" for name in NAMES)
MANY: Final = " ".join(
    f"a{number}: item(x: {number}) @include(if: ${NAMES[number % 6]}) {{ id }}"
    for number in range(12)
)

Kind = Callable[[int], tuple[str, dict[str, Any], dict[str, Any]]]
SOMEBODY: Final = {"tenant": "t", "user": "u"}


@strawberry.type
class Item:
    id: int

    @cache_control(ttl=60)
    @strawberry.field
    def own(self, x: int = 0) -> int:
        return self.id + x

    @cache_control(ttl=60, tags=["own:{args.x}"])
    @strawberry.field
    def tagged(self, x: int = 0) -> int:
        return self.id + x


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def item(self, x: int = 0) -> Item:
        return Item(id=x)

    @strawberry.field
    def fresh(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def length(self, text: str) -> int:
        return len(text)

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def turns(self, info: strawberry.Info, x: int) -> int:
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return x

    @cache_control(ttl=60)
    @strawberry.field
    def fails(self, x: int) -> int | None:
        raise ConnectionError


def texts(number: int) -> Any:
    return f"{{ a{number}: item {{ id own }} }}", {}, SOMEBODY


def fields(number: int) -> Any:
    return f"{{ fresh a{number}: item {{ own(x: {number}) tagged(x: {number}) }} }}", {}, SOMEBODY


def conditions(number: int) -> Any:
    chosen = {name: bool(number >> place & 1) for place, name in enumerate(NAMES)}
    return f"query Q{number // 64} ({DECLARED}) {{ fresh {MANY} }}", chosen, SOMEBODY


def variables(number: int) -> Any:
    sent = {"text": f"{number} " + "x" * 5_000}
    return "query ($text: String!) { fresh length(text: $text) }", sent, SOMEBODY


def tenants(number: int) -> Any:
    return "{ item { id } }", {}, {"tenant": f"{number} " + "x" * 5_000, "user": "u"}


def sessions(number: int) -> Any:
    return "{ fresh mine }", {}, {"tenant": "t", "user": f"{number} " + "x" * 5_000}


def restrictions(number: int) -> Any:
    return f"{{ turns(x: {number}) }}", {}, SOMEBODY


def failures(number: int) -> Any:
    return f"{{ item {{ id }} fails(x: {number}) }}", {}, SOMEBODY


def mistakes(number: int) -> Any:
    return f"{{ a{number}: nothing }}", {}, SOMEBODY


@pytest.mark.parametrize(
    "kind",
    [
        texts,
        fields,
        conditions,
        variables,
        tenants,
        sessions,
        restrictions,
        failures,
        mistakes,
    ],
)
async def test_requests_leave_nothing_in_the_process(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    keeps_nothing: "KeepsNothing",
    caplog: pytest.LogCaptureFixture,
    kind: Kind,
) -> None:
    caplog.set_level(logging.CRITICAL + 1, "strawberry.execution")
    extension = ResponseCacheExtension(
        new_cache(valkey_url),
        tenant=lambda context: context["tenant"],
        session=lambda context: context["user"],
        plan_bytes=1_000_000,
    )
    schema = strawberry.Schema(Query, extensions=[extension])
    extension.check(schema)
    numbers: Iterator[int] = itertools.count()

    async def work() -> None:
        for number in itertools.islice(numbers, REQUESTS):
            query, sent, context = kind(number)
            await schema.execute(query, variable_values=sent, context_value=context)
        raw_valkey.flushall()

    await keeps_nothing(work, REQUESTS)
