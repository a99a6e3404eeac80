"""What is selected below a field tells its entries apart, where the selected fields are the same ones."""

from typing import Annotated, Any

import pytest
import strawberry
from strawberry.scalars import JSON

from strawberry_response_cache import ResponseCache, cache_control
from tests.graphql.both_ways import BothWays, statuses


@strawberry.input
class Inside:
    number: int = 0
    deeper: list[int] | None = None


@strawberry.type
class Left:
    label: str = "left"


@strawberry.type
class Right:
    label: str = "right"


@strawberry.type
class Shelf:
    level: int = 0
    a: str = "a"
    b: str = "b"

    @cache_control(inherit=True)
    @strawberry.field
    def below(self) -> "Shelf":
        return Shelf(level=self.level + 1)

    @cache_control(inherit=True)
    @strawberry.field
    def echo(self, of: JSON | None = None, more: JSON | None = None) -> str:
        return repr((of, more))

    @cache_control(inherit=True)
    @strawberry.field
    def many(self, of: list[int]) -> str:
        return repr(of)

    @cache_control(inherit=True)
    @strawberry.field
    def within(self, of: Inside) -> str:
        return repr(of)

    @cache_control(inherit=True)
    @strawberry.field
    def things(self) -> list[Annotated[Left | Right, strawberry.union("Thing")]]:
        return [Left(), Right()]


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def shelf(self) -> Shelf:
        return Shelf()

    @cache_control(ttl=60)
    @strawberry.field
    def typed(
        self,
        text: str = "",
        flag: bool = False,
        ratio: float = 1,
        id: strawberry.ID = strawberry.ID(""),  # noqa: A002, B008 - as schemas have it
    ) -> str:
        return repr((text, flag, ratio, id))


Request = tuple[str, dict[str, Any] | None]
EXHAUSTIVE = pytest.mark.exhaustive

MANY = "query ($v: Int!) { shelf { many(of: [$v]) } }"
WITHIN = "query ($v: Int!) { shelf { within(of: {number: $v}) } }"
DEEPER = "query ($v: Int!) { shelf { within(of: {deeper: [$v]}) } }"
BEFORE = "query ($v: Int!) { shelf { many(of: [$v]) below { a } } }"
BELOW = "query ($v: Int!) { shelf { below { many(of: [$v]) } a } }"
SKIPPED = "query ($s: Boolean!) { shelf { a b x: a @skip(if: $s) } }"
SPREAD = "query ($v: Int!) { shelf { a ...F } } fragment F on Shelf { many(of: [$v]) }"

