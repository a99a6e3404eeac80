"""A value has one text in a tag, for an answer and for a mutation; what has none is a mistake that `check` names."""

import itertools
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, StrEnum
from inspect import Parameter, Signature
from typing import Any
from uuid import UUID

import pytest
import strawberry
from strawberry.extensions import FieldExtension
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
    (Decimal("0E+50"), "0"),
    (Decimal(-7), "-7"),
    (Decimal("-2.50"), "-2.5"),
    (Decimal("1E+29"), f"1{29 * '0'}"),
    (Decimal("1E+30"), "1E+30"),
    (Decimal("1.50E+40"), "1.5E+40"),
    (Decimal(f"1{40 * '0'}"), "1E+40"),
    (Decimal("1E+999999"), "1E+999999"),
    (Decimal("NaN"), "NaN"),
    (GlobalID("Account", "7"), "7"),
    (strawberry.Some(7), "7"),
]


def test_each_kind_of_value_has_one_text_in_tags() -> None:
    template = Template.parse("of:{args.value}", ("args",))
    for value, text in TEXTS:
        assert list(template.fill({"args": {"value": value}})) == [f"of:{text}"]


def test_an_unset_value_gives_no_tag() -> None:
    template = Template.parse("of:{args.value}", ("args",))
    assert list(template.fill({"args": {"value": strawberry.UNSET}})) == []
    assert list(template.fill({"args": {"value": [strawberry.Some(None), 1]}})) == ["of:1"]


def test_a_value_without_a_text_is_unfilled() -> None:
    values: list[Any] = [0.5, object(), b"x", {"a": 1}, Access(0)]
    for value in values:
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
async def test_a_list_result_fills_one_tag_for_each_element(
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
class Span:
    until: float = 0.5
    ids: list[int] | None = None
    on: date | None = None


@strawberry.input
class Where:
    share: float = 0.5
    colour: Colour = Colour.RED
    ids: list[strawberry.ID] | None = None
    span: Span | None = None
    id: strawberry.ID = strawberry.ID("1")


@strawberry.input
class Built:
    """An input that code of the user's makes: only this code knows which attributes it has."""

    share: float = 0.5


built: Any = Built
built.__strawberry_definition__.from_input = lambda *_: Named()


def resolving(returned: Any = bool, **taken: Any) -> Callable[..., object]:
    """Return a resolver with these arguments and this return type."""

    def resolver(**_: object) -> object:
        return None

    resolver.__annotations__ = taken | {"return": returned}
    parameters = [
        Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in taken.items()
    ]
    resolver.__signature__ = Signature(parameters, return_annotation=returned)  # type: ignore[attr-defined] # read by inspect
    return resolver


WRONG: list[tuple[str, Callable[..., object], str]] = [
    (
        "of:{args.share}",
        resolving(share=float),
        r"\{args.share\} can never be filled: a Float has no exact text",
    ),
    ("of:{args.shares}", resolving(shares=list[float]), "a Float has no exact text"),
    ("of:{args.where.share}", resolving(where=Where), "a Float has no exact text"),
    ("of:{args.where.span.until}", resolving(where=Where), "a Float has no exact text"),
    ("of:{args.where}", resolving(where=Where), "Where is an input object; name one of its fields"),
    ("of:{args.where.span}", resolving(where=Where), "Span is an input object"),
    ("of:{args.wheres}", resolving(wheres=list[Where]), "Where is an input object"),
    (
        "of:{args.where.no}",
        resolving(where=Where),
        r"Where has no 'no' \(there are: colour, id, ids, share, span\)",
    ),
]
ONLY_BY_MUTATIONS: list[tuple[str, Callable[..., object], str]] = [
    *(
        (
            "of:{result.id}",
            resolving(kind),
            rf"returns a {name}, which has no attributes; write \{{result\}}",
        )
        for kind, name in ((bool, "Boolean"), (int, "Int"), (str, "String"))
    ),
    ("of:{result}", resolving(float), "the field returns a Float, which has no exact text"),
    ("of:{result.id}", resolving(float), "the field returns a Float, which has no exact text"),
    ("of:{result}", resolving(Named), "Named, which is an object; name one of its attributes"),
    ("{result}", resolving(list[int]), r"\{result\} may hold any number of values"),
    ("{args.ids}", resolving(ids=list[int]), r"\{args.ids\} may hold any number of values"),
    ("{args.ids}", resolving(ids=list[int] | None), "may hold any number of values"),
    ("{args.days}", resolving(days=list[date]), "may hold any number of values"),
    ("{args.wheres.id}", resolving(wheres=list[Where]), "does not begin with a name and a colon"),
    ("{args.where.ids}", resolving(where=Where), "does not begin with a name and a colon"),
    ("{args.where.span.ids}", resolving(where=Where), "does not begin with a name and a colon"),
    ("{args.any_}", resolving(any_=JSON), "does not begin with a name and a colon"),
]


def checked(memory_cache: ResponseCache, query: Any, mutation: Any = None, **options: Any) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, **options)
    extension.check(strawberry.Schema(query, mutation, extensions=[extension]))


