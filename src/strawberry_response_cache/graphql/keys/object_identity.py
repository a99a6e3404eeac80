"""The identity of an object: Relay's id, its ``id``, or the ``key=`` of a hint."""

from collections.abc import Callable
from typing import Any, TypeAlias

from graphql import GraphQLObjectType
from strawberry.relay import Node
from strawberry.relay.exceptions import NodeIDAnnotationError
from strawberry.types.base import StrawberryObjectDefinition

from strawberry_response_cache.core._keys import plain_identity
from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql.annotations.hints import ParentKey

ParentIdentity: TypeAlias = Callable[[Any], object]
"""Returns the identity of an object as JSON or a UUID; None if it has none. It may raise."""


def parent_identity(
    parent: GraphQLObjectType, key: ParentKey | None, *, has_plain_id: bool
) -> ParentIdentity | None:
    """Return the function that identifies the objects of a type.

    Args:
        parent: The type.
        key: The ``key`` of ``cache_control``.
        has_plain_id: Whether the ``id`` of the objects is an attribute.
    """
    if callable(key):
        return key
    if key is not None:
        return _Attribute(key)
    if not has_plain_id:
        return None
    attribute = identity_attribute(parent)
    return lambda source: identity_of(source, attribute)


class _Attribute:
    """Reads an attribute of an object or an item of a mapping."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, source: Any) -> object:  # noqa: ANN401 - whatever resolvers return
        return source[self._name] if isinstance(source, dict) else getattr(source, self._name)


def identity_attribute(kind: GraphQLObjectType) -> str:
    """Return the name of the attribute that identifies objects of a type: Relay's, or ``id``."""
    definition = definition_of(kind)
    if not isinstance(definition, StrawberryObjectDefinition):
        return "id"
    origin = definition.origin
    if isinstance(origin, type) and issubclass(origin, Node):
        try:
            return origin.resolve_id_attr()
        except NodeIDAnnotationError:
            return "id"  # it computes its id with its own code
    for each in definition.fields:
        if (each.graphql_name or each.python_name) == "id":
            return each.python_name
    return "id"


def identity_of(source: object, attribute: str) -> str | None:
    """Return the identity of an object as text; None if it has none, for example before it is saved."""
    try:
        value: Any = getattr(source, attribute, None)
        if value is None and isinstance(source, dict):
            value = source.get(attribute)
        return plain_identity(value) or None
    except Exception:  # noqa: BLE001 - an object of the user's own class, which may do anything
        return None
