"""Two requests whose resolvers see different arguments never share an entry, however alike they are written."""

import enum
import functools
from decimal import Decimal
from typing import Any, NewType

import pytest
import strawberry
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionResult

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.graphql.both_ways import FORMS, formed

Money = NewType("Money", Decimal)


def from_json(value: Any) -> Decimal:
    return Decimal(str(value))


def from_literal(node: Any, variables: Any = None) -> Decimal:
    return Decimal(node.value)


@strawberry.enum
class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@strawberry.input
class Filter:
    anything: JSON | None = None
    money: Money | None = None
    number: float | None = None
    colour: Colour | None = None


def seen(**arguments: object) -> str:
    """Tell arguments apart as a resolver can."""
    shown = {name: vars(v) if isinstance(v, Filter) else v for name, v in arguments.items()}
    return repr(shown)


@strawberry.type
class Echo:
    id: strawberry.ID

    @cache_control(ttl=60)
    @strawberry.field
    def told(
        self,
        anything: JSON | None = None,
        money: Money | None = None,
        number: float | None = 1,
        count: int | None = 1,
        colour: Colour | None = None,
        name: strawberry.ID | None = None,
        within: Filter | None = None,
    ) -> str:
        return seen(
            anything=anything,
            money=money,
            number=number,
            count=count,
            colour=colour,
            name=name,
            within=within,
        )

    @cache_control(inherit=True)
    @strawberry.field
    def said(
        self,
        anything: JSON | None = None,
        money: Money | None = None,
        number: float | None = 1,
        count: int | None = 1,
        colour: Colour | None = None,
        name: strawberry.ID | None = None,
        within: Filter | None = None,
    ) -> str:
        return seen(
            anything=anything,
            money=money,
            number=number,
            count=count,
            colour=colour,
            name=name,
            within=within,
        )

    @cache_control(ttl=60)
    @strawberry.field
    def below(self) -> "Echo":
        return self


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=60)
    @strawberry.field
    def told(
        self,
        anything: JSON | None = None,
        money: Money | None = None,
        number: float | None = 1,
        count: int | None = 1,
        colour: Colour | None = None,
        name: strawberry.ID | None = None,
        within: Filter | None = None,
    ) -> str:
        return seen(
            anything=anything,
            money=money,
            number=number,
            count=count,
            colour=colour,
            name=name,
            within=within,
        )

    @cache_control(ttl=60)
    @strawberry.field
    def echo(self) -> Echo:
        return Echo(id=strawberry.ID("1"))


CONFIG = StrawberryConfig(
    scalar_map={
        Money: strawberry.scalar(
            name="Money", serialize=str, parse_value=from_json, parse_literal=from_literal
        )
    }
)

Written = tuple[str, str, dict[str, Any]]
"""The declared variables, an argument, and what is sent."""


def variable(kind: str, argument: str, value: Any) -> Written:
    return f"$x: {kind}", argument, {"x": value}


ALIKE: dict[str, list[Written]] = {
    "an ID and an Int in an object of a scalar": [
        variable("ID!", "anything: {a: $x}", 1),
        variable("Int!", "anything: {a: $x}", 1),
        variable("Float!", "anything: {a: $x}", 1),
    ],
    "an enum and a String in an object of a scalar": [
        variable("Colour!", "anything: {a: $x}", "RED"),
        variable("String!", "anything: {a: $x}", "RED"),
        ("", 'anything: {a: "RED"}', {}),
    ],
    "a default left out and sent": [
        ("", "", {}),
        ("", "number: 1.0", {}),
        ("", "number: 1", {}),
        variable("Float", "number: $x", 1),
        variable("Float", "number: $x", 1.0),
        ("$x: Float", "number: $x", {}),
        variable("Float", "number: $x", None),
    ],
    "a zero and its negative": [
        ("", "number: 0", {}),
        ("", "number: -0", {}),
        ("", "number: -0.0", {}),
        variable("Float", "number: $x", 0),
        variable("Float", "number: $x", -0.0),
        ("", "count: 0", {}),
        ("", "count: -0", {}),
        variable("Int", "count: $x", -0.0),
    ],
    "a default of a variable that is a zero or its negative": [
        ("$x: Float = -0", "number: $x", {}),
        ("$x: Float = -0", "number: $x", {"x": 0}),
        ("$x: Float = 0", "number: $x", {}),
        ("$x: Float = -0.0", "number: $x", {}),
        ("$x: Filter = {number: -0}", "within: $x", {}),
        ("$x: Filter = {number: -0}", "within: $x", {"x": {"number": 0}}),
        ("$x: Int = -0", "count: $x", {}),
        ("$x: ID = -0", "name: $x", {}),
        ("$x: ID = -0", "name: $x", {"x": 0}),
        ("$x: ID = 0", "name: $x", {}),
    ],
    "literals of a scalar": [
        ("", "money: 1.50", {}),
        ("", "money: 1.5", {}),
        ("", 'money: "1.50"', {}),
        ("", "within: {money: 1.50}", {}),
        ("", "within: {money: 1.5}", {}),
        variable("Money", "money: $x", 1.5),
        variable("Money", "money: $x", "1.50"),
        variable("Filter", "within: $x", {"money": 1.5}),
        variable("Filter", "within: $x", {"money": "1.50"}),
    ],
    "a default of a variable left out and sent": [
        ("$x: Money = 1.50", "money: $x", {}),
        ("$x: Money = 1.50", "money: $x", {"x": 1.5}),
        ("$x: Filter = {money: 1.50}", "within: $x", {}),
        ("$x: Filter = {money: 1.50}", "within: $x", {"x": {"money": 1.5}}),
        ("$x: JSON = {a: 1.50}", "anything: $x", {}),
        ("$x: JSON = {a: 1.50}", "anything: $x", {"x": {"a": 1.5}}),
    ],
    "defaults of a variable that differ": [
        ("$x: Money = 1.50", "money: $x", {}),
        ("$x: Money = 1.5", "money: $x", {}),
        ("$x: Money = 2", "money: $x", {}),
        ("$x: Filter = {money: 1.50}", "within: $x", {}),
        ("$x: Filter = {money: 1.5}", "within: $x", {}),
        ("$x: JSON = {a: 1}", "anything: $x", {}),
        ("$x: JSON = {a: 2}", "anything: $x", {}),
        ("$x: JSON = 1", "anything: $x", {}),
        ("$x: JSON = 1", "anything: $x", {"x": "1"}),
    ],
    "kinds of JSON": [
        *[
            variable("JSON", "anything: $x", value)
            for value in (1, 1.0, "1", True, None, "null", [1], [[1]], {"a": 1}, [{"a": 1}])
        ],
        ("", "anything: 1", {}),
        ("", "anything: null", {}),
        ("", "", {}),
    ],
    "a list that looks like a variable": [
        variable("JSON", "anything: $x", 1),
        ("", 'anything: ["$", "JSON", [1]]', {}),
        ("", 'anything: ["JSON", [1]]', {}),
        ("", 'anything: ["default", "1"]', {}),
        ("$x: JSON = 1", "anything: $x", {}),
        variable("JSON", "anything: {a: $x}", 1),
        ("", 'anything: {a: ["$", "JSON", [1]]}', {}),
        ("", 'anything: {a: "$JSON"}', {}),
    ],
    "members of an enum": [
        ("", "colour: RED", {}),
        ("", "colour: BLUE", {}),
        variable("Colour", "colour: $x", "RED"),
        ("", "within: {colour: RED}", {}),
        ("", "within: {number: 0}", {}),
        ("", "within: {number: -0.0}", {}),
    ],
}

