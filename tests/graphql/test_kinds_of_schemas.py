"""Every kind of schema that Strawberry makes is cached as it answers, or refused with a reason."""

import copy
import datetime
import decimal
import enum
import uuid
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Generic, NewType, TypeVar

import pydantic
import pytest
import strawberry
from strawberry import federation, relay
from strawberry.scalars import JSON, Base64
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.graphql.ledger import Account, outcome, reason, status

Make = Callable[[list[Any]], strawberry.Schema]

FACES = ("execute", "execute_sync")

cached = cache_control(ttl=3600)


def extended(cache: ResponseCache, **options: Any) -> ResponseCacheExtension:
    """Return an extension that keeps the faces apart as tenants."""
    chosen: dict[str, Any] = {
        "tenant": lambda context: context["face"],
        "session": lambda context: context["user"],
        "debug": True,
    } | options
    return ResponseCacheExtension(cache, **chosen)


async def ask(
    schema: strawberry.Schema, face: str, query: str, user: str = "alice", **request: Any
) -> ExecutionResult:
    """Ask through one face; what resolvers do to the variables stays their own affair."""
    request = copy.deepcopy(request)
    context = {"face": face, "user": user}
    if face == "execute_sync":
        return schema.execute_sync(query, context_value=context, **request)
    return await schema.execute(query, context_value=context, **request)


# -- The kinds ------------------------------------------------------------------------------------------


def federated(extensions: list[Any]) -> strawberry.Schema:
    @federation.type(keys=["upc"])
    class Product:
        upc: str
        seller: str = "nobody"

        @classmethod
        def resolve_reference(cls, upc: str) -> "Product":
            return cls(upc=upc, seller=f"seller of {upc}")

    @federation.type(keys=["upc"])
    class Review:
        upc: str

    @cache_control(scope=CacheScope.PRIVATE)
    @federation.type(keys=["id"])
    class Basket:
        id: strawberry.ID
        owner: str

        @classmethod
        def resolve_reference(cls, info: strawberry.Info, id: strawberry.ID) -> "Basket":  # noqa: A002 - the key's name
            return cls(id=id, owner=info.context["user"])

    @strawberry.type
    class Query:
        @cached
        @strawberry.field
        def top(self) -> Product:
            return Product(upc="1")

    return federation.Schema(Query, types=[Review, Basket], extensions=extensions)


@strawberry.type
class Fruit(relay.Node):
    code: relay.NodeID[int]
    name: str

    @classmethod
    def resolve_nodes(
        cls, *, info: strawberry.Info, node_ids: Iterable[str], required: bool = False
    ) -> Any:
        return [cls(code=int(code), name=f"fruit {code}") for code in node_ids]


@strawberry.type
class Counted(relay.ListConnection[Fruit]):
    @strawberry.field
    def total(self) -> int:
        return 5


def related(extensions: list[Any]) -> strawberry.Schema:
    def five() -> list[Fruit]:
        return [Fruit(code=code, name=f"fruit {code}") for code in range(5)]

    @strawberry.type
    class Query:
        node: relay.Node = cached(relay.node())
        nodes: list[relay.Node] = cached(relay.node())
        maybe: relay.Node | None = cached(relay.node())
        fruits: relay.ListConnection[Fruit] = cached(relay.connection(resolver=five))
        counted: Counted = cached(relay.connection(resolver=five))
        plain: relay.ListConnection[Fruit] = relay.connection(resolver=five)

    return strawberry.Schema(Query, types=[Fruit], extensions=extensions)


FRUITS = [relay.to_base64("Fruit", code) for code in range(3)]


def lazy(extensions: list[Any]) -> strawberry.Schema:
    @strawberry.type
    class Holder:
        account: Annotated["Account", strawberry.lazy("tests.graphql.ledger")]

    @strawberry.type
    class Query:
        @cached
        @strawberry.field
        def holders(self) -> list[Holder]:
            return [Holder(account=Account(id=strawberry.ID("1"), name="Cash"))]

    return strawberry.Schema(Query, extensions=extensions)


T = TypeVar("T")


@strawberry.type
class Page(Generic[T]):
    items: list[T]

    @strawberry.field
    def unannotated(self) -> int:
        return 1


