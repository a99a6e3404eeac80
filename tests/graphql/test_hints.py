"""`cache_control`: one object, three uses, and an error where it is written wrongly."""

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.graphql.ledger import outcome, reason

DEFINITION = (
    "directive @cacheControl(maxAge: Int, scope: CacheControlScope, inheritMaxAge: Boolean) "
    "on FIELD_DEFINITION | OBJECT | INTERFACE | UNION"
)


@cache_control(ttl=10.7, scope=CacheScope.PRIVATE)
@strawberry.type
class Note:
    text: str = strawberry.field(directives=[cache_control(ttl=5)])
    plain: str = ""


@cache_control(ttl=timedelta(minutes=2))
@strawberry.interface
class Titled:
    title: str


@strawberry.type
class Book(Titled):
    pages: int


@strawberry.type(directives=[cache_control(ttl=7)])
class Leaflet:
    text: str


Reading = Annotated[Book | Leaflet, strawberry.union("Reading", directives=[cache_control(ttl=9)])]


@strawberry.type
class Shelf:
    titled: Titled
    reading: Reading
    leaflet: Leaflet
    note: Note | None = None


@strawberry.type
class Query:
    @cache_control(ttl=100)
    @strawberry.field
    def shelf(self) -> Shelf:
        book = Book(title="t", pages=1)
        return Shelf(titled=book, reading=book, leaflet=Leaflet(text="l"))

    @cache_control()
    @strawberry.field
    def leaflet(self) -> Leaflet:
        return Leaflet(text="l")

    @cache_control()
    @strawberry.field
    def number(self) -> int:
        return 1

    @strawberry.field
    def note(self) -> Note:
        return Note(text="n")


