"""`cache_control` says all that its arguments say, and refuses what contradicts itself."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import strawberry
from strawberry.schema_directive import Location

from strawberry_response_cache import CacheConfigurationError, CacheScope, cache_control
from strawberry_response_cache.graphql.annotations.hints import Hint, hint_of
from strawberry_response_cache.graphql.annotations.tag_templates import Template


def by_name(parent: Any) -> object:
    return parent.name


async def by_query(parent: Any) -> object:
    return parent.name


def test_a_hint_holds_every_argument_of_cache_control() -> None:
    assert cache_control().hint == Hint()
    written = cache_control(
        1.5,
        scope=CacheScope.PRIVATE,
        stale=timedelta(seconds=3),
        tags=["a", "b:{args.x}", "c", "d:{parent.y}"],
        vary=["locale", "currency"],
        key="id",
    )
    roots = ("args", "parent")
    assert written.hint == Hint(
        ttl=1.5,
        scope=CacheScope.PRIVATE,
        stale=3,
        tags=("a", "c"),
        vary=("locale", "currency"),
        templates=(Template.parse("b:{args.x}", roots), Template.parse("d:{parent.y}", roots)),
        key="id",
        key_name="id",
    )
    assert cache_control(inherit=True).hint == Hint(inherit=True)
    assert cache_control(0, scope=CacheScope.PUBLIC).hint == Hint(ttl=0, scope=CacheScope.PUBLIC)


def test_a_key_function_is_identified_by_its_module_and_name() -> None:
    hint = cache_control(60, key=by_name).hint
    assert (hint.key, hint.key_name) == (by_name, f"{__name__}:by_name")
    assert "0x" not in repr(hint), "its address differs between processes"
    other = cache_control(60, key=lambda parent: parent.id).hint
    assert other.key_name != hint.key_name


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: cache_control(60, inherit=True), "either ttl or inherit=True"),
    (lambda: cache_control(scope="PRIVATE"), "scope is a str; write CacheScope"),  # type: ignore[arg-type] # wrongly
    (lambda: cache_control(key="id", inherit=True), "key is for a field with an entry of its own"),
    (lambda: cache_control(60, key="not a name"), "key is a str that is not the name"),
    (lambda: cache_control(60, key=5), "key is a int that is not the name"),  # type: ignore[arg-type] # wrongly
    (lambda: cache_control(60, key=by_query), "key is an async function"),
    (lambda: cache_control(-1), "^ttl "),
    (lambda: cache_control(60, stale=-1), "^stale "),
]


def test_contradicting_arguments_of_cache_control_are_refused() -> None:
    for write, said in REFUSED:
        with pytest.raises(CacheConfigurationError, match=said):
            write()


def test_a_string_in_place_of_a_list_of_tags_or_vary_is_refused() -> None:
    for name in ("tags", "vary"):
        wrong: dict[str, Any] = {name: "locale"}
        with pytest.raises(TypeError, match=rf"^{name} .*\["):
            cache_control(60, **wrong)


@strawberry.schema_directive(locations=[Location.OBJECT, Location.FIELD_DEFINITION])
class Note:
    text: str


def test_a_hint_keeps_the_other_directives_of_a_field_or_type() -> None:
    @cache_control(60, scope=CacheScope.PRIVATE)
    @strawberry.type(directives=[Note(text="type")])
    class Query:
        @cache_control(30, stale=5)
        @strawberry.field(directives=[Note(text="field")])  # type: ignore[untyped-decorator] # Strawberry's
        def one(self) -> int:
            return 1

        @cache_control(inherit=True)
        @strawberry.field
        def two(self) -> int:
            return 2

    text = str(strawberry.Schema(Query))
    assert 'type Query @note(text: "type") @cacheControl(maxAge: 60, scope: PRIVATE) {' in text
    assert 'one: Int! @note(text: "field") @cacheControl(maxAge: 30)\n' in text
    assert "two: Int! @cacheControl(inheritMaxAge: true)\n" in text


def test_a_second_hint_on_a_field_or_type_is_refused() -> None:
    with pytest.raises(CacheConfigurationError, match="twice on the type Twice"):

        @cache_control(60)
        @strawberry.type(directives=[cache_control(30)])
        class Twice:
            name: str

    with pytest.raises(CacheConfigurationError, match="twice on the field"):
        cache_control(60)(strawberry.field(directives=[cache_control(30)]))

    two = [cache_control(60), Note(text="a"), cache_control(30)]
    with pytest.raises(CacheConfigurationError, match=r"twice on Query\.name"):
        hint_of(two, "Query.name")
    assert hint_of(two[:2], "Query.name") == Hint(ttl=60)
    assert (hint_of(None, "Query.name"), hint_of([], "Query.name")) == (None, None)


def test_a_hint_can_be_an_attribute_of_a_class_that_is_no_graphql_type() -> None:
    hint = cache_control(60)

    class Hints:
        short = hint
        name: str = "of a shelf"

    assert Hints.short is hint
    assert hint.__get__(None) is hint
    for annotation in ("ClassVar[object]", "Final", "Any", "CacheControl | None"):
        kept: Any = type("Kept", (), {"__annotations__": {"short": annotation}, "short": hint})
        assert kept.short is hint


def test_a_decorator_in_the_wrong_place_says_where_it_belongs() -> None:
    def resolver() -> int:
        return 1

    above: list[tuple[Any, str]] = [
        (resolver, "def resolver(self)"),
        (partial(resolver), "def field(self)"),
    ]
    for target, said in above:
        with pytest.raises(TypeError, match=r"must stand above @strawberry\.field") as raised:
            cache_control(60)(target)
        assert said in str(raised.value)
    with pytest.raises(TypeError, match=r"(?s)must stand above @strawberry\.type.*class Book"):
        cache_control(60)(type("Book", (), {}))
    with pytest.raises(TypeError, match="cannot be used on a int; put it above"):
        cache_control(60)(5)
    with pytest.raises(TypeError, match="Filter: cache_control is above an input type"):
        cache_control(60)(strawberry.input(type("Filter", (), {"__annotations__": {"a": int}})))
    bare: list[tuple[Any, str]] = [
        (resolver, "def resolver(self)"),
        (strawberry.field(resolver), "def resolver(self)"),
        (strawberry.field(), "def field(self)"),
        (type("Book", (), {}), "class Book: ..."),
    ]
    for target, said in bare:
        with pytest.raises(TypeError, match="is written with parentheses") as raised:
            cache_control(target)
        assert said in str(raised.value)