def generic(extensions: list[Any]) -> strawberry.Schema:
    @strawberry.type
    class Query:
        @cached
        @strawberry.field
        def numbers(self) -> Page[int]:
            return Page(items=[1, 2])

        @cached
        @strawberry.field
        def fruits(self) -> Page[Fruit]:
            return Page(items=[Fruit(code=1, name="fruit 1")])

    return strawberry.Schema(Query, extensions=extensions)


Cents = NewType("Cents", int)
Opaque = NewType("Opaque", object)


def in_cents(text: str) -> Cents:
    return Cents(round(float(text) * 100))


SCALARS = StrawberryConfig(
    scalar_map={
        Cents: strawberry.scalar(
            name="Cents",
            serialize=lambda cents: f"{cents / 100:.2f}",
            parse_value=in_cents,
            parse_literal=lambda node, _: in_cents(node.value),  # type: ignore[attr-defined] # a string's node
        ),
        Opaque: strawberry.scalar(name="Opaque", serialize=lambda value: value),
    }
)


def scalar(extensions: list[Any]) -> strawberry.Schema:
    @strawberry.type
    class Query:
        @cached
        @strawberry.field
        def price(self, paid: Cents) -> Cents:
            return Cents(paid + 1)

        @cached
        @strawberry.field
        def opaque(self) -> Opaque:
            return Opaque({1, 2})

        @cached
        @strawberry.field
        def moment(
            self,
            at: datetime.datetime,
            on: datetime.date | None = None,
            clock: datetime.time | None = None,
        ) -> datetime.datetime:
            return at + datetime.timedelta(days=1)

        @cached
        @strawberry.field
        def identity(self, of: uuid.UUID) -> uuid.UUID:
            return of

        @cached
        @strawberry.field
        def amount(self, of: decimal.Decimal) -> decimal.Decimal:
            return of * 2

        @cached
        @strawberry.field
        def raw(self, of: Base64) -> Base64:
            return Base64(bytes(reversed(of)))

        @cached
        @strawberry.field
        def anything(self, of: JSON) -> JSON:
            return of

        @cached
        @strawberry.field
        def emptied(self, of: JSON) -> int:
            handed: Any = of
            length = len(handed)
            handed.clear()
            return length

    return strawberry.Schema(Query, config=SCALARS, extensions=extensions)


@strawberry.enum
class Colour(enum.Enum):
    RED = 1
    BLUE = strawberry.enum_value(2, description="as the sky")
    GREEN = strawberry.enum_value(3, name="VERT")


@strawberry.enum
class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


def enumerated(extensions: list[Any]) -> strawberry.Schema:
    @strawberry.type
    class Query:
        @cached
        @strawberry.field
        def paint(self, in_: list[Colour]) -> list[Colour]:
            return in_

        @cached
        @strawberry.field
        def size(self, of: Size = Size.SMALL) -> Size:
            return of

    return strawberry.Schema(Query, extensions=extensions)


@strawberry.input
class Inner:
    names: list[str | None] = strawberry.field(default_factory=list)
    grid: list[list[int]] | None = None


@strawberry.input
class Outer:
    inner: Inner | None = strawberry.UNSET
    inners: list[Inner] = strawberry.field(default_factory=list)
    renamed: int = strawberry.field(default=1, name="other")


@strawberry.input(one_of=True)
class ByOne:
    code: strawberry.Maybe[int]
    name: strawberry.Maybe[str]


@strawberry.input
class Patch:
    phone: strawberry.Maybe[str | None]
    code: strawberry.Maybe[int]


def taking(extensions: list[Any]) -> strawberry.Schema:
    @strawberry.type
    class Query:
        @cached
        @strawberry.field
        def outer(self, sent: Outer) -> str:
            return repr(sent)

        @cached
        @strawberry.field
        def one(self, by: ByOne) -> str:
            return repr(by)

        @cached
        @strawberry.field
        def patch(self, sent: Patch) -> str:
            return repr(sent)

        @cached
        @strawberry.field
        def maybe(self, phone: strawberry.Maybe[str | None] = None) -> str:
            return repr(phone)

        @cached
        @strawberry.field
        def unset(self, phone: str | None = strawberry.UNSET) -> str:
            return repr(phone)

    return strawberry.Schema(Query, extensions=extensions)