def mutation_with(tag: str, resolver: Callable[..., object], *extensions: FieldExtension) -> Any:
    field = strawberry.mutation(resolver=resolver, extensions=[*extensions])
    made: Any = invalidates(tag)(field)
    return strawberry.type(type("Mutation", (), {"__annotations__": {}, "change": made}))


def query_with(tag: str, resolver: Callable[..., object], *extensions: FieldExtension) -> Any:
    field = strawberry.field(resolver, extensions=[*extensions])
    hinted = cache_control(ttl=60, tags=[tag])(field)
    return strawberry.type(type("Query", (), {"__annotations__": {}, "read": hinted}))


@strawberry.type(name="Query")
class Plain:
    x: bool = True


@pytest.mark.combined
@pytest.mark.parametrize(("tag", "resolver", "said"), WRONG + ONLY_BY_MUTATIONS)
def test_a_placeholder_that_can_never_be_filled_is_a_mistake(
    memory_cache: ResponseCache, tag: str, resolver: Callable[..., object], said: str
) -> None:
    with pytest.raises(CacheConfigurationError, match=rf"Mutation\.change: tags\[0\].*{said}"):
        checked(memory_cache, Plain, mutation_with(tag, resolver))
    if (tag, resolver, said) in ONLY_BY_MUTATIONS:
        return
    with pytest.raises(CacheConfigurationError, match=rf"Query\.read: tags\[0\].*{said}"):
        checked(memory_cache, query_with(tag, resolver))


def test_a_placeholder_of_an_unknown_argument_is_a_mistake(memory_cache: ResponseCache) -> None:
    query = query_with("of:{args.no}", resolving(of=int))
    with pytest.raises(CacheConfigurationError, match=r"names the argument 'no'.*there are: of"):
        checked(memory_cache, query)


@pytest.mark.combined
@pytest.mark.parametrize(
    ("tag", "resolver"),
    [
        ("of:{args.where.id}", resolving(where=Where)),
        ("of:{args.wheres.id}", resolving(wheres=list[Where])),
        ("of:{args.any_}", resolving(any_=JSON)),
        ("of:{args.colour.value}", resolving(colour=Colour)),
        ("of:{args.built}", resolving(built=Built)),
        ("of:{args.built.code}", resolving(built=Built)),
        ("{args.built.code}", resolving(built=Built)),
        ("{args.where.id}", resolving(where=Where)),
        ("{args.where.colour}", resolving(where=Where)),
        ("{args.where.colour.name}", resolving(where=Where)),
        ("{args.where.span.on}", resolving(where=Where)),
        *(("{args.of}", resolving(of=kind)) for kind in (date, datetime, Decimal, time, UUID)),
        ("of:{result}", resolving(list[int])),
        ("of:{result.name}", resolving(Named)),
        ("{result.name}", resolving(list[Named])),
        ("{result.name}", resolving(Named, name=list[int])),
        ("{result}", resolving(where=Where)),
    ],
)
def test_a_placeholder_that_may_be_filled_is_no_mistake(
    memory_cache: ResponseCache, tag: str, resolver: Callable[..., object]
) -> None:
    checked(memory_cache, Plain, mutation_with(tag, resolver))


class Giving(FieldExtension):
    """Takes the arguments of a field away from clients, and gives its resolver others."""

    def apply(self, field: Any) -> None:
        field.arguments = []

    def map_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"name": "one", "other": "two"}


def test_a_placeholder_of_an_argument_added_by_a_field_extension_is_no_mistake(
    memory_cache: ResponseCache,
) -> None:
    query = query_with("of:{args.other}", resolving(name=str, other=str), Giving())
    mutation = mutation_with("{args.name}", resolving(name=str), Giving())
    checked(memory_cache, query, mutation, trusted_extensions=[Giving])