DIFFERENT: list[tuple[Request, Request]] = [
    (("{ shelf { x: a y: b z: a } }", None), ("{ shelf { x: a y: b z: b } }", None)),
    (("{ shelf { a b below { a } } }", None), ("{ shelf { a b below { b } } }", None)),
    (("{ shelf { level below { level } } }", None), ("{ shelf { below { level } level } }", None)),
    (
        ("{ shelf { things { ... on Left { x: label } ... on Right { y: label } } } }", None),
        ("{ shelf { things { ... on Right { x: label } ... on Left { y: label } } } }", None),
    ),
    (
        ("{ shelf { things { ...L ...R } } } fragment L on Left { x: label } fragment R on Right { y: label }", None),
        ("{ shelf { things { ...L ...R } } } fragment L on Right { x: label } fragment R on Left { y: label }", None),
    ),
    (
        ("{ shelf { a b ...F } } fragment F on Shelf { x: a }", None),
        ("{ shelf { a b ...F } } fragment F on Shelf { x: b }", None),
    ),
    (("{ shelf { a b ... { x: a } } }", None), ("{ shelf { a b ... { x: b } } }", None)),
    (("{ shelf { echo(of: [[1], 2]) } }", None), ("{ shelf { echo(of: [[1, 2]]) } }", None)),
    (
        ("{ shelf { echo(of: {a: {b: 1}, c: 2}) } }", None),
        ("{ shelf { echo(of: {a: {b: 1, c: 2}}) } }", None),
    ),
    (
        ("query ($v: JSON!) { shelf { echo(of: $v) } }", {"v": 1}),
        ("{ shelf { echo(of: [1]) } }", None),
    ),
    (
        ("query ($v: JSON!) { shelf { echo(of: $v) } }", {"v": 1}),
        ('{ shelf { echo(of: ["JSON!", [1]]) } }', None),
    ),
    (
        ("query ($v: Int!) { shelf { echo(of: {a: $v}) } }", {"v": 1}),
        ("query ($v: Float!) { shelf { echo(of: {a: $v}) } }", {"v": 1}),
    ),
    (("{ shelf { echo(of: 1) } }", None), ("{ shelf { echo(more: 1) } }", None)),
    (
        ("query ($v: Int!) { shelf { echo(of: {a: $v}) } }", {"v": 1}),
        ("query ($v: ID!) { shelf { echo(of: {a: $v}) } }", {"v": 1}),
    ),
    (('{ shelf { echo(of: "1") } }', None), ('{ shelf { echo(of: "2") } }', None)),
    (('{ shelf { echo(of: "1") } }', None), ("{ shelf { echo(of: 1) } }", None)),
    ((MANY, {"v": 1}), (MANY, {"v": 2})),
    ((WITHIN, {"v": 1}), (WITHIN, {"v": 2})),
    ((DEEPER, {"v": 1}), (DEEPER, {"v": 2})),
    ((BEFORE, {"v": 1}), (BEFORE, {"v": 2})),
    ((BELOW, {"v": 1}), (BELOW, {"v": 2})),
    ((SKIPPED, {"s": True}), (SKIPPED, {"s": False})),
    ((SPREAD, {"v": 1}), (SPREAD, {"v": 2})),
]  # fmt: skip

SAME: list[tuple[Request, Request]] = [
    (('{ shelf { echo(of: "1") } }', None), ('{ shelf { echo(of: """1""") } }', None)),
    (("{ shelf { echo(of: 1, more: 2) } }", None), ("{ shelf { echo(more: 2, of: 1) } }", None)),
    (
        ("{ shelf { within(of: {number: 1, deeper: [2]}) } }", None),
        ("{ shelf { within(of: {deeper: [2], number: 1}) } }", None),
    ),
    (('{ typed(text: "x") }', None), ("query ($v: String!) { typed(text: $v) }", {"v": "x"})),
    (("{ typed(flag: true) }", None), ("query ($v: Boolean!) { typed(flag: $v) }", {"v": True})),
    (("{ typed(id: 1) }", None), ("query ($v: ID!) { typed(id: $v) }", {"v": "1"})),
]


@pytest.mark.combined  # each pair by itself: where one is a hit for the other, somebody gets its answer
@pytest.mark.parametrize("way", ["execute", pytest.param("execute_sync", marks=EXHAUSTIVE)])
@pytest.mark.parametrize(("one", "other"), DIFFERENT)
async def test_different_selections_below_a_field_have_different_entries(
    memory_cache: ResponseCache, one: Request, other: Request, way: str
) -> None:
    schema = BothWays(Query, memory_cache)
    for (query, variables), expected in (
        (one, "miss"),
        (other, "miss"),
        (one, "hit"),
        (other, "hit"),
    ):
        result = await schema.ask(query, variables, way=way, form="field")
        assert statuses(result, "field") == {expected}
        assert result.data == (await schema.ask_plain(query, variables, form="field")).data


@pytest.mark.combined
@pytest.mark.parametrize(("one", "other"), SAME)
async def test_equal_selections_below_a_field_share_an_entry(
    memory_cache: ResponseCache, one: Request, other: Request
) -> None:
    schema = BothWays(Query, memory_cache)
    for (query, variables), expected in ((one, "miss"), (other, "hit")):
        result = await schema.ask(query, variables, form="field")
        assert statuses(result, "field") == {expected}
        assert result.data == (await schema.ask_plain(query, variables, form="field")).data
