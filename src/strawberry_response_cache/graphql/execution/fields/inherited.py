"""What a field with an entry of its own inherits from resolvers and objects above it.

What it inherits from annotations is part of its plan, see `Above`.
"""

from typing import Final, NamedTuple

from graphql import GraphQLObjectType
from graphql.pyutils import Path

from strawberry_response_cache.graphql._compat.definitions import identity_name
from strawberry_response_cache.graphql.annotations.field_path import (
    FieldPath,
    fields_above,
    nearest_above,
)
from strawberry_response_cache.graphql.keys.object_identity import identity_field, identity_of
from strawberry_response_cache.graphql.policy.above import NOTHING_ABOVE, Above
from strawberry_response_cache.graphql.policy.reasons import Reason


def known_above(path: Path) -> Above | None:
    """Return what a path inherits from the annotations of the fields above it; None if not known."""
    nearest = nearest_above(path)
    if nearest is None:
        return NOTHING_ABOVE
    known: Above | None = nearest.above if isinstance(nearest, FieldPath) else None
    return known


class SaidAbove(NamedTuple):
    """The restrictions of resolvers above a field.

    Attributes:
        reason: Why the field's entry is neither read nor stored; None if it may be.
        private: Whether it is PRIVATE.
        tags: Its further tags.
    """

    reason: Reason | None
    private: bool
    tags: frozenset[str]


NOTHING_SAID: Final = SaidAbove(None, private=False, tags=frozenset())


def said_above(path: Path) -> SaidAbove:
    """Return the restrictions that resolvers above a path have made so far."""
    noted: list[FieldPath] | None = None
    of_items: list[str] = []
    below, above = path, path.prev
    while above is not None:  # called for each entry of a level, so it has to be fast
        if isinstance(above, FieldPath) and above.is_noted:
            noted = [*(noted or ()), above]
            if above.said_of_items and (said := _said_of_item(above, below.key)):
                of_items.append(said)
        below, above = above, above.prev
    if noted is None:
        return NOTHING_SAID
    return SaidAbove(
        _why_without(noted),
        any(each.private for each in noted),
        frozenset(of_items).union(*(each.tags for each in noted)),
    )


def _why_without(noted: list[FieldPath]) -> Reason | None:
    if any(each.is_skipped for each in noted):
        return Reason.RESTRICTED
    if any(each.is_open for each in noted):
        return Reason.UNFINISHED_LIST
    return Reason.TAG_UNFILLED if any(each.is_unfilled for each in noted) else None


def _said_of_item(path: FieldPath, index: str | int) -> str:
    """Return the tag that a list's field notes for one of its items; empty if there is none."""
    return path.said_of_items[index] if isinstance(index, int) else ""


def tags_of_owner(kind: GraphQLObjectType, source: object, path: Path) -> frozenset[str]:
    """Return the tags of the objects above a field, up to the nearest with an identity.

    An object that only ``key=`` identifies changes with the objects that own it. The tags include their
    types, because a mutation that does not know which object changed invalidates its type.

    Args:
        kind: The parent type.
        source: The parent object; if it has an identity, the result is empty.
        path: The path of the field.
    """
    if _identity(kind, source) is not None:
        return frozenset()
    tags: set[str] = set()
    for above in fields_above(path):
        if above.prev is None:  # the root object
            break
        name = above.parent.name
        tags.add(name)
        if (identity := _identity(above.parent, above.source)) is not None:
            tags.add(f"{name}:{identity}")
            break
    return frozenset(tags)


def _identity(kind: GraphQLObjectType, source: object) -> str | None:
    """Return the identity of an object; None if its type has no id field: the id of a row may be another one."""
    is_known = identity_name(kind) in kind.fields
    return identity_of(source, identity_field(kind)) if is_known else None
