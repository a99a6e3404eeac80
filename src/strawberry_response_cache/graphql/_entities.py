"""Which objects a result holds: by these a purge of one object reaches it."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from graphql import GraphQLObjectType
from strawberry.relay import Node
from strawberry.relay.exceptions import NodeIDAnnotationError
from strawberry.types.base import StrawberryObjectDefinition

from strawberry_response_cache.core._keys import EVERYTHING_TAGGED, plain_identity
from strawberry_response_cache.graphql._definitions import definition_of

MOST_NAMED: Final = 100
"""Objects that a response names one by one: each is compared on every lookup, by the server."""
_MOST_TYPES: Final = 100
MOST_PURGED: Final = 1_000
"""Objects that a mutation purges one by one."""


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
        families = self._attributes if self._left < 0 else self._nameless
        tags = {f"{name}:*" for name in families}
        return tags if self._left < 0 else tags | set(self._named())

    def tags_to_purge(self) -> set[str]:
        """Return what a mutation changed: ``Type:id``, and the whole ``Type`` where none is known.

        Where they are too many for one command, it is the whole types as well.
        """
        return {*self.types} if self._left < 0 else set(self._named()) | self._nameless

    def _named(self) -> Iterator[str]:
        for name, identities in self._identities.items():
            for identity in identities:
                yield f"{name}:{identity}"


def tags_of_types(type_tags: set[str]) -> set[str]:
    """Return the tags of the types that can stand in a response, or the one that stands for all."""
    return type_tags if len(type_tags) <= _MOST_TYPES else {EVERYTHING_TAGGED}


def identity_attribute(kind: GraphQLObjectType) -> str:
    """Return the name of the attribute that identifies an object of a type: Relay's, or ``id``."""
    definition = definition_of(kind)
    if not isinstance(definition, StrawberryObjectDefinition):
        return "id"
    origin = definition.origin
    if isinstance(origin, type) and issubclass(origin, Node):
        try:
            return origin.resolve_id_attr()
        except NodeIDAnnotationError:
            return "id"  # it makes its id by code of its own
    for each in definition.fields:
        if (each.graphql_name or each.python_name) == "id":
            return each.python_name
    return "id"


def identity_of(source: object, attribute: str) -> str | None:
    """Return what identifies an object, as text; None if nothing does."""
    try:
        value: Any = getattr(source, attribute, None)
        if value is None and isinstance(source, dict):
            value = source.get(attribute)
        return plain_identity(value)
    except Exception:  # noqa: BLE001 - an object of the user's own class, which may do anything
        return None
