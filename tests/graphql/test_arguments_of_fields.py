"""The arguments of a field tell its entries apart, sent in variables or written in the query."""

import asyncio
import json
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
import strawberry
from django.utils.functional import SimpleLazyObject
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import ResponseCache, cache_control
from tests.graphql.both_ways import WAYS, BothWays, statuses
from tests.graphql.ledger import outcome


@strawberry.enum
class Colour(Enum):
    RED = 0
    BLUE = 1


@strawberry.input
class Inside:
    number: int | None = 7
    rows: list[list[int | None]] | None = None
    deeper: "Inside | None" = None


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def echo(
        self,
        text: str | None = None,
        count: int | None = None,
        ratio: float | None = None,
        flag: bool | None = None,
        id: strawberry.ID | None = None,  # noqa: A002 - as schemas have it
        colour: Colour | None = None,
        numbers: list[int | None] | None = None,
        within: Inside | None = None,
        anything: JSON | None = None,
    ) -> str:
        # The order of names in an object of JSON is no part of its value.
        ordered = json.dumps(anything, sort_keys=True)
        return repr((text, count, ratio, flag, id, colour, numbers, within, ordered))

    @cache_control(ttl=60)
    @strawberry.field
    def given(self, text: str | None = strawberry.UNSET) -> str:
        return repr(text)

    @cache_control(ttl=60)
    @strawberry.field
    def doubled(self, number: int = 1) -> int | None:
        return 2 * number


TYPES = {
    "text": "String",
    "count": "Int",
    "ratio": "Float",
    "flag": "Boolean",
    "id": "ID",
    "colour": "Colour",
    "numbers": "[Int]",
    "within": "Inside",
    "anything": "JSON",
}
Request = tuple[str, dict[str, Any] | None]


def sent(argument: str, *values: Any) -> list[Request]:
    """The field with each value in a variable."""
    query = f"query ($v: {TYPES[argument]}) {{ echo({argument}: $v) }}"
    return [(query, {"v": value}) for value in values]


def written(argument: str, *literals: str) -> list[Request]:
    """The field with each literal."""
    return [(f"{{ echo({argument}: {literal}) }}", None) for literal in literals]


def inside(text: str, *values: int) -> list[Request]:
    """The field with a literal around a variable, with each value."""
    query = f"query ($v: Int) {{ echo({text}) }}"
    return [(query, {"v": value}) for value in values]


DIFFERENT: list[list[Request]] = [
    sent("text", "a", "b", "", None),
    sent("count", 1, 2, 0, None),
    sent("count", 1.0, 2.0),
    sent("ratio", 1, 2, 1.5, 2.5, 0, None),
    sent("flag", True, False, None),
    sent("id", "1", "2", "01", None),
    sent("colour", "RED", "BLUE", None),
    sent("numbers", [1], [2], [1, 2], [2, 1], [], [None], None),
    sent("within", {"number": 1}, {"number": 2}, {"number": None}, {}, None),
    sent("within", {"rows": [[1], [2]]}, {"rows": [[1, 2]]}, {"rows": [[2, 1]]}, {"rows": []}),
    sent("within", {"deeper": {}}, {"deeper": {"number": 1}}, {"deeper": {"deeper": {}}}),
    sent("anything", 1, 1.0, "1", True, "True", None, "None", [1], ["1"], {"a": 1}, {"a": "1"}),
    written("numbers", "1", "2", "[1, 2]", "[2, 1]", "[]", "[null]", "null"),
    written("within", "{number: 1}", "{number: null}", "{rows: [[1]]}", "{rows: [[2]]}", "{}"),
    written("colour", "RED", "BLUE", "null"),
    written("ratio", "1", "2", "1.5"),
    inside("numbers: [1, $v]", 1, 2),
    inside("within: {number: $v}", 1, 2),
    inside("within: {rows: [[$v]]}", 1, 2),
    inside("within: {deeper: {number: $v}}", 1, 2),
    [("{ given }", None), ("{ given(text: null) }", None), ('{ given(text: "") }', None)],
]

