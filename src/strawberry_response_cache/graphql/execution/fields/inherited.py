"""What a field with an entry of its own inherits while an operation runs, from the fields above it.

What their annotations say is part of its plan, see `Above`.
"""

from typing import NamedTuple

from graphql import GraphQLObjectType
from graphql.pyutils import Path

from strawberry_response_cache.graphql.annotations.field_path import (
    FieldPath,
    fields_above,
    nearest_above,
)
from strawberry_response_cache.graphql.keys.object_identity import identity_attribute, identity_of
from strawberry_response_cache.graphql.policy.above import NOTHING_ABOVE, Above
from strawberry_response_cache.graphql.policy.reasons import Reason


def known_above(path: Path) -> Above | None:
    """Return what the annotations of the fields above a path hand down; None where that is not known."""
    nearest = nearest_above(path)
    if nearest is None:
        return NOTHING_ABOVE
    known: Above | None = nearest.above if isinstance(nearest, FieldPath) else None
    return known


class SaidAbove(NamedTuple):
    """What resolvers said above a field.

    Attributes:
        reason: Why the field is neither read nor stored.
        private: Whether it is of one session.
        tags: By which it is invalidated.
    """

    reason: Reason | None
    private: bool
    tags: frozenset[str]


def said_above(path: Path) -> SaidAbove:
    """Return what resolvers said above a path, until now."""
    reason, private, tags = None, False, frozenset[str]()
    for above in fields_above(path):
        if above.is_skipped:
            reason = Reason.RESTRICTED
        elif above.is_unfilled:
            reason = reason or Reason.TAG_UNFILLED
        private = private or above.private
        if above.tags:
            tags |= above.tags
    return SaidAbove(reason, private, tags)


def tags_of_owner(kind: GraphQLObjectType, source: object, path: Path) -> frozenset[str]:
    """Return the tags of the nearest object above a field that has an identity of its own.

    An object that only `key=` tells apart changes with the object that owns it.

    Args:
        kind: The type of the object that the field belongs to.
        source: That object; one that has an identity stands for itself.
        path: Where the field stands.
    """
    if _identity(kind, source) is not None:
        return frozenset()
    for above in fields_above(path):
        if above.prev is not None and (identity := _identity(above.parent, above.source)):
            # The type alone is invalidated by what cannot say which of its objects changed.
            name = above.parent.name
            return frozenset({f"{name}:{identity}", name})
    return frozenset()


def _identity(kind: GraphQLObjectType, source: object) -> str | None:
    return identity_of(source, identity_attribute(kind)) or None
