"""A custom scalar whose parse function reads more than its argument: the key holds what it made of the argument."""

import itertools
from collections.abc import Callable
from contextvars import ContextVar
from datetime import date
from decimal import Decimal
from typing import Any, NewType

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import ResponseCache, cache_control
from tests.graphql.both_ways import FORMS, BothWays, statuses

comma: ContextVar[str] = ContextVar("comma", default=".")
Money = NewType("Money", Decimal)
made = itertools.count()


def _parse(value: Any) -> Decimal:
    text = str(value)
    return Decimal(text.replace("." if comma.get() == "," else ",", "").replace(",", "."))


CONFIG = StrawberryConfig(scalar_map={Money: strawberry.scalar(name="Money", parse_value=_parse)})


@strawberry.input
class Between:
    least: Money


@strawberry.input
class Filter:
    price: list[Between] | None = None


@strawberry.type
class Shop:
    id: strawberry.ID

    @cache_control(inherit=True)
    @strawberry.field
    def part(self, price: Money) -> str:
        return f"{price}"

    @cache_control(ttl=60)
    @strawberry.field
    def own(self, price: Money) -> str:
        return f"{price}"


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self) -> int:
        return next(made)

    @cache_control(ttl=60)
    @strawberry.field
    def worth(self, price: Money) -> str:
        return f"{price}"

    @cache_control(ttl=60)
    @strawberry.field
    def found(self, by: Filter, day: date | None = None) -> str:
        return repr(by.price and by.price[0].least)

    @cache_control(ttl=60)
    @strawberry.field
    def shop(self) -> Shop:
        return Shop(id=strawberry.ID("1"))

    @cache_control(ttl=60)
    @strawberry.field
    def plain(self, day: date | None = None, number: int = 0) -> str:
        return f"{day} {number}"


REQUESTS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "literal": ('{ worth(price: "1,5.0") }', None),
    "variable": ("query ($p: Money!) { worth(price: $p) }", {"p": "1,5.0"}),
    "default": ('query ($p: Money! = "1,5.0") { worth(price: $p) }', None),
    "input": ('{ found(by: {price: [{least: "1,5.0"}]}) }', None),
    "variable in an input": (
        "query ($p: Money!) { found(by: {price: [{least: $p}]}) }",
        {"p": "1,5.0"},
    ),
    "input in a variable": (
        "query ($by: Filter!) { found(by: $by) }",
        {"by": {"price": [{"least": "1,5.0"}]}},
    ),
    "below": ('{ shop { part(price: "1,5.0") } }', None),
    "below, in a variable": ("query ($p: Money!) { shop { part(price: $p) } }", {"p": "1,5.0"}),
    "in a fragment": (
        'query { ...on Query { shop { ...part } } } fragment part on Shop { part(price: "1,5.0") }',
        None,
    ),
    "own entry below": ('{ shop { own(price: "1,5.0") } }', None),
}


@pytest.mark.combined  # each place of a value by itself: what is overlooked there is somebody else's
@pytest.mark.parametrize("what", REQUESTS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "way", ["execute", pytest.param("execute_sync", marks=pytest.mark.exhaustive)]
)
async def test_each_request_gets_the_answer_for_its_own_parsed_values(
    new_cache: Callable[..., ResponseCache], what: str, form: str, way: str
) -> None:
    both, (query, variables) = (
        BothWays(Query, new_cache("memory://"), config=CONFIG),
        REQUESTS[what],
    )
    for sign in [".", ",", ".", ","]:
        comma.set(sign)
        expected = await both.ask_plain(query, variables, form=form)
        answer = await both.ask(query, variables, way=way, form=form)
        for result in (expected, answer):
            assert result.data is not None
            result.data.pop("fresh", None)
        assert answer.data == expected.data
    assert statuses(answer, form) == {"hit"}
