"""What tells the objects apart that a field belongs to: Relay's id, ``id``, or what ``key=`` names."""

from collections.abc import Callable
from typing import Any, TypeAlias

from graphql import GraphQLObjectType

from strawberry_response_cache.graphql._entities import identity_attribute, identity_of
from strawberry_response_cache.graphql._hints import ParentKey

ParentIdentity: TypeAlias = Callable[[Any], object]
"""Returns what tells an object apart, as JSON or a UUID; None if nothing does. It may raise."""


def parent_identity(
    parent: GraphQLObjectType, key: ParentKey | None, *, has_plain_id: bool
) -> ParentIdentity | None:
    """Return what tells the objects of a type apart.

    Args:
        parent: The type.
        key: What ``cache_control(key=...)`` says.
        has_plain_id: Whether an attribute tells them apart as their ``id`` does.
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
    """Reads an attribute of an object, or an item of a mapping."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, source: Any) -> object:  # noqa: ANN401 - whatever resolvers return
        return source[self._name] if isinstance(source, dict) else getattr(source, self._name)