def schema_of(query: type, cache: ResponseCache, **options: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(
        cache, tenant=None, session=lambda _: "alice", debug=True, **options
    )
    return strawberry.Schema(query, types=[Book], extensions=[extension])


def test_the_sdl_has_apollos_directive() -> None:
    sdl = strawberry.Schema(Query, types=[Book]).as_str()
    assert DEFINITION in sdl
    assert "enum CacheControlScope {\n  PUBLIC\n  PRIVATE\n}" in sdl
    assert "type Note @cacheControl(maxAge: 10, scope: PRIVATE)" in sdl
    assert "text: String! @cacheControl(maxAge: 5)" in sdl
    assert "interface Titled @cacheControl(maxAge: 120)" in sdl
    assert "union Reading @cacheControl(maxAge: 9) = Book | Leaflet" in sdl
    assert "leaflet: Leaflet! @cacheControl\n" in sdl


def test_the_sdl_keeps_apollos_names_whatever_the_naming_convention() -> None:
    config = StrawberryConfig(auto_camel_case=False)
    assert DEFINITION in strawberry.Schema(Query, types=[Book], config=config).as_str()


def test_the_sdl_prints_inherit_as_inherit_max_age() -> None:
    @strawberry.type
    class Child:
        @cache_control(inherit=True)
        @strawberry.field
        def late(self) -> int:
            return 1

    @strawberry.type
    class Query:
        child: Child

    assert "late: Int! @cacheControl(inheritMaxAge: true)" in strawberry.Schema(Query).as_str()


@pytest.mark.parametrize(
    ("query", "ttl", "limited_by"),
    [
        ("{ shelf { __typename } }", 100, "Query.shelf"),
        ("{ shelf { leaflet { text } } }", 7, "Shelf.leaflet"),
        # Book says nothing and takes its interface's, or its union's, ttl; Leaflet has its own.
        ("{ shelf { titled { title } } }", 100, "Query.shelf"),
        ("{ shelf { reading { ... on Book { pages } } } }", 7, "Shelf.reading"),
        ("{ shelf { note { plain } } }", 10, "Shelf.note"),
        ("{ shelf { note { text } } }", 5, "Note.text"),
        ("{ a: shelf { n: note { t: text } } }", 5, "Note.text"),
        ("{ shelf { ...F } } fragment F on Shelf { leaflet { text } }", 7, "Shelf.leaflet"),
        ("{ leaflet { text } }", 7, "Query.leaflet"),
    ],
)
async def test_the_lowest_ttl_of_the_selected_fields_counts(
    memory_cache: ResponseCache, query: str, ttl: int, limited_by: str
) -> None:
    said = outcome(await schema_of(Query, memory_cache).execute(query))
    assert (said["ttl"], said["limitedBy"]) == (ttl, limited_by)


async def test_a_hint_on_a_type_alone_does_not_make_a_field_cacheable(
    memory_cache: ResponseCache,
) -> None:
    result = await schema_of(Query, memory_cache).execute("{ note { text } }")
    assert reason(result) == "root_without_hint"


async def test_a_hint_without_a_ttl_does_not_make_a_scalar_root_field_cacheable(
    memory_cache: ResponseCache,
) -> None:
    assert reason(await schema_of(Query, memory_cache).execute("{ number }")) == "without_ttl"


@pytest.mark.parametrize(
    ("query", "expected"),
    [("{ note { text } }", 5), ("{ shelf { titled { title } } }", 100), ("{ number }", 42)],
)
async def test_default_ttl_follows_apollos_rule(
    memory_cache: ResponseCache, query: str, expected: int
) -> None:
    said = outcome(await schema_of(Query, memory_cache, default_ttl=42).execute(query))
    assert said["ttl"] == expected


async def test_default_ttl_of_zero_makes_a_field_without_a_ttl_uncacheable(
    memory_cache: ResponseCache,
) -> None:
    schema = schema_of(Query, memory_cache, default_ttl=0)
    assert reason(await schema.execute("{ number }")) == "ttl_zero"


async def test_a_ttl_of_zero_is_inherited_from_a_base_type_and_a_longer_ttl_is_not(
    memory_cache: ResponseCache,
) -> None:
    @strawberry.interface
    class Never:
        code: str = strawberry.field(directives=[cache_control(ttl=0)])

    @strawberry.type
    class Overriding(Never):
        code: str

    @cache_control(ttl=5)
    @strawberry.type
    class Base:
        name: str

    @strawberry.type
    class Derived(Base):
        pass

    @strawberry.type
    class Root:
        @cache_control(ttl=60)
        @strawberry.field
        def overriding(self) -> Overriding:
            return Overriding(code="x")

        @cache_control()
        @strawberry.field
        def derived(self) -> Derived:
            return Derived(name="x")

    schema = schema_of(Root, memory_cache)
    assert reason(await schema.execute("{ overriding { code } }")) == "ttl_zero"
    assert reason(await schema.execute("{ derived { name } }")) == "without_ttl"


# -- Bad input -----------------------------------------------------------------------------------------


def test_cache_control_below_a_field_decorator_says_the_right_order() -> None:
    with pytest.raises(
        TypeError, match=r"(?s)above @strawberry.field.*@strawberry.field\n.*def total"
    ):

        @strawberry.field
        @cache_control(ttl=60)
        def total(self: Any) -> int:
            return 1


def test_cache_control_below_a_type_decorator_says_the_right_order() -> None:
    with pytest.raises(
        TypeError, match=r"(?s)above @strawberry.type.*@strawberry.type\n.*class Mine"
    ):

        @strawberry.type
        @cache_control(ttl=60)
        class Mine:
            x: int


def test_cache_control_below_a_type_decorator_is_refused_also_for_a_subclass_of_a_type() -> None:
    with pytest.raises(TypeError, match=r"above @strawberry\.type"):

        @strawberry.type
        @cache_control(ttl=60)
        class Mine(Leaflet):
            x: int


@pytest.mark.parametrize("target", [3, None, "field"])
def test_cache_control_on_anything_else_says_where_to_put_it(target: Any) -> None:
    with pytest.raises(TypeError, match=r"directives=\[\.\.\.\]"):
        cache_control(ttl=60)(target)


def test_cache_control_on_an_input_type_is_refused() -> None:
    with pytest.raises(TypeError, match="input type"):

        @cache_control(ttl=60)
        @strawberry.input
        class Filter:
            x: int


@pytest.mark.parametrize("ttl", [-1, -0.5, math.nan, math.inf, 1e12, timedelta(seconds=-1)])
@pytest.mark.parametrize("name", ["ttl", "stale"])
def test_the_error_of_a_duration_out_of_range_names_the_argument(ttl: Any, name: str) -> None:
    with pytest.raises(CacheConfigurationError, match=rf"^{name} is "):
        cache_control(**{name: ttl})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"ttl": "60"}, CacheConfigurationError, "seconds as an int or a float"),
        ({"ttl": True}, CacheConfigurationError, "seconds as an int or a float"),
        ({"ttl": 60, "inherit": True}, CacheConfigurationError, "either ttl or inherit"),
        ({"scope": "PRIVATE"}, CacheConfigurationError, r"CacheScope\.PRIVATE"),
        ({"tags": "ledger"}, TypeError, "wrap it in a list"),
        ({"tags": [1]}, TypeError, "every part is a string"),
        ({"tags": ["Book:{id}"]}, CacheConfigurationError, "none of"),
        ({"vary": "locale"}, TypeError, "wrap it in a list"),
    ],
)
def test_a_bad_argument_says_what_to_write(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        cache_control(**arguments)


def test_two_cache_control_on_one_field_or_type_are_refused() -> None:
    hint = cache_control(ttl=1)
    with pytest.raises(CacheConfigurationError, match="twice on the field 'x'"):
        hint(_named_field(directives=[hint]))
    with pytest.raises(CacheConfigurationError, match="twice on the type Leaflet"):
        hint(Leaflet)


def _named_field(**options: Any) -> Any:
    def x() -> int:
        return 1

    return strawberry.field(x, **options)


def test_check_lists_every_mistake_at_once_each_with_its_coordinate(
    memory_cache: ResponseCache,
) -> None:
    twice = [cache_control(ttl=1), cache_control(ttl=2)]

    @strawberry.type(directives=[cache_control(inherit=True)])
    class Thing:
        doubled: int = strawberry.field(directives=twice)
        varied: int = strawberry.field(directives=[cache_control(ttl=1, vary=["currency"])])

    @cache_control(ttl=60)
    @strawberry.type
    class Query:
        @cache_control(inherit=True)
        @strawberry.field
        def thing(self) -> Thing:
            return Thing(doubled=1, varied=2)

    @strawberry.type
    class Mutation:
        @cache_control(ttl=60)
        @strawberry.mutation
        def post(self) -> int:
            return 1

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    with pytest.raises(CacheConfigurationError) as raised:
        extension.check(schema)
    message = str(raised.value)
    for expected in (
        "- Query: a hint on the query type has no effect",
        "- Query.thing: a root field has no parent to inherit from; give it a ttl.",
        "- Thing.doubled: cache_control is used twice",
        "- Thing.varied: vary names 'currency', which the extension does not define",
        "- Mutation.post: a mutation is never cached; remove its cache_control.",
    ):
        assert expected in message
    result = schema.execute_sync("{ thing { varied } }")
    assert (result.errors, result.data) == (None, {"thing": {"varied": 2}})


def test_check_demands_a_key_for_a_federated_field_with_requires_and_a_ttl(
    memory_cache: ResponseCache,
) -> None:
    def key(parent: Any) -> Any:
        raise AssertionError

    def made(**hint: Any) -> tuple[ResponseCacheExtension, strawberry.Schema]:
        @strawberry.federation.type(keys=["id"])
        class Product:
            id: strawberry.ID
            weight: int = strawberry.federation.field(external=True)

            @cache_control(**hint)
            @strawberry.federation.field(requires=["weight"])  # type: ignore[untyped-decorator] # Strawberry's
            def shipping(self) -> int:
                raise AssertionError

        @strawberry.type
        class Query:
            @strawberry.field
            def product(self) -> Product:
                raise AssertionError

        extension = ResponseCacheExtension(memory_cache, tenant=None)
        return extension, strawberry.federation.Schema(Query, extensions=[extension])

    extension, schema = made(ttl=60)
    with pytest.raises(CacheConfigurationError, match=r"Product\.shipping: it requires fields"):
        extension.check(schema)
    for hint in ({"ttl": 60, "key": key}, {"inherit": True}):
        extension, schema = made(**hint)
        extension.check(schema)


@pytest.fixture
def memory_extension(memory_cache: ResponseCache) -> Callable[..., ResponseCacheExtension]:
    def make(**options: Any) -> ResponseCacheExtension:
        return ResponseCacheExtension(memory_cache, **({"tenant": None} | options))

    return make


def test_the_error_of_an_extension_in_a_lambda_says_what_to_write(
    memory_extension: Callable[..., ResponseCacheExtension],
) -> None:
    extension = memory_extension()
    schema = strawberry.Schema(Query, extensions=[lambda: extension])  # type: ignore[list-item,return-value] # the mistake
    with pytest.raises(CacheConfigurationError, match=r"extensions=\[extension\]"):
        schema.execute_sync("{ number }")
    with pytest.raises(CacheConfigurationError, match="not registered"):
        extension.check(schema)


def test_two_extensions_on_one_schema_are_refused(
    memory_extension: Callable[..., ResponseCacheExtension],
) -> None:
    first, second = memory_extension(), memory_extension()
    schema = strawberry.Schema(Query, types=[Book], extensions=[first, second])
    with pytest.raises(CacheConfigurationError, match="two ResponseCacheExtensions; keep one"):
        first.check(schema)


async def _async_veto(result: Any, context: Any) -> bool:
    raise AssertionError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tenant": "acme"}, "tenant is a str"),
        ({"session": 3}, "session is a int"),
        ({"vary": ["locale"]}, "vary is a list"),
        ({"vary": {"locale": "en"}}, "mapping of names to functions"),
        ({"enabled": "yes"}, "enabled is a str"),
        ({"debug": 1}, "debug is a int"),
        ({"schema_name": None}, "schema_name is a NoneType"),
        ({"default_ttl": -1}, "default_ttl is -1"),
        ({"cacheable": True}, "cacheable is a bool"),
        ({"cacheable": _async_veto}, "cacheable is a function; pass a plain function"),
        ({"store_after": 3}, "store_after is not one of 1, 2"),
        ({"store_after": True}, "store_after is not one of 1, 2"),
        ({"max_ttl": -1}, "max_ttl is -1"),
        ({"max_ttl": "60"}, "max_ttl is a str"),
        ({"negative_ttl": -1}, "negative_ttl is -1"),
        ({"negative_ttl": True}, "negative_ttl is a bool"),
        ({"max_ttl": 0}, "max_ttl is 0; .* enabled=False"),
    ],
)
def test_the_error_of_a_bad_option_names_it(
    memory_extension: Callable[..., ResponseCacheExtension], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CacheConfigurationError, match=message):
        memory_extension(**options)


def test_a_cache_of_another_type_is_refused() -> None:
    with pytest.raises(CacheConfigurationError, match="pass a ResponseCache"):
        ResponseCacheExtension("redis://localhost", tenant=None)  # type: ignore[arg-type] # the mistake


def test_the_argument_tenant_is_required(memory_cache: ResponseCache) -> None:
    with pytest.raises(TypeError, match="tenant"):
        ResponseCacheExtension(memory_cache)  # type: ignore[call-arg] # the mistake
