"""The path of a field in the response, with what the fields below it inherit.

A field with an entry of its own inherits from the fields above it. They are found through the response path,
which graphql-core passes from a field to the fields below it. Resolvers, and so `restrict_cache`, find it in
their `info`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from graphql import GraphQLObjectType
from graphql.pyutils import Path


class FieldPath(Path):
    """The path of a field with fields below it. It equals graphql-core's own path and replaces it.

    Attributes:
        parent: The parent type of the field.
        source: The parent object.
        above: What the fields below inherit from the annotations of this field and of the fields above it;
            None if that is not known, and then no field below has an entry of its own.
        is_noted: Whether any of the following attributes was set.
        private: Whether its resolver made the response PRIVATE.
        is_skipped: Whether its resolver called `skip_cache` or ``restrict_cache(ttl=0)``.
        is_unfilled: Whether a placeholder of its tags could not be filled.
        is_open: Whether its resolver is still running while its first items are completed.
        tags: The tags that its resolver added, and its filled tags with placeholders.
        said_of_items: One tag for each item of the list that it returns; only the fields below an item inherit
            its tag. Empty if there are no tags.
    """

    # Not in `__init__`, because each object of a response needs one.
    parent: GraphQLObjectType
    source: object
    above: Any = None
    is_noted: bool = False
    private: bool = False
    is_skipped: bool = False
    is_unfilled: bool = False
    is_open: bool = False
    tags: frozenset[str] = frozenset()
    said_of_items: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, parent: GraphQLObjectType, source: object) -> "FieldPath":
        """Return the same path with attributes that can be set."""
        made = cls(*path)
        made.parent, made.source = parent, source
        return made

    def add_tags(self, tags: Iterable[str]) -> None:
        """Add to the tags that the fields below inherit."""
        self.is_noted = True
        self.tags |= frozenset(tags)

    def say_of_items(self, tags: tuple[str, ...]) -> None:
        """Note one tag for each item of the list that the field returns, in the order of the items."""
        if any(tags):
            self.is_noted, self.said_of_items = True, tags

    def note_unfilled(self) -> None:
        """Note that a placeholder of the field's tags could not be filled."""
        self.is_noted = self.is_unfilled = True


def note_open(path: object) -> None:
    """Note that the resolver of a field is still running, and may restrict items that it has yielded."""
    if isinstance(path, FieldPath):
        path.is_noted = path.is_open = True


def fields_above(path: Path) -> Iterator[FieldPath]:
    """Yield the paths of the fields above a path, nearest first."""
    above = path.prev
    while above is not None:
        if isinstance(above, FieldPath):
            yield above
        above = above.prev


def nearest_above(path: Path) -> Path | None:
    """Return the path of the field directly above a path."""
    above = path.prev
    while above is not None and isinstance(above.key, int):  # an index in a list
        above = above.prev
    return above


def restrict_below(path: object, *, skip: bool, private: bool, tags: Iterable[str]) -> None:
    """Note on the path of a field that its resolver restricted the cache, for everything below the field."""
    if isinstance(path, FieldPath):
        path.is_skipped = path.is_skipped or skip
        path.private = path.private or private
        path.add_tags(tags)
