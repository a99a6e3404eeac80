"""A value has one text in a tag, for an answer and for a mutation; what has none is a mistake that `check` names."""

import itertools
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, StrEnum
from typing import Any
from uuid import UUID

import pytest
import strawberry
from strawberry.relay import GlobalID
from strawberry.scalars import JSON

from strawberry_response_cache import (
    CacheConfigurationError,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from strawberry_response_cache.graphql.annotations.tag_templates import Template, UnfilledError
from strawberry_response_cache.graphql.annotations.tag_texts import tag_text
from tests.graphql.ledger import status


@strawberry.enum
class Colour(Enum):
    RED = "#f00"
    BLUE = "#00f"


@strawberry.enum
class Size(StrEnum):
    SMALL = "s"
    LARGE = "l"


class Access(Flag):
    READ = 1


ONE = UUID(int=1)
NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)  # noqa: UP017 - as users write it
TEXTS: list[tuple[Any, str]] = [
    ("042", "042"),
    (42, "42"),
    (True, "true"),
    (False, "false"),
    (ONE, str(ONE)),
    (Colour.RED, "RED"),
    (Size.SMALL, "s"),
    (Access.READ, "READ"),
    (date(2026, 1, 31), "2026-01-31"),
    (NOON, "2026-01-31T12:00:00+00:00"),
    (NOON.astimezone(timezone(timedelta(hours=2))), "2026-01-31T12:00:00+00:00"),
    (datetime(2026, 1, 31, 12), "2026-01-31T12:00:00"),  # noqa: DTZ001 - as users have it
    (time(12, 30), "12:30:00"),
    (Decimal("2.50"), "2.5"),
    (Decimal(100), "100"),
    (Decimal("1E+2"), "100"),
    (Decimal("-0.0"), "0"),
    (Decimal("1E+999999"), "1E+999999"),
    (Decimal("NaN"), "NaN"),
    (GlobalID("Account", "7"), "7"),
    (strawberry.Some(7), "7"),
]


@pytest.mark.parametrize(("value", "text"), TEXTS, ids=repr)
def test_a_value_has_one_text(value: object, text: str) -> None:
    template = Template.parse("of:{args.value}", ("args",))
    assert list(template.fill({"args": {"value": value}})) == [f"of:{text}"]


def test_an_unset_value_gives_no_tag() -> None:
    template = Template.parse("of:{args.value}", ("args",))
    assert list(template.fill({"args": {"value": strawberry.UNSET}})) == []
    assert list(template.fill({"args": {"value": [strawberry.Some(None), 1]}})) == ["of:1"]


@pytest.mark.parametrize(
    "value", [0.5, object(), b"x", {"a": 1}, Access(0)], ids=lambda v: type(v).__name__
)
def test_a_value_without_a_text_is_unfilled(value: object) -> None:
    with pytest.raises(UnfilledError):
        list(Template.parse("of:{args.value}", ("args",)).fill({"args": {"value": value}}))
    assert tag_text(value) is None


# -- The same text for an answer and for a mutation ----------------------------------------------------------

KINDS: list[tuple[Any, str, str]] = [
    (Colour, "RED", "BLUE"),
    (Size, "SMALL", "LARGE"),
    (bool, "true", "false"),
    (date, '"2026-01-31"', '"2026-01-30"'),
    (datetime, '"2026-01-31T12:00:00+00:00"', '"2026-01-31T13:00:00+00:00"'),
    (time, '"12:30:00"', '"12:31:00"'),
    (Decimal, '"2.50"', '"2.51"'),
    (UUID, f'"{ONE}"', f'"{UUID(int=2)}"'),
    (GlobalID, f'"{GlobalID("Account", "7")}"', f'"{GlobalID("Account", "8")}"'),
    (strawberry.ID, '"042"', '"42"'),
]


@pytest.mark.parametrize("named", ["{args.of}", "{result}"])
@pytest.mark.parametrize(("kind", "one", "other"), KINDS)
async def test_a_mutation_reaches_the_answers_for_the_same_value(
    memory_cache: ResponseCache, kind: Any, one: str, other: str, named: str
) -> None:
    clock = itertools.count()

    def resolver(of: Any) -> int:
        return next(clock)

    resolver.__annotations__["of"] = kind

    def change(of: Any) -> Any:
        return of

    change.__annotations__ |= {"of": kind, "return": kind}
    hint = cache_control(ttl=60, tags=["of:{args.of}"])
    query = strawberry.type(
        type("Query", (), {"__annotations__": {}, "read": hint(strawberry.field(resolver))})
    )
    marked: Any = invalidates(f"of:{named}")(strawberry.mutation(resolver=change))
    mutation = strawberry.type(type("Mutation", (), {"__annotations__": {}, "change": marked}))
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(query, mutation, extensions=[extension])
    extension.check(schema)

    async def statuses() -> list[str]:
        return [status(await schema.execute(f"{{ read(of: {each}) }}")) for each in (one, other)]

    await statuses()
    assert await statuses() == ["hit", "hit"]
    assert (await schema.execute(f"mutation {{ change(of: {one}) }}")).errors is None
    assert await statuses() == ["miss", "hit"]


