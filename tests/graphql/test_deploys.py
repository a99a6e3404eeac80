"""A deploy that changes what an answer depends on begins anew with that answer, and keeps every other."""

from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import CacheScope, ResponseCache, cache_control
from tests.graphql.both_ways import FORMS, BothWays, statuses

pytestmark = pytest.mark.parametrize("url", ["memory://"])


def release(resolve: Callable[..., Any], **hint: Any) -> type:
    """Return a query type whose field `total`, like that of its reports, is resolved and hinted so.

    Two releases have the same names everywhere, but for what the test changes.
    """
    told = cache_control(**({"ttl": 60} | hint))

    @strawberry.type
    class Report:
        id: strawberry.ID
        total = told(strawberry.field(resolver=resolve))

    @strawberry.type
    class Query:
        total = told(strawberry.field(resolver=resolve))

        @strawberry.field
        def fresh(self) -> int:
            return 0

        @strawberry.field
        def reports(self) -> list[Report]:
            return [Report(id=strawberry.ID("1"))]

        @cache_control(ttl=60)
        @strawberry.field
        def other(self) -> str:
            return "other"

    return Query


def hinted(**hints: Any) -> Callable[[int], type]:
    """Return what makes releases whose hint is the first, or the second."""

    def make(number: int) -> type:
        def total() -> int:
            return number

        return release(total, **{name: values[number] for name, values in hints.items()})

    return make


def with_a_type(number: int) -> type:
    def total() -> Any:
        return ["1"] if number else "0"

    total.__annotations__["return"] = list[str] if number else str
    return release(total)


def with_a_default(number: int) -> type:
    def total(top: int = number) -> int:
        return top

    return release(total)


def with_a_default_of_an_enum(number: int) -> type:
    @strawberry.enum
    class Colour(Enum):
        RED = 0
        BLUE = 1

    def total(colour: Colour = Colour(number)) -> int:  # noqa: B008 - what a default is
        return int(colour.value)

    return release(total)


def with_a_default_of_an_input(number: int) -> type:
    @strawberry.input
    class Filter:
        top: int = number

    def total(within: Filter) -> int:
        return within.top

    return release(total)


def with_a_default_of_an_enum_in_an_input(number: int) -> type:
    @strawberry.enum
    class Colour(Enum):
        RED = 0
        BLUE = 1

    @strawberry.input
    class Filter:
        colour: Colour = Colour(number)

    def total(within: Filter) -> int:
        return int(within.colour.value)

    return release(total)


def with_a_default_two_inputs_below(number: int) -> type:
    @strawberry.input
    class Limit:
        top: int = number

    @strawberry.input
    class Page:
        limits: list[Limit]

    @strawberry.input
    class Filter:
        page: Page

    def total(within: Filter) -> int:
        return within.page.limits[0].top

    return release(total)


def with_a_member_of_an_enum(number: int) -> type:
    members = {"RED": 0, "BLUE": 1} | ({"NONE": 2} if number else {})
    made: Any = Enum("Colour", members)  # type: ignore[misc] # they change
    colours: Any = strawberry.enum(made)

    def total(colour: Any) -> int:
        return len(type(colour).__members__)

    total.__annotations__["colour"] = colours
    return release(total)


def with_another_function(number: int) -> type:
    def total() -> int:
        return 0

    def total_1() -> int:
        return 1

    return release(total_1 if number else total)


PRIVATE, PUBLIC = CacheScope.PRIVATE, CacheScope.PUBLIC

CHANGES: list[tuple[Callable[[int], type], str]] = [
    (hinted(ttl=(60, 61)), "total"),
    (hinted(scope=(PUBLIC, PRIVATE)), "total"),
    (hinted(tags=(["a"], ["b"])), "total"),
    (hinted(tags=(["a"], [])), "total"),
    (hinted(stale=(5, 0)), "total"),
    (hinted(vary=([], ["locale"])), "total"),
    (with_a_type, "total"),
    (with_a_default, "total"),
    (with_a_default_of_an_enum, "total"),
    (with_a_default_of_an_input, "total(within: {})"),
    (with_a_default_of_an_enum_in_an_input, "total(within: {})"),
    (with_a_default_two_inputs_below, "total(within: {page: {limits: [{}]}})"),
    (with_a_member_of_an_enum, "total(colour: RED)"),
    (with_another_function, "total"),
]
QUERIES = ["{ TOTAL }", "{ reports { id TOTAL } }", "{ other TOTAL }"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("releases", "field"), CHANGES)
async def test_an_answer_that_a_release_changes_is_not_taken_from_the_release_before(
    cache: ResponseCache, releases: Callable[[int], type], field: str, form: str
) -> None:
    """Both run side by side for a while, and the older is also the one to come back to."""
    before, after = (BothWays(releases(number), cache) for number in (0, 1))
    for query in QUERIES:
        text = query.replace("TOTAL", field)
        here = "field" if "reports" in text else form
        await cache.clear()
        await before.ask("{ other }", form=form, user="alice", locale="en")
        for schema, expected in (
            (before, "miss"),
            (after, "miss"),
            (before, "hit"),
            (after, "hit"),
        ):
            result = await schema.ask(text, form=here, user="alice", locale="en")
            plain = await schema.ask_plain(text, form=here, user="alice", locale="en")
            assert result.data == plain.data
            assert expected in statuses(result, here)
        kept = await after.ask("{ other }", form=form, user="alice", locale="en")
        assert statuses(kept, form) == {"hit"}, "what it does not touch is warm"


@pytest.mark.parametrize("form", FORMS)
async def test_schemas_of_different_names_share_nothing(cache: ResponseCache, form: str) -> None:
    one, other = (BothWays(with_a_default(0), cache, schema_name=name) for name in ("a", "b"))
    for query in ("{ total }", "{ reports { total } }"):
        here = "field" if "reports" in query else form
        for schema, expected in ((one, "miss"), (other, "miss"), (one, "hit")):
            assert statuses(await schema.ask(query, form=here, user="alice"), here) == {expected}
