"""What tells the objects apart that a field belongs to: Relay's id, ``id``, or what ``key=`` names."""

from collections.abc import Callable
from typing import Any, TypeAlias

from graphql import GraphQLObjectType
from strawberry.relay import Node
from strawberry.types.base import StrawberryObjectDefinition

from strawberry_response_cache.graphql._entities import identity_attribute, identity_of
from strawberry_response_cache.graphql._hints import ParentKey

_BACKREF = "strawberry-definition"

ParentIdentity: TypeAlias = Callable[[Any], object]
"""Returns what tells an object apart, as JSON or a UUID; None if nothing does. It may raise."""


def parent_identity(
    parent: GraphQLObjectType, key: ParentKey | None, *, is_root: bool
) -> ParentIdentity | None:
    """Return what tells the objects of a type apart.

    Args:
        parent: The type.
        key: What ``cache_control(key=...)`` says.
        is_root: Whether it is the query type, of which there is one object.
    """
    if callable(key):
        return key
    if key is not None:
        return _Attribute(key)
    if is_root or not _has_id(parent):
        return None
    attribute = identity_attribute(parent)
    return lambda source: identity_of(source, attribute)


class _Attribute:
    """Reads an attribute of an object, or an item of a mapping."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, source: Any) -> object:  # noqa: ANN401 - whatever resolvers return
        return source[self._name] if isinstance(source, dict) else getattr(source, self._name)


def _has_id(parent: GraphQLObjectType) -> bool:
    definition = parent.extensions.get(_BACKREF)
    origin = getattr(definition, "origin", None)
    if isinstance(origin, type) and issubclass(origin, Node):
        return True
    return isinstance(definition, StrawberryObjectDefinition) and "id" in parent.fields