SHAPES = {
    "at the root": "told{}",
    "below an entry": "echo {{ told{} }}",
    "two below": "echo {{ below {{ told{} }} }}",
    "as part of an entry": "echo {{ below {{ said{} }} }}",
    "twice": "a: told{} b: told(number: 7)",
}


def schema_of(cache: ResponseCache | None) -> strawberry.Schema:
    extensions: Any = []
    if cache is not None:
        extensions = [ResponseCacheExtension(cache, tenant=None, debug=True)]
    return strawberry.Schema(Query, config=CONFIG, extensions=extensions)


@functools.cache
def plain() -> strawberry.Schema:
    """The schema without a cache, once for all tests."""
    return schema_of(None)


def ask(schema: strawberry.Schema, written: Written, shape: str, form: str) -> ExecutionResult:
    declared, argument, variables = written
    body = SHAPES[shape].format(f"({argument})" if argument else "")
    head = f"query ({declared}) " if declared else ""
    text = head + formed("{ " + body + " }", form)
    result = schema.execute_sync(text, variable_values=variables)
    assert result.errors is None, result.errors
    return result


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alike", ALIKE)
def test_arguments_that_resolvers_see_differently_have_entries_of_their_own(
    memory_cache: ResponseCache, alike: str, shape: str, form: str
) -> None:
    """Each request gets the answer of a schema without a cache, although the requests before it are stored."""
    schema = schema_of(memory_cache)
    asked = [(written, ask(plain(), written, shape, form).data) for written in ALIKE[alike]]
    for written, expected in [*asked, *reversed(asked)]:
        assert ask(schema, written, shape, form).data == expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "same",
    [
        [("$x: Colour = RED", "colour: $x", {}), ("$x: Colour = RED", "colour: $x", {"x": "RED"})],
        [
            ("$x: Filter = {number: 2.5}", "within: $x", {}),
            ("$x: Filter = {number: 2.5}", "within: $x", {"x": {"number": 2.5}}),
        ],
        [("$x: Float = 2.5", "number: $x", {}), ("$x: Float = 2.5", "number: $x", {"x": 2.5})],
    ],
)
def test_a_variable_left_out_hits_the_entry_of_its_default_except_operations_with_a_custom_scalar(
    memory_cache: ResponseCache, same: list[Written], form: str
) -> None:
    schema = schema_of(memory_cache)
    first, second = (ask(schema, written, "at the root", form) for written in same)
    assert first.data == second.data
    said: Any = (second.extensions or {})["responseCache"]
    found = said if form == "operation" else said["fields"][0]
    has_custom_scalar = "Filter" in same[0][0]
    expected = "miss" if has_custom_scalar and form == "operation" else "hit"
    assert found["status"] == expected


def test_an_argument_as_a_literal_and_as_a_variable_shares_one_entry_of_a_field(
    memory_cache: ResponseCache,
) -> None:
    schema = schema_of(memory_cache)
    ways: list[Written] = [
        ("", "number: 2", {}),
        ("", "number: 2.0", {}),
        variable("Float!", "number: $x", 2),
        variable("Float", "number: $x", 2.0),
    ]
    for written, expected in zip(ways, ["miss", "hit", "hit", "hit"], strict=True):
        said: Any = (ask(schema, written, "at the root", "field").extensions or {})["responseCache"]
        assert said["fields"][0]["status"] == expected