@strawberry.type
class Named:
    first_name: str = strawberry.field(default="Ada", name="givenName")

    @strawberry.field(name="hidden")  # type: ignore[untyped-decorator] # Strawberry's
    def without_hint(self) -> int:
        return 1


def named(extensions: list[Any], **more: Any) -> strawberry.Schema:
    def person(long_name: str = "x") -> Named:
        return Named()

    @strawberry.type
    class Query:
        some_person: Named = cached(strawberry.field(resolver=person))
        other: Named = cached(strawberry.field(resolver=person, name="aPerson"))

    return strawberry.Schema(Query, extensions=extensions, **more)


def snake(extensions: list[Any]) -> strawberry.Schema:
    return named(extensions, config=StrawberryConfig(auto_camel_case=False))


class Shouting(NameConverter):
    def get_graphql_name(self, obj: Any) -> str:
        return super().get_graphql_name(obj).upper()


def shouting(extensions: list[Any]) -> strawberry.Schema:
    return named(extensions, config=StrawberryConfig(name_converter=Shouting()))


@strawberry.interface
class Shape:
    area: float


@strawberry.type
class Square(Shape):
    side: float


@strawberry.type
class Coloured(Square):
    colour: Colour


@strawberry.type
class Circle(Shape):
    radius: float
    secret: strawberry.Private[object]


class Row(pydantic.BaseModel):
    amount: int


@strawberry.experimental.pydantic.type(model=Row, all_fields=True)
class RowType:
    pass


def shaped(extensions: list[Any]) -> strawberry.Schema:
    @strawberry.type
    class Query:
        @cached
        @strawberry.field
        def shapes(self) -> list[list[Shape | None] | None]:
            square = Coloured(area=4.0, side=2.0, colour=Colour.GREEN)
            return [[square, None, Circle(area=3.14, radius=1.0, secret=object())], None, []]

        @cached
        @strawberry.field
        def either(self) -> list[Annotated[Square | Circle, strawberry.union("Either")]]:
            return [Square(area=1.0, side=1.0), Circle(area=3.14, radius=1.0, secret=1)]

        @cached
        @strawberry.field
        def coloured(self) -> Coloured:
            return Coloured(area=4.0, side=2.0, colour=Colour.BLUE)

        @cached
        @strawberry.field
        def grid(self) -> list[list[list[int | None]]]:
            return [[[1, None], []], []]

        @cached
        @strawberry.field
        def row(self) -> RowType:
            return RowType.from_pydantic(Row(amount=1))  # type: ignore[attr-defined, no-any-return] # the decorator adds it

        @cached
        @strawberry.field
        def nothing(self) -> Square | None:
            return None

    return strawberry.Schema(Query, types=[Coloured, Circle], extensions=extensions)


def deferring(extensions: list[Any]) -> strawberry.Schema:
    @strawberry.type
    class Query:
        @cached
        @strawberry.field
        def square(self) -> Square:
            return Square(area=1.0, side=1.0)

    config = StrawberryConfig(enable_experimental_incremental_execution=True)
    return strawberry.Schema(Query, config=config, extensions=extensions)


