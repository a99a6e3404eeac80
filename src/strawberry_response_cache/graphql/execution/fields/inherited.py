"""What a field with an entry of its own inherits while an operation runs, from the fields above it.

What their annotations say is part of its plan, see `Above`.
"""

from typing import Final, NamedTuple

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


_NOTHING_SAID: Final = SaidAbove(None, private=False, tags=frozenset())


def said_above(path: Path) -> SaidAbove:
    """Return what resolvers said above a path, until now."""
    noted: list[FieldPath] | None = None
    above = path.prev
    while above is not None:  # for each entry of a level, so it is written to be short
        if isinstance(above, FieldPath) and above.is_noted:
            noted = [*(noted or ()), above]
        above = above.prev
    if noted is None:
        return _NOTHING_SAID
    unfilled = Reason.TAG_UNFILLED if any(each.is_unfilled for each in noted) else None
    return SaidAbove(
        Reason.RESTRICTED if any(each.is_skipped or each.is_open for each in noted) else unfilled,
        any(each.private for each in noted),
        frozenset().union(*(each.tags for each in noted)),
    )


def tags_of_owner(kind: GraphQLObjectType, source: object, path: Path) -> frozenset[str]:
    """Return the tags of the objects above a field, up to the nearest that has an identity of its own.

    An object that only `key=` tells apart changes with the objects that own it. Their types are among the
    tags: a mutation that cannot say which object changed invalidates its type.

    Args:
        kind: The type of the object that the field belongs to.
        source: That object; one that has an identity stands for itself.
        path: Where the field stands.
    """
    if _identity(kind, source) is not None:
        return frozenset()
    tags: set[str] = set()
    for above in fields_above(path):
        if above.prev is None:  # what stands there is the root
            break
        name = above.parent.name
        tags.add(name)
        if (identity := _identity(above.parent, above.source)) is not None:
            tags.add(f"{name}:{identity}")
            break
    return frozenset(tags)


def _identity(kind: GraphQLObjectType, source: object) -> str | None:
    """Return the identity that a type shows; a row may have an id that is not that of the object."""
    return identity_of(source, identity_attribute(kind)) if "id" in kind.fields else None
