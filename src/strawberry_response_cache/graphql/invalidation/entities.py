"""Collects the objects in a result, for the tags of an entry, and for the tags that a mutation invalidates."""

from collections.abc import Iterable, Mapping
from typing import Final

from graphql import GraphQLObjectType
from graphql.pyutils import Path

from strawberry_response_cache.core._families import EVERYTHING_TAGGED, all_of_family
from strawberry_response_cache.graphql.keys.object_identity import (
    IdentityField,
    identity_field,
    identity_of,
)

MOST_NAMED: Final = 100
"""The most objects whose tags a response carries one by one: each lookup compares every tag."""
_MOST_TYPES: Final = 100
MOST_INVALIDATED: Final = 1_000
"""The most objects, and the most tags in all, that a mutation invalidates one by one."""


class Entities:
    """The objects that one execution completed, by type.

    Args:
        most: How many objects are noted one by one; above that, only their types are noted.

    Attributes:
        are_too_many: Whether there are more objects than are noted one by one.
    """

    __slots__ = ("_fields", "_identities", "_left", "_nameless", "are_too_many")

    def __init__(self, most: int = MOST_NAMED) -> None:
        self._left = most
        self.are_too_many = False
        self._identities: dict[str, set[str]] = {}
        self._nameless: set[str] = set()
        self._fields: dict[str, IdentityField] = {}

    def add(self, kind: GraphQLObjectType, source: object, path: Path | None = None) -> None:  # noqa: ARG002 - for subclasses
        """Note a completed object and its type."""
        name = kind.name
        field = self._fields.get(name)
        if field is None:
            field = self._fields[name] = identity_field(kind)
            self._identities[name] = set()
        if self.are_too_many:
            return
        identity = identity_of(source, field)
        if identity is None:
            self._nameless.add(name)
            return
        named = self._identities[name]
        if identity not in named:
            named.add(identity)
            self._left -= 1
            self.are_too_many = self._left < 0

    def assume(self, types: Iterable[str]) -> None:
        """Note that there are objects of all these types, instead of each object."""
        self._fields.update(dict.fromkeys(types, IdentityField("")))

    @property
    def first_type(self) -> str | None:
        """The name of the type of the object that was completed first; None if there is none."""
        return next(iter(self._fields), None)

    @property
    def types(self) -> frozenset[str]:
        """The names of the types of the objects."""
        return frozenset(self._fields)

    def tags_to_find(self) -> set[str]:
        """Return the tags of an entry: ``Type:id``; ``Type:*`` for objects without an id, or if there are too many."""
        # From copies: an invalidation of another thread asks while objects are added.
        if self.are_too_many:
            return {f"{name}:*" for name in [*self._fields]}
        return {f"{name}:*" for name in [*self._nameless]} | self._named()

    def tags_to_invalidate(self) -> set[str]:
        """Return the tags to invalidate: ``Type:id``, and those of the whole type for objects without an id.

        If there are too many objects, the tags of their whole types are returned.
        """
        if self.are_too_many:
            return whole_types(self.types)
        return self._named() | whole_types(self._nameless)

    def _named(self) -> set[str]:
        return {
            f"{name}:{identity}"
            for name, identities in [*self._identities.items()]
            for identity in [*identities]
        }


class PlacedEntities(Entities):
    """The objects of a response, also grouped by the item of a root field's list to which they belong.

    Attributes:
        by_item: The tags of the objects, by the index of the item.
    """

    __slots__ = ("_field", "by_item")

    def __init__(self, field: str) -> None:
        super().__init__()
        self._field = field
        self.by_item: dict[int, set[str]] = {}

    def add(self, kind: GraphQLObjectType, source: object, path: Path | None = None) -> None:
        """Note a completed object, also for the item of the list to which it belongs."""
        super().add(kind, source)
        number = _item_of(path, self._field)
        identity = None if number is None else identity_of(source, self._fields[kind.name])
        if number is not None and identity is not None and not self.are_too_many:
            self.by_item.setdefault(number, set()).add(f"{kind.name}:{identity}")


def _item_of(path: Path | None, field: str) -> int | None:
    """Return the index of the item of a root field's list that a path goes through; None for other paths."""
    number = None
    while path is not None and path.prev is not None:
        number, path = path.key, path.prev
    return number if path is not None and path.key == field and isinstance(number, int) else None


class ChangedEntities(Entities):
    """The objects in a mutation's result, each noted under every type that shows the same database row.

    Args:
        same_rows: See `Setting`.
    """

    __slots__ = ("_same_rows",)

    def __init__(self, same_rows: Mapping[str, tuple[GraphQLObjectType, ...]]) -> None:
        super().__init__(MOST_INVALIDATED)
        self._same_rows = same_rows

    def add(self, kind: GraphQLObjectType, source: object, path: Path | None = None) -> None:
        """Note a completed object, also under the other types that show the same database row."""
        for each in (kind, *self._same_rows.get(kind.name, ())):
            super().add(each, source, path)


def whole_types(names: Iterable[str]) -> set[str]:
    """Return the tags that reach every entry that may hold an object of these types or names one in a tag."""
    return {tag for name in names for tag in all_of_family(name)}


def at_most(tags: set[str]) -> set[str]:
    """Return the tags; if there are more than `MOST_INVALIDATED`, whole types in place of single objects."""
    if len(tags) <= MOST_INVALIDATED:
        return tags
    families = {tag.partition(":")[0] for tag in tags if ":" in tag}
    return {tag for tag in tags if ":" not in tag} | whole_types(families)


def tags_of_types(type_tags: set[str]) -> set[str]:
    """Return the tags of the types that a response can hold; one tag for all types if there are too many."""
    return type_tags if len(type_tags) <= _MOST_TYPES else {EVERYTHING_TAGGED}
