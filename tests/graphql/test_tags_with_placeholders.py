"""A tag whose placeholder cannot be filled keeps the answer from being stored: no invalidation would reach it."""

import itertools
from typing import Any

import pytest
import strawberry
from strawberry.scalars import JSON

from strawberry_response_cache import ResponseCache, cache_control
from tests.graphql.both_ways import FORMS, WAYS, BothWays, statuses
from tests.graphql.ledger import reason

pytestmark = [
    pytest.mark.parametrize("url", ["quick"], indirect=True),
    pytest.mark.parametrize("way", WAYS),
    pytest.mark.parametrize("form", FORMS),
]


@strawberry.type
class Book:
    id: strawberry.ID
    shelf: strawberry.Private[Any] = None
    marks: strawberry.Private[Any] = ()

    @cache_control(ttl=600, tags=["shelf:{parent.shelf.number}"])
    @strawberry.field
    def lasting(self, info: strawberry.Info) -> int:
        return int(next(info.context["clock"]))

    @cache_control(inherit=True, tags=["shelf:{parent.shelf.number}"])
    @strawberry.field
    def inherited(self, info: strawberry.Info) -> int:
        return int(next(info.context["clock"]))

    @cache_control(ttl=600, tags=["mark:{parent.marks}", "both:{parent.marks}:{args.others}"])
    @strawberry.field
    def marked(self, info: strawberry.Info, others: list[int] | None = None) -> int:
        return int(next(info.context["clock"]))


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=60)
    @strawberry.field
    def book(self, info: strawberry.Info) -> Book:
        return Book(id=strawberry.ID("1"), **info.context["attributes"])

    @cache_control(ttl=60, tags=["all:{args.numbers}"])
    @strawberry.field
    def several(self, info: strawberry.Info, numbers: JSON) -> int:
        return int(next(info.context["clock"]))


MANY = list(range(40))

UNFILLED: list[tuple[str, dict[str, Any]]] = [
    ("{ book { lasting } }", {"shelf": object()}),
    ("{ book { inherited } }", {"shelf": object()}),
    ("{ book { lasting } }", {"shelf": {"number": 1.5}}),
    ("{ book { inherited } }", {"shelf": {"number": object()}}),
    ("{ book { marked } }", {"marks": ["a", 1.5]}),
    ("{ book { marked } }", {"marks": [f"m{number}" for number in range(1001)]}),
    (f"{{ book {{ marked(others: {MANY}) }} }}", {"marks": MANY}),
    ("{ several(numbers: [1.5]) }", {}),
]


@pytest.mark.parametrize(("query", "attributes"), UNFILLED)
async def test_a_response_with_a_tag_that_cannot_be_filled_is_not_stored(
    cache: ResponseCache, way: str, form: str, query: str, attributes: dict[str, Any]
) -> None:
    schema = BothWays(Query, cache)
    context: dict[str, Any] = {"attributes": attributes, "clock": itertools.count()}
    answers = []
    for _ in range(2):
        result = await schema.ask(query, way=way, form=form, **context)
        answers.append(result.data)
        assert "hit" not in statuses(result, form)
        if form == "operation":
            assert reason(result) == "tag_unfilled"
    assert answers[0] != answers[1]


FILLED: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    ("{ book { lasting } }", {"shelf": {"number": 7}}, ["shelf:7"], ["shelf:", "shelf:8"]),
    ("{ book { inherited } }", {"shelf": {"number": 7}}, ["shelf:7"], ["shelf:8"]),
    ("{ book { inherited } }", {"shelf": [{"number": 7}, {"number": 8}]}, ["shelf:8"], ["shelf:9"]),
    ("{ book { lasting } }", {"shelf": None}, [], ["shelf:None", "shelf:"]),
    ("{ book { marked(others: [1, 2]) } }", {"marks": ["a", "b"]}, ["both:b:2"], ["both:a:3"]),
    ("{ book { marked(others: [1, 2]) } }", {"marks": ["a", "b"]}, ["mark:b"], ["mark:c"]),
]


@pytest.mark.parametrize(("query", "attributes", "reaching", "others"), FILLED)
async def test_a_response_is_invalidated_by_each_of_its_filled_tags(
    cache: ResponseCache,
    way: str,
    form: str,
    query: str,
    attributes: dict[str, Any],
    reaching: list[str],
    others: list[str],
) -> None:
    schema = BothWays(Query, cache)
    context: dict[str, Any] = {"attributes": attributes, "clock": itertools.count()}

    async def ask() -> Any:
        return (await schema.ask(query, way=way, form=form, **context)).data

    first = await ask()
    await cache.invalidate(*others)
    assert await ask() == first
    for tag in reaching:
        await cache.invalidate(tag)
        assert await ask() != first
