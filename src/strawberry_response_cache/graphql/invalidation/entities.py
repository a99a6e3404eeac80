"""Which objects a result holds: by these an invalidation of one object reaches it."""

from collections.abc import Iterable, Iterator
from typing import Final

from graphql import GraphQLObjectType

from strawberry_response_cache.core._keys import EVERYTHING_TAGGED
from strawberry_response_cache.graphql.keys.object_identity import identity_attribute, identity_of

MOST_NAMED: Final = 100
"""Objects that a response names one by one: each is compared on every lookup, by the server."""
_MOST_TYPES: Final = 100
MOST_PURGED: Final = 1_000
"""Objects that a mutation invalidates one by one."""


class Entities:
    """The objects that were completed in one execution, by type.

    Args:
        most: How many are named one by one; beyond that only their types are noted.
    """

    __slots__ = ("_attributes", "_identities", "_left", "_nameless")

    def __init__(self, most: int = MOST_NAMED) -> None:
        self._left = most
        self._identities: dict[str, set[str]] = {}
        self._nameless: set[str] = set()
        self._attributes: dict[str, str] = {}

    def add(self, kind: GraphQLObjectType, source: object) -> None:
        """Note an object that is completed as a type."""
        name = kind.name
        attribute = self._attributes.get(name)
        if attribute is None:
            attribute = self._attributes[name] = identity_attribute(kind)
            self._identities[name] = set()
        if self._left < 0:
            return
        identity = identity_of(source, attribute)
        if identity is None:
            self._nameless.add(name)
            return
        named = self._identities[name]
        if identity not in named:
            named.add(identity)
            self._left -= 1

    @property
    def are_too_many(self) -> bool:
        """Whether there are more than are named one by one."""
        return self._left < 0

    def assume(self, types: Iterable[str]) -> None:
        """Take it that there are objects of all these types, instead of noting each."""
        self._attributes.update(dict.fromkeys(types, ""))

    @property
    def types(self) -> frozenset[str]:
        """The names of the types."""
        return frozenset(self._attributes)

    def tags_to_find(self) -> set[str]:
        """Return the tags of a response: ``Type:id``, or ``Type:*`` where they are too many to name."""
        # From copies: an invalidation of another thread asks while objects are added.
        families = [*self._attributes] if self._left < 0 else [*self._nameless]
        tags = {f"{name}:*" for name in families}
        return tags if self._left < 0 else tags | set(self._named())

    def tags_to_invalidate(self) -> set[str]:
        """Return what a mutation changed: ``Type:id``, and the whole ``Type`` where none is known.

        Where they are too many for one command, it is the whole types as well.
        """
        return {*self.types} if self._left < 0 else set(self._named()) | self._nameless

    def _named(self) -> Iterator[str]:
        for name, identities in [*self._identities.items()]:
            for identity in [*identities]:
                yield f"{name}:{identity}"


def tags_of_types(type_tags: set[str]) -> set[str]:
    """Return the tags of the types that can stand in a response, or the one that stands for all."""
    return type_tags if len(type_tags) <= _MOST_TYPES else {EVERYTHING_TAGGED}
