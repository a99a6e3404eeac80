"""The identity of an object: Relay's id, its ``id``, or the ``key=`` of a hint."""

from collections.abc import Callable, Mapping
from operator import getitem
from typing import Any, NamedTuple, TypeAlias

from graphql import GraphQLObjectType
from strawberry.relay import Node
from strawberry.relay.exceptions import NodeIDAnnotationError
from strawberry.types.base import StrawberryObjectDefinition

from strawberry_response_cache.core._user_values import plain_identity
from strawberry_response_cache.graphql._compat.definitions import definition_of, identity_name
from strawberry_response_cache.graphql.annotations.hints import ParentKey

ParentIdentity: TypeAlias = Callable[[Any], object]
"""Returns the identity of an object as JSON or a UUID; None if it has none. It may raise."""


def parent_identity(
    parent: GraphQLObjectType, key: ParentKey | None, *, has_plain_id: bool
) -> ParentIdentity | None:
    """Return the function that identifies the objects of a type; None if nothing does.

    Args:
        parent: The type.
        key: The ``key`` of ``cache_control``.
        has_plain_id: Whether the ``id`` of the objects is an attribute.
    """
    if callable(key):
        return key
    if key is not None:
        return _Attribute(key, of_items=_reads_items(parent))
    if not has_plain_id:
        return None
    field = identity_field(parent)
    return lambda source: identity_of(source, field)


class _Attribute:
    """Reads an attribute of an object or an item of a mapping."""

    def __init__(self, name: str, *, of_items: bool) -> None:
        self._name = name
        self._of_items = of_items

    def __call__(self, source: Any) -> object:  # noqa: ANN401 - whatever resolvers return
        is_item = isinstance(source, Mapping) or (self._of_items and _has_items(source))
        return source[self._name] if is_item else getattr(source, self._name)


class IdentityField(NamedTuple):
    """Where the identity of the objects of a type is read.

    Attributes:
        name: The name of an attribute or an item.
        is_item: Whether the schema reads it as an item, by ``default_resolver=getitem``.
    """

    name: str
    is_item: bool = False


def identity_field(kind: GraphQLObjectType) -> IdentityField:
    """Return where the identity of objects of a type is read: as Relay does, or as `identity_name` says."""
    definition = definition_of(kind)
    if not isinstance(definition, StrawberryObjectDefinition):
        return IdentityField("id")
    origin = definition.origin
    if issubclass(origin, Node):
        try:
            return IdentityField(origin.resolve_id_attr())
        except NodeIDAnnotationError:
            return IdentityField("id")  # it computes its id with its own code
    is_item = _reads_items(kind)
    declared = kind.fields.get(identity_name(kind))
    name = getattr(declared and definition_of(declared), "python_name", "id")
    return IdentityField(name, is_item)


def identity_of(source: Any, field: IdentityField) -> str | None:  # noqa: ANN401 - whatever resolvers return
    """Return the identity of an object as text; None if it has none, for example before it is saved."""
    try:
        if field.is_item and _has_items(source):
            return plain_identity(source[field.name]) or None
        value: Any = getattr(source, field.name, None)
        if value is None and isinstance(source, Mapping):
            value = source.get(field.name)
        return plain_identity(value) or None
    except Exception:  # noqa: BLE001 - an object of the user's own class, which may do anything
        return None


def _reads_items(kind: GraphQLObjectType) -> bool:
    """Whether the schema reads the plain fields of a type as items of mappings."""
    fields = getattr(definition_of(kind), "fields", ())
    return any(each.default_resolver is getitem for each in fields)


def _has_items(source: object) -> bool:
    return hasattr(type(source), "__getitem__")
