"""The identity of objects: where it is read, and which objects have none."""

import sqlite3
from contextlib import closing
from dataclasses import make_dataclass
from operator import getitem
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
import strawberry
from graphql import GraphQLField, GraphQLID, GraphQLObjectType
from strawberry import relay
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache.graphql.keys.object_identity import (
    IdentityField,
    identity_field,
    identity_of,
    parent_identity,
)


@strawberry.type
class Plain:
    id: strawberry.ID


@strawberry.type
class Renamed:
    number: strawberry.ID = strawberry.field(name="id")
    id: strawberry.Private[str] = ""


@strawberry.type
class Without:
    name: str


@strawberry.type
class Noted(relay.Node):
    key: relay.NodeID[int]


@strawberry.type
class Computed(relay.Node):
    name: str

    @classmethod
    def resolve_id(cls, root: Any, *, info: strawberry.Info) -> str:
        return str(root.name)


@strawberry.type
class Query:
    plain: Plain | None = None
    renamed: Renamed | None = None
    without: Without | None = None
    noted: Noted | None = None
    computed: Computed | None = None


def kind(name: str, resolver: Any = getattr) -> GraphQLObjectType:
    """A type of the schema, as graphql-core knows it."""
    schema = strawberry.Schema(Query, config=StrawberryConfig(default_resolver=resolver))
    found = schema._schema.type_map[name]
    assert isinstance(found, GraphQLObjectType)
    return found


FIELDS = {
    "Plain": "id",
    "Renamed": "number",
    "Without": "id",
    "Noted": "key",
    "Computed": "id",
}


@pytest.mark.combined  # each kind of type by itself
@pytest.mark.parametrize("resolver", [getattr, getitem])
@pytest.mark.parametrize("name", FIELDS)
def test_an_identity_is_read_from_the_attribute_or_item_that_graphql_reads_as_id(
    name: str, resolver: Any
) -> None:
    is_item = resolver is getitem and not issubclass(globals()[name], relay.Node)
    assert identity_field(kind(name, resolver)) == IdentityField(FIELDS[name], is_item)


def test_a_type_that_strawberry_did_not_make_has_its_id() -> None:
    made = GraphQLObjectType("Made", {"id": GraphQLField(GraphQLID)})
    assert identity_field(made) == IdentityField("id", is_item=False)


def of_sqlite(**values: Any) -> Any:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        named = ", ".join(f"? as {name}" for name in values)
        return connection.execute(f"select {named}", tuple(values.values())).fetchone()


def of_class(**values: Any) -> Any:
    return make_dataclass("Item", values)(**values)


class Labelled(dict[str, Any]):
    """A mapping whose attribute says something else."""

    id = "an attribute"


class Raising:
    @property
    def id(self) -> Any:
        raise RuntimeError


class Client:
    """An object with a method that a mapping has as well."""

    def get(self, name: str) -> str:
        return f"http://example/{name}"


UNIQUE = UUID("12345678123456781234567812345678")


@pytest.mark.combined  # each kind of object by itself
@pytest.mark.parametrize(
    ("source", "is_item", "expected"),
    [
        (of_class(id=1), False, "1"),
        (of_class(id="a"), False, "a"),
        (of_class(id=UNIQUE), False, str(UNIQUE)),
        (of_class(id=1), True, "1"),
        ({"id": 1}, False, "1"),
        ({"id": 1}, True, "1"),
        (MappingProxyType({"id": 1}), False, "1"),
        (Labelled(id=1), False, "an attribute"),
        (Labelled(id=1), True, "1"),
        (of_sqlite(id=1), True, "1"),
        (of_sqlite(id=1), False, None),
        (of_class(id=None), False, None),
        (of_class(id=""), False, None),
        (of_class(name=1), False, None),
        ({"id": None}, False, None),
        ({"id": None}, True, None),
        ({"id": ""}, True, None),
        ({}, False, None),
        ({}, True, None),
        (Raising(), False, None),
        (Client(), False, None),
        (None, False, None),
    ],
)
def test_an_object_is_identified_by_its_attribute_or_item(
    source: object, expected: str | None, *, is_item: bool
) -> None:
    assert identity_of(source, IdentityField("id", is_item)) == expected


def test_a_function_identifies_the_objects_of_a_field() -> None:
    assert parent_identity(kind("Plain"), len, has_plain_id=False) is len


@pytest.mark.parametrize("has_plain_id", [True, False])
def test_a_named_attribute_identifies_the_objects_of_a_field(*, has_plain_id: bool) -> None:
    attribute = parent_identity(kind("Plain"), "code", has_plain_id=has_plain_id)
    item = parent_identity(kind("Plain", getitem), "code", has_plain_id=has_plain_id)
    assert attribute is not None
    assert item is not None
    for identity in (attribute, item):
        assert identity(of_class(id=1, code=2)) == 2
        assert identity({"id": 1, "code": 2}) == 2
    assert item(of_sqlite(id=1, code=2)) == 2
    with pytest.raises(AttributeError):
        attribute(of_sqlite(id=1, code=2))


def test_without_a_key_the_plain_id_identifies_the_objects_of_a_field() -> None:
    identity = parent_identity(kind("Renamed"), None, has_plain_id=True)
    assert identity is not None
    assert identity(Renamed(number=strawberry.ID("1"), id="2")) == "1"
    assert parent_identity(kind("Renamed"), None, has_plain_id=False) is None