SAME: list[list[Request]] = [
    [*written("text", '"a"', '"""a"""'), *sent("text", "a")],
    [*written("count", "1"), *sent("count", 1, 1.0)],
    [*written("ratio", "1", "1.0"), *sent("ratio", 1, 1.0)],
    [*written("flag", "true"), *sent("flag", True)],
    [*written("id", "1", '"1"'), *sent("id", 1, "1")],
    [*written("colour", "RED"), *sent("colour", "RED")],
    [*written("numbers", "1", "[1]"), *sent("numbers", 1, [1])],
    [*written("numbers", "[1, null]"), ("query ($v: Int) { echo(numbers: [1, $v]) }", None)],
    [
        *written("within", "{}", "{number: 7}"),
        *sent("within", {}, {"number": 7}),
        ("query ($v: Int) { echo(within: {number: $v}) }", None),
    ],
    [
        *written("within", "{number: 1, deeper: {}}", "{deeper: {number: 7}, number: 1}"),
        *sent("within", {"deeper": {}, "number": 1}),
    ],
    [("{ echo }", None), ("query ($v: Int) { echo(count: $v) }", None)],
    sent("anything", {"a": 1, "b": 2}, {"b": 2, "a": 1}),
]


@pytest.mark.combined
@pytest.mark.parametrize(
    "way", ["execute", pytest.param("execute_sync", marks=pytest.mark.exhaustive)]
)
@pytest.mark.parametrize("requests", DIFFERENT)
async def test_a_field_with_other_arguments_has_another_entry(
    memory_cache: ResponseCache, requests: list[Request], way: str
) -> None:
    schema = BothWays(Query, memory_cache)
    for expected in ("miss", "hit"):
        for query, variables in requests:
            result = await schema.ask(query, variables, way=way, form="field")
            assert statuses(result, "field") == {expected}
            assert result.data == (await schema.ask_plain(query, variables, form="field")).data


@pytest.mark.combined
@pytest.mark.parametrize("requests", SAME)
async def test_equal_arguments_share_the_entry_of_a_field(
    memory_cache: ResponseCache, requests: list[Request]
) -> None:
    schema = BothWays(Query, memory_cache)
    expected = "miss"
    for query, variables in requests:
        result = await schema.ask(query, variables, form="field")
        assert statuses(result, "field") == {expected}
        assert result.data == (await schema.ask_plain(query, variables, form="field")).data
        expected = "hit"


@pytest.mark.parametrize("way", WAYS)
async def test_a_field_with_an_invalid_argument_fails_while_the_other_fields_are_cached(
    memory_cache: ResponseCache, way: str
) -> None:
    """A variable that may be null is valid for an argument with a default; its null fails only that field."""
    schema = BothWays(Query, memory_cache)
    query = "query ($v: Int = 1) { fresh refused: doubled(number: $v) doubled }"
    for expected in ("miss", "hit"):
        for asked in (schema.plain, schema.schema):
            if way == "execute":
                result = await asked.execute(query, {"v": None}, context_value={})
            else:
                result = await asyncio.to_thread(asked.execute_sync, query, {"v": None}, {})
            assert result.data == {"fresh": 1, "refused": None, "doubled": 2}
            assert result.errors is not None
            assert [each.path for each in result.errors] == [["refused"]]
        assert statuses(result, "field") == {expected}


async def test_an_operation_that_is_not_cached_says_why_whatever_its_variables_hold(
    memory_cache: ResponseCache,
) -> None:
    schema = BothWays(Query, memory_cache)
    query = "query ($v: JSON) { echo(anything: $v) }"
    result = await schema.ask(query, {"v": float("nan")}, form="field")
    assert outcome(result)["reason"] == "root_without_hint"


class Token:
    """What a scalar parses to: an object that is no JSON, and that tells nothing of what was sent."""

    def __init__(self, sent: object) -> None:
        self.sent = sent


def raises() -> str:
    raise LookupError


PARSED: dict[str, Callable[[Any], Any]] = {
    "object": Token,
    "lazy object that raises": lambda _: SimpleLazyObject(raises),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", PARSED)
async def test_an_argument_whose_parsed_value_is_not_json_is_keyed_by_what_was_sent(
    memory_cache: ResponseCache, kind: str, way: str
) -> None:
    numbers: list[int] = []

    def parse(value: Any) -> Any:
        numbers.append(value)
        return PARSED[kind](value)

    @strawberry.type
    class Parsing:
        @strawberry.field
        def fresh(self) -> int:
            return 1

        @cache_control(ttl=60)
        @strawberry.field
        def last(self, of: Token) -> int:
            return numbers[-1]

    scalar = strawberry.scalar(name="Token", serialize=str, parse_value=parse)
    schema = BothWays(Parsing, memory_cache, config=StrawberryConfig(scalar_map={Token: scalar}))
    for query in ("{ last(of: %s) }", "query ($v: Token!) { last(of: $v) }"):
        await memory_cache.clear()
        for expected in ("miss", "hit"):
            for number in (1, 2):
                text, variables = (query, {"v": number}) if "$" in query else (query % number, None)
                result = await schema.ask(text, variables, way=way, form="field")
                assert result.data == {"fresh": 1, "last": number}
                assert statuses(result, "field") == {expected}