# -- Cached, or refused with a reason ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "query"),
    [
        (federated, "{ top { upc seller __typename } }"),
        (related, f'{{ node(id: "{FRUITS[1]}") {{ __typename id ... on Fruit {{ name }} }} }}'),
        (related, f'{{ nodes(ids: ["{FRUITS[1]}", "{FRUITS[0]}"]) {{ id }} }}'),
        (related, f'{{ maybe(id: "{FRUITS[2]}") {{ id }} }}'),
        (
            related,
            """{ fruits(first: 2) { edges { cursor node { id name } }
                pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }""",
        ),
        (related, "{ counted(last: 1) { edges { node { name } } } }"),
        (lazy, "{ holders { account { id name } } }"),
        (generic, "{ numbers { __typename items } fruits { __typename items { id name } } }"),
        (scalar, '{ price(paid: "1.50") }'),
        (scalar, '{ moment(at: "2026-01-31T12:00:00.123456+02:00", on: "2026-01-31") }'),
        (scalar, '{ identity(of: "00000000-0000-0000-0000-00000000000a") }'),
        (scalar, '{ amount(of: "1.10") }'),
        (scalar, '{ raw(of: "AAEC") }'),
        (scalar, '{ anything(of: {a: [1, 2.5, "x", null, {b: true}]}) }'),
        (enumerated, "{ paint(in_: [RED, VERT, BLUE]) size }"),
        (taking, "{ outer(sent: {inner: {names: [null], grid: [[1], []]}, other: 2}) }"),
        (taking, "{ one(by: {code: 1}) patch(sent: {phone: null}) maybe unset }"),
        (named, '{ somePerson(longName: "y") { givenName } aPerson { givenName } }'),
        (snake, '{ some_person(long_name: "y") { givenName } aPerson { givenName } }'),
        (shouting, "{ SOMEPERSON { GIVENNAME } }"),
        (
            shaped,
            "{ shapes { __typename area ... on Coloured { side colour } ... on Circle { radius } } }",
        ),
        (shaped, "{ either { __typename ... on Shape { area } } }"),
        (shaped, "{ coloured { area side colour } grid row { amount } nothing { side } }"),
        (deferring, "{ square { area ... on Square { side } } }"),
    ],
)
async def test_a_hit_answers_as_the_schema_does_without_a_cache(
    memory_cache: ResponseCache, make: Make, query: str
) -> None:
    bare, schema = make([]), make([extended(memory_cache)])
    for face in FACES:
        expected = await ask(bare, face, query)
        assert expected.errors is None
        for said in ("miss", "hit"):
            result = await ask(schema, face, query)
            assert (result.errors, status(result)) == (None, said)
            assert result.data == expected.data


@pytest.mark.parametrize(
    ("make", "query", "why", "named_field"),
    [
        (federated, "{ _service { sdl } }", "root_without_hint", "Query._service"),
        (federated, "{ top { upc } _service { sdl } }", "root_without_hint", "Query._service"),
        (
            federated,
            """{ _entities(representations: [{__typename: "Product", upc: "1"}]) {
                ... on Product { upc } } }""",
            "root_without_hint",
            "Query._entities",
        ),
        (related, "{ plain { edges { node { id } } } }", "root_without_hint", "Query.plain"),
        (related, "{ counted { total } }", "resolver_without_hint", "Counted.total"),
        (
            lazy,
            "{ holders { account { unannotated } } }",
            "resolver_without_hint",
            "Account.unannotated",
        ),
        (generic, "{ numbers { unannotated } }", "resolver_without_hint", "above Page.unannotated"),
        (generic, "{ fruits { unannotated } }", "resolver_without_hint", "above Page.unannotated"),
        (scalar, "{ opaque }", "unserializable", "Make scalars serialise to JSON"),
        (named, "{ somePerson { hidden } }", "resolver_without_hint", "Named.hidden"),
        (snake, "{ some_person { hidden } }", "resolver_without_hint", "Named.hidden"),
        (shouting, "{ SOMEPERSON { HIDDEN } }", "resolver_without_hint", "Named.HIDDEN"),
    ],
)
async def test_an_operation_that_is_not_cached_is_answered_and_says_why(
    memory_cache: ResponseCache, make: Make, query: str, why: str, named_field: str
) -> None:
    bare, schema = make([]), make([extended(memory_cache)])
    for face in FACES:
        expected = await ask(bare, face, query)
        assert expected.errors is None
        for _ in range(2):
            result = await ask(schema, face, query)
            assert (status(result), reason(result)) == ("bypass", why)
            assert named_field in outcome(result)["advice"]
            assert (result.errors, result.data) == (None, expected.data)


@pytest.mark.parametrize(
    ("make", "query", "coordinate"),
    [
        (named, "{ aPerson { givenName } }", "Query.aPerson"),
        (snake, "{ some_person { givenName } }", "Query.some_person"),
        (shouting, "{ SOMEPERSON { GIVENNAME } }", "Query.SOMEPERSON"),
        (related, "{ fruits { edges { cursor } } }", "Query.fruits"),
    ],
)
async def test_the_limiting_field_is_named_as_the_schema_names_it(
    memory_cache: ResponseCache, make: Make, query: str, coordinate: str
) -> None:
    result = await ask(make([extended(memory_cache)]), "execute", query)
    assert outcome(result)["limitedBy"] == coordinate


# -- Different inputs never share an entry ------------------------------------------------------------------

ENTITIES = """query ($of: [_Any!]!) { _entities(representations: $of) {
    __typename ... on Product { upc seller } ... on Review { upc } } }"""


