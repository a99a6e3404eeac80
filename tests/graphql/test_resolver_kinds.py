"""Where the value of a field comes from: an attribute, a resolver, or code that may decide per request."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import strawberry
from graphql import GraphQLField, GraphQLString, is_abstract_type
from strawberry import relay
from strawberry.extensions.field_extension import FieldExtension, SyncToAsyncExtension
from strawberry.field_extensions import InputMutationExtension
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.relay.fields import ConnectionExtension, NodeExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql._compat.private_names import executable_of
from strawberry_response_cache.graphql.policy.resolver_kind import ResolverKind, ResolverKinds

ATTRIBUTE, RESOLVER, CUSTOM = ResolverKind.ATTRIBUTE, ResolverKind.RESOLVER, ResolverKind.CUSTOM


def kinds_of(schema: strawberry.Schema, *trusted: object) -> ResolverKinds:
    executable = executable_of(schema)
    return ResolverKinds(
        lambda named: executable.get_possible_types(named) if is_abstract_type(named) else [],
        trusted=frozenset(trusted),
        info_class=schema.config.info_class,
        exception_handlers=getattr(schema, "exception_handlers", ()),
    )


def kind_of(schema: strawberry.Schema, coordinate: str, *trusted: object) -> ResolverKind:
    parent: Any = executable_of(schema).type_map[coordinate.partition(".")[0]]
    field = parent.fields[coordinate.partition(".")[2]]
    return kinds_of(schema, *trusted).of(parent, field, definition_of(field))


def field_of(schema: strawberry.Schema, name: str) -> GraphQLField:
    query = executable_of(schema).query_type
    assert query is not None
    found: GraphQLField = query.fields[name]
    return found


def has_plain_id(schema: strawberry.Schema, name: str) -> bool:
    parent: Any = executable_of(schema).type_map[name]
    return kinds_of(schema).has_plain_id(parent)


def one() -> str:
    return "one"


class Anybody(BasePermission):
    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return True


class Own(FieldExtension):
    def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        return next_(source, info, **arguments)


class OwnLater(FieldExtension):
    async def resolve_async(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        return await next_(source, info, **arguments)


def of_field(field: Any, **options: Any) -> strawberry.Schema:
    """Return a schema with this field `Query.x`."""
    return strawberry.Schema(strawberry.type(type("Query", (), {"x": field})), **options)


def test_a_field_reads_an_attribute_unless_it_has_a_resolver() -> None:
    @strawberry.type
    class Query:
        plain: str
        guarded: str = strawberry.field(permission_classes=[Anybody])
        made: str = strawberry.field(resolver=one)

    def read(source: Any, name: str) -> Any:
        return getattr(source, name)

    schema = strawberry.Schema(Query)
    expected = {"plain": ATTRIBUTE, "guarded": ATTRIBUTE, "made": RESOLVER}
    assert {name: kind_of(schema, f"Query.{name}") for name in expected} == expected
    by_item = strawberry.Schema(Query, config=StrawberryConfig(default_resolver=operator.getitem))
    assert {name: kind_of(by_item, f"Query.{name}") for name in expected} == expected
    by_code = strawberry.Schema(Query, config=StrawberryConfig(default_resolver=read))
    assert {kind_of(by_code, f"Query.{name}") for name in expected} == {RESOLVER}


KNOWN: list[Callable[[], FieldExtension]] = [
    ConnectionExtension,
    InputMutationExtension,
    NodeExtension,
    lambda: PermissionExtension([Anybody()]),
    SyncToAsyncExtension,
]


@pytest.mark.combined
@pytest.mark.parametrize("make", KNOWN)
def test_strawberrys_own_field_extensions_are_no_custom_code_but_their_subclasses_are(
    make: Callable[[], FieldExtension],
) -> None:
    schema = of_field(strawberry.field(resolver=one))
    field: Any = definition_of(field_of(schema, "x"))
    extension = make()
    field.extensions = [extension]
    assert kind_of(schema, "Query.x") is RESOLVER
    for hook in ("resolve", "resolve_async"):
        vars(extension)[hook] = one
        assert kind_of(schema, "Query.x") is CUSTOM, "of this one object"
        del vars(extension)[hook]
    further = type("Further", (type(extension),), {})
    field.extensions = [object.__new__(further)]
    assert kind_of(schema, "Query.x") is CUSTOM
    assert kind_of(schema, "Query.x", further) is RESOLVER


@pytest.mark.combined
@pytest.mark.parametrize("kind", [Own, OwnLater])
def test_an_extension_of_the_users_own_is_custom_code_unless_it_is_trusted(kind: type) -> None:
    for extensions in ([kind()], [PermissionExtension([Anybody()]), kind()]):
        schema = of_field(strawberry.field(resolver=one, extensions=extensions))
        assert kind_of(schema, "Query.x") is CUSTOM
        assert kind_of(schema, "Query.x", kind) is RESOLVER


@dataclass
class Away:
    id: int = 1


def shown_as(*, on_interface: str = "", on_type: str = "", without: str = "") -> strawberry.Schema:
    """Return a schema with fields of an interface, a union and a type, whose type is picked by code."""

    def pick(cls: Any, *_: Any) -> Any:
        raise AssertionError

    hook = classmethod(pick)

    def body(name: str) -> dict[str, Any]:
        return {"__annotations__": {"id": int}} | ({name: hook} if name else {})

    node: Any = strawberry.interface(type("Named", (), body(on_interface)))
    entry: Any = strawberry.type(
        type("Entry", (node,), body(on_type) | ({without: None} if without else {}))
    )
    other: Any = strawberry.type(type("Other", (), {"__annotations__": {"id": int}}))
    union = Annotated[entry | other, strawberry.union("Either")]
    fields = {"named": node, "either": union, "entry": entry, "other": other, "id": int}
    query = strawberry.type(type("Query", (), {"__annotations__": fields}))
    return strawberry.Schema(query, types=[entry, other])


@pytest.mark.combined
@pytest.mark.parametrize(
    ("picked", "resolved"),
    [
        ({}, []),
        ({"on_interface": "resolve_type"}, ["either", "named"]),
        ({"on_interface": "resolve_type", "without": "resolve_type"}, ["named"]),
        ({"on_type": "is_type_of"}, ["either", "named"]),
    ],
)
def test_a_field_whose_concrete_type_is_picked_by_code_counts_as_one_with_a_resolver(
    picked: dict[str, str], resolved: list[str]
) -> None:
    schema = shown_as(**picked)
    names = ("either", "entry", "id", "named", "other")
    found = {name: kind_of(schema, f"Query.{name}") for name in names}
    assert [name for name, kind in found.items() if kind is RESOLVER] == resolved
    assert {kind for name, kind in found.items() if name not in resolved} == {ATTRIBUTE}


def test_an_exception_handler_makes_fields_of_its_union_custom_code_unless_it_is_trusted() -> None:
    @strawberry.type
    class Item:
        id: int

    @strawberry.type
    class Gone:
        message: str

    class Handler(strawberry.ExceptionHandler[KeyError, Gone]):
        def handle(self, exception: KeyError, *, field: Any, info: Any) -> Gone:
            return Gone(message="gone")

    class Further(Handler):
        pass

    @strawberry.type
    class Query:
        either: Annotated[Item | Gone, strawberry.union("Either")]
        item: Item

    def asked(*handlers: Any, trusted: tuple[object, ...] = ()) -> list[ResolverKind]:
        schema = strawberry.Schema(Query, exception_handlers=[each() for each in handlers])
        return [kind_of(schema, f"Query.{name}", *trusted) for name in ("either", "item")]

    assert asked() == [ATTRIBUTE, ATTRIBUTE]
    assert asked(Handler) == [CUSTOM, ATTRIBUTE]
    assert asked(Handler, trusted=(Handler,)) == [ATTRIBUTE, ATTRIBUTE]
    assert asked(Further, trusted=(Handler,)) == [CUSTOM, ATTRIBUTE]
    assert asked(Handler, Further, trusted=(Handler,)) == [CUSTOM, ATTRIBUTE]


def test_a_class_of_resolvers_or_of_infos_is_custom_code_unless_it_is_trusted() -> None:
    class Resolver(StrawberryResolver[Any]):
        pass

    class OwnInfo(strawberry.Info):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)

    class Titled(strawberry.Info):
        title = "plain"

    def with_info(info: strawberry.Info) -> str:
        return info.field_name

    schema = of_field(StrawberryField(python_name="x", base_resolver=Resolver(one)))
    assert kind_of(schema, "Query.x") is CUSTOM
    assert kind_of(schema, "Query.x", Resolver) is RESOLVER
    for config, expected in ((OwnInfo, CUSTOM), (Titled, RESOLVER)):
        schema = of_field(
            strawberry.field(resolver=with_info), config=StrawberryConfig(info_class=config)
        )
        assert kind_of(schema, "Query.x") is expected
        assert kind_of(schema, "Query.x", config) is RESOLVER
    schema = of_field(
        strawberry.field(graphql_type=str), config=StrawberryConfig(info_class=OwnInfo)
    )
    assert kind_of(schema, "Query.x") is ATTRIBUTE, "no info is made for it"


def test_resolvers_set_on_the_executable_schema_are_custom_code() -> None:
    schema = of_field(strawberry.field(resolver=one))
    query = executable_of(schema).query_type
    assert query is not None
    query.fields["y"] = GraphQLField(GraphQLString, resolve=lambda *_: "y")
    assert kind_of(schema, "Query.y") is CUSTOM
    assert kind_of(schema, "Query.x") is RESOLVER
    query.fields["x"].resolve = lambda *_: "x"
    assert kind_of(schema, "Query.x") is CUSTOM


def test_a_field_class_with_its_own_get_result_counts_as_a_resolver() -> None:
    class Getting(StrawberryField):
        def get_result(self, source: Any, *_: Any, **__: Any) -> Any:
            return "got"

    @strawberry.type
    class Query:
        own: str = Getting(python_name="own")  # type: ignore[assignment] # as strawberry.field does

    assert kind_of(strawberry.Schema(Query), "Query.own") is RESOLVER


@strawberry.type
class Book(relay.Node):
    code: relay.NodeID[str]
    made: str = strawberry.field(resolver=one)


@strawberry.type
class Found(relay.Node):
    code: str

    @classmethod
    def resolve_id(cls, root: Any, *, info: Any) -> str:
        return f"{info.context} {root.code}"


@strawberry.type
class Row:
    id: int


@strawberry.type
class Counted:
    @strawberry.field
    def id(self) -> int:
        return 1


@strawberry.type
class Nameless:
    name: str


@strawberry.federation.type(keys=["upc"])
class Product:
    upc: str


def test_the_id_of_a_node_is_an_attribute_unless_code_of_the_users_own_finds_it() -> None:
    @strawberry.type
    class Query:
        book: Book
        found: Found

    schema = strawberry.Schema(Query)
    assert kind_of(schema, "Book.id") is ATTRIBUTE
    assert kind_of(schema, "Book.made") is RESOLVER
    assert kind_of(schema, "Found.id") is RESOLVER


@pytest.mark.combined
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Book, True),
        (Found, False),
        (Row, True),
        (Counted, False),
        (Nameless, False),
        (Product, True),
    ],
)
def test_only_an_id_that_is_a_plain_attribute_identifies_objects(
    kind: Any, *, expected: bool
) -> None:
    query = strawberry.type(type("Query", (), {"__annotations__": {"x": kind}}))
    schema = strawberry.federation.Schema(query)
    assert has_plain_id(schema, kind.__name__) is expected


def test_custom_code_is_reported_with_the_class_to_trust() -> None:
    schema = of_field(strawberry.field(resolver=one, extensions=[Own()]))
    field = field_of(schema, "x")
    code = kinds_of(schema).custom_code(field, definition_of(field))
    assert code == (f"the field extension {__name__}.Own", "Own")
    assert kinds_of(schema).custom_code(field, None) == ("code that is not Strawberry's", None)
    assert kinds_of(schema, Own).custom_code(field, definition_of(field)) is None