@pytest.mark.parametrize("returned", [["7", "9"], None, [None, "7"], []])
async def test_a_result_without_attributes_gives_one_tag_for_each_element(
    memory_cache: ResponseCache, returned: list[str | None] | None
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60, tags=["of:{args.of}"])
        @strawberry.field
        def read(self, of: str) -> str:
            return of

    @strawberry.type
    class Mutation:
        @invalidates("of:{result}")
        @strawberry.mutation
        def change(self) -> list[str | None] | None:
            return returned

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    extension.check(schema)
    for _ in range(2):
        before = [status(await schema.execute(f'{{ read(of: "{of}") }}')) for of in "789"]
    assert before == ["hit", "hit", "hit"]
    assert (await schema.execute("mutation { change }")).data == {"change": returned}
    after = [status(await schema.execute(f'{{ read(of: "{of}") }}')) for of in "789"]
    assert after == ["miss" if of in (returned or ()) else "hit" for of in "789"]


# -- What can never fill one ---------------------------------------------------------------------------------


@strawberry.type
class Named:
    name: str = "one"


@strawberry.input
class Where:
    id: strawberry.ID
    share: float = 0.5


def _float(share: float) -> bool:
    return True


def _floats(shares: list[float]) -> bool:
    return True


def _where(where: Where) -> bool:
    return True


def _wheres(wheres: list[Where]) -> bool:
    return True


def _json(any_: JSON) -> bool:
    return True


def _gives_a_float() -> float:
    return 0.5


def _gives_an_object() -> Named:
    return Named()


def _gives_a_list() -> list[int]:
    return [1]


WRONG: list[tuple[str, Callable[..., object], str]] = [
    ("of:{args.share}", _float, r"\{args.share\} can never be filled: a Float has no exact text"),
    ("of:{args.shares}", _floats, "a Float has no exact text"),
    ("of:{args.where.share}", _where, "a Float has no exact text"),
    ("of:{args.where}", _where, "Where is an input object; name one of its fields"),
    ("of:{args.wheres}", _wheres, "Where is an input object"),
    ("of:{args.where.no}", _where, r"Where has no 'no' \(there are: id, share\)"),
]
ONLY_BY_MUTATIONS: list[tuple[str, Callable[..., object], str]] = [
    ("of:{result.id}", _float, r"returns a Boolean, which has no attributes; write \{result\}"),
    ("of:{result}", _gives_a_float, "the field returns a Float, which has no exact text"),
    ("of:{result.id}", _gives_a_float, "the field returns a Float, which has no exact text"),
    ("of:{result}", _gives_an_object, "Named, which is an object; name one of its attributes"),
    ("{result}", _gives_a_list, r"\{result\} may hold any number of values"),
    ("{args.wheres.id}", _wheres, "does not begin with a name and a colon"),
    ("{args.any_}", _json, "does not begin with a name and a colon"),
]


@pytest.mark.parametrize(("tag", "resolver", "said"), WRONG + ONLY_BY_MUTATIONS)
def test_a_placeholder_that_can_never_be_filled_is_a_mistake(
    memory_cache: ResponseCache, tag: str, resolver: Callable[..., object], said: str
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None)

    made: Any = invalidates(tag)(strawberry.mutation(resolver=resolver))
    mutation = strawberry.type(type("Mutation", (), {"__annotations__": {}, "change": made}))
    plain = strawberry.type(
        type("Query", (), {"__annotations__": {}, "x": strawberry.field(field_)})
    )
    with pytest.raises(CacheConfigurationError, match=rf"Mutation\.change: tags\[0\].*{said}"):
        extension.check(strawberry.Schema(plain, mutation, extensions=[extension]))
    if (tag, resolver, said) in ONLY_BY_MUTATIONS:
        return
    hinted = cache_control(ttl=60, tags=[tag])(strawberry.field(resolver))
    query = strawberry.type(type("Query", (), {"__annotations__": {}, "read": hinted}))
    with pytest.raises(CacheConfigurationError, match=rf"Query\.read: tags\[0\].*{said}"):
        extension.check(strawberry.Schema(query, extensions=[extension]))


def field_() -> bool:
    return True


@pytest.mark.parametrize(
    ("tag", "resolver"),
    [
        ("of:{args.where.id}", _where),
        ("of:{args.wheres.id}", _wheres),
        ("of:{args.any_}", _json),
        ("{args.where.id}", _where),
        ("of:{result}", _gives_a_list),
        ("of:{result.name}", _gives_an_object),
        ("{result}", _where),
    ],
)
def test_a_placeholder_that_may_be_filled_is_no_mistake(
    memory_cache: ResponseCache, tag: str, resolver: Callable[..., object]
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None)
    made: Any = invalidates(tag)(strawberry.mutation(resolver=resolver))
    mutation = strawberry.type(type("Mutation", (), {"__annotations__": {}, "change": made}))
    plain = strawberry.type(
        type("Query", (), {"__annotations__": {}, "x": strawberry.field(field_)})
    )
    extension.check(strawberry.Schema(plain, mutation, extensions=[extension]))