def each(query: str, *values: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return a query with each of these values as its only variable."""
    return [(query, {"of": value}) for value in values]


ABSENT_OR_NOT = [{}, {"phone": None}, {"phone": ""}, {"phone": "null"}, {"phone": "1"}]


@pytest.mark.parametrize(
    ("make", "requests"),
    [
        pytest.param(
            federated,
            each(
                ENTITIES,
                [],
                [{"__typename": "Product", "upc": "1"}],
                [{"__typename": "Product", "upc": "2"}],
                [{"__typename": "Review", "upc": "1"}],
                [{"__typename": "Product", "upc": "1"}, {"__typename": "Product", "upc": "2"}],
                [{"__typename": "Product", "upc": "2"}, {"__typename": "Product", "upc": "1"}],
            ),
            id="representations",
        ),
        pytest.param(
            related,
            [
                *each("query ($of: ID!) { node(id: $of) { id } }", *FRUITS),
                *each(
                    "query ($of: [ID!]!) { nodes(ids: $of) { id } }",
                    FRUITS,
                    FRUITS[::-1],
                    FRUITS[:1],
                    [],
                ),
            ],
            id="nodes",
        ),
        pytest.param(
            related,
            [
                (f"{{ fruits{window} {{ edges {{ cursor node {{ name }} }} }} }}", {})
                for window in (
                    "",
                    "(first: 2)",
                    "(first: 3)",
                    "(last: 2)",
                    '(first: 2, after: "YXJyYXljb25uZWN0aW9uOjE=")',
                    '(first: 2, before: "YXJyYXljb25uZWN0aW9uOjE=")',
                )
            ],
            id="windows of a connection",
        ),
        pytest.param(
            scalar,
            each("query ($of: Cents!) { price(paid: $of) }", "1.5", "1.50", "15", "1"),
            id="a scalar with a parser",
        ),
        pytest.param(
            scalar,
            [(f'{{ price(paid: "{paid}") }}', {}) for paid in ("1.5", "1.50", "15", "1")],
            id="a scalar with a parser, in the document",
        ),
        pytest.param(
            scalar,
            each(
                "query ($of: DateTime!) { moment(at: $of) }",
                "2026-01-31T12:00:00+00:00",
                "2026-01-31T12:00:00+02:00",
                "2026-01-31T12:00:00.000001+00:00",
                "2026-01-31T12:00:00",
            ),
            id="moments",
        ),
        pytest.param(
            scalar,
            each("query ($of: Decimal!) { amount(of: $of) }", "1.1", "1.10", "11"),
            id="decimals",
        ),
        pytest.param(
            scalar,
            each(
                "query ($of: UUID!) { identity(of: $of) }", *(str(uuid.UUID(int=n)) for n in (1, 2))
            ),
            id="uuids",
        ),
        pytest.param(
            scalar,
            each("query ($of: JSON!) { emptied(of: $of) }", {}, {"a": 1}, {"a": 1, "b": 2}, [1]),
            id="what a resolver empties",
        ),
        pytest.param(
            enumerated,
            [
                *each(
                    "query ($of: [Colour!]!) { paint(in_: $of) }",
                    ["RED"],
                    ["BLUE"],
                    ["VERT"],
                    ["RED", "BLUE"],
                    ["BLUE", "RED"],
                    [],
                ),
                *each("query ($of: Size!) { size(of: $of) }", "SMALL", "LARGE"),
                ("{ size }", {}),
                ("{ size(of: LARGE) }", {}),
            ],
            id="enums",
        ),
        pytest.param(
            taking,
            each(
                "query ($of: Outer!) { outer(sent: $of) }",
                {},
                {"inner": None},
                {"inner": {}},
                {"inner": {"grid": None}},
                {"inner": {"grid": []}},
                {"inner": {"grid": [[]]}},
                {"inner": {"grid": [[1], [2, 3]]}},
                {"inner": {"grid": [[1, 2], [3]]}},
                {"inner": {"grid": [[1, 2, 3]]}},
                {"inner": {"names": ["a,b"]}},
                {"inner": {"names": ["a", "b"]}},
                {"inner": {"names": [None]}},
                {"inner": {"names": ["null"]}},
                {"inners": [{"names": ["a"]}, {}]},
                {"inners": [{}, {"names": ["a"]}]},
                {"other": 2},
            ),
            id="inputs in inputs",
        ),
        pytest.param(
            taking,
            each("query ($of: ByOne!) { one(by: $of) }", {"code": 1}, {"name": "1"}),
            id="one of several",
        ),
        pytest.param(
            taking,
            each("query ($of: Patch!) { patch(sent: $of) }", *ABSENT_OR_NOT),
            id="absent, null or a value",
        ),
        pytest.param(
            taking,
            [
                (f"query ($phone: String) {{ {field} }}", variables)
                for field in (
                    "maybe(phone: $phone)",
                    "unset(phone: $phone)",
                    "patch(sent: {phone: $phone})",
                )
                for variables in ABSENT_OR_NOT
            ],
            id="absent, null or a value, within",
        ),
        pytest.param(
            taking,
            [
                (f"{{ {field} }}", {})
                for field in (
                    "maybe",
                    "maybe(phone: null)",
                    'maybe(phone: "")',
                    "unset",
                    "unset(phone: null)",
                    'unset(phone: "null")',
                    "patch(sent: {})",
                    "patch(sent: {phone: null})",
                    'patch(sent: {phone: "null"})',
                )
            ],
            id="absent, null or a value, in the document",
        ),
    ],
)
async def test_different_inputs_never_share_an_entry(
    memory_cache: ResponseCache, make: Make, requests: list[tuple[str, dict[str, Any]]]
) -> None:
    bare, schema = make([]), make([extended(memory_cache, default_ttl=3600)])
    for said in ("miss", "hit"):
        for query, variables in requests:
            expected = await ask(bare, "execute", query, variable_values=variables)
            result = await ask(schema, "execute", query, variable_values=variables)
            assert (result.errors, expected.errors) == (None, None)
            # The objects of a gateway have an entry each, which several lists of them share; and what a resolver
            # changes of its arguments is not stored.
            is_free = "_entities" in query or "emptied" in query
            is_told = status(result) if is_free else said
            assert (result.data, status(result)) == (expected.data, is_told), variables


# -- Kinds with promises of their own ---------------------------------------------------------------------


async def test_an_entity_of_a_private_type_is_private_to_its_session(
    memory_cache: ResponseCache,
) -> None:
    schema = federated([extended(memory_cache, default_ttl=3600)])
    query = """{ _entities(representations: [{__typename: "Basket", id: "1"}]) {
        ... on Basket { owner } } }"""
    for said in ("miss", "hit"):
        for user in ("alice", "bob"):
            result = await ask(schema, "execute", query, user=user)
            assert result.data == {"_entities": [{"owner": user}]}
            assert (status(result), outcome(result)["scope"]) == (said, "PRIVATE")


@pytest.mark.parametrize("face", FACES)
async def test_a_request_with_a_root_value_is_not_cached_unless_the_extension_says_it_is_shared(
    memory_cache: ResponseCache, face: str
) -> None:
    @strawberry.type
    class Query:
        name: str = cached(strawberry.field())

        @cached
        @strawberry.field
        def shout(self) -> str:
            return self.name.upper()

    query = "{ name shout }"
    wary = strawberry.Schema(Query, extensions=[extended(memory_cache)])
    for name in ("ada", "bob", "ada"):
        result = await ask(wary, face, query, root_value=Query(name=name))
        assert result.data == {"name": name, "shout": name.upper()}
        assert (status(result), reason(result)) == ("bypass", "root_value")
        assert "root_value='shared'" in outcome(result)["advice"]
    sharing = strawberry.Schema(Query, extensions=[extended(memory_cache, root_value="shared")])
    for said in ("miss", "hit"):
        result = await ask(sharing, face, query, root_value=Query(name="ada"))
        assert (status(result), result.data) == (said, {"name": "ada", "shout": "ADA"})


async def test_a_deferred_response_is_delivered_in_parts_on_each_request(
    memory_cache: ResponseCache,
) -> None:
    schema = deferring([extended(memory_cache)])
    query = "{ square { area ... @defer { side } } }"
    for _ in range(2):
        parts: Any = await schema.stream(query, context_value={"face": "stream", "user": "alice"})
        first, *rest = [part async for part in parts]
        assert first.data == {"square": {"area": 1.0}}
        assert rest[0].incremental[0].data == {"side": 1.0}
