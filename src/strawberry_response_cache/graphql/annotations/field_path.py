"""Where a field stands in a response, and what was said there of everything below it.

A field that has an entry of its own inherits from the fields above it. They are found by the response
path, which graphql-core hands from a field to the fields below it: a resolver, and thereby
`restrict_cache`, finds it in its `info`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from graphql import GraphQLObjectType
from graphql.pyutils import Path


class FieldPath(Path):
    """The path of a field that selects fields below it.

    It equals graphql-core's own path, and takes its place.

    Attributes:
        parent: The type of the object that the field belongs to.
        source: That object.
        above: What the annotations of this field and of those above it hand down; None where that is
            not known, and nothing below has an entry of its own.
        is_noted: Whether anything of what follows was noted.
        private: Whether its resolver restricted the response to one session.
        is_skipped: Whether its resolver said that the response is not to be stored.
        is_unfilled: Whether a tag of it could not be filled.
        is_open: Whether its resolver goes on while what it yielded is completed.
        tags: The tags that its resolver named, and its tags with placeholders, filled.
    """

    # Not in `__init__`, since each object of a response takes one.
    parent: GraphQLObjectType
    source: object
    above: Any = None
    is_noted: bool = False
    private: bool = False
    is_skipped: bool = False
    is_unfilled: bool = False
    is_open: bool = False
    tags: frozenset[str] = frozenset()

    @classmethod
    def of(cls, path: Path, parent: GraphQLObjectType, source: object) -> "FieldPath":
        """Return the same path, which can be noted on."""
        made = cls(*path)
        made.parent, made.source = parent, source
        return made

    def add_tags(self, tags: Iterable[str]) -> None:
        """Note tags."""
        self.is_noted = True
        self.tags |= frozenset(tags)

    def note_unfilled(self) -> None:
        """Note that a tag could not be filled."""
        self.is_noted = self.is_unfilled = True


def note_open(path: object) -> None:
    """Note that the resolver of a field goes on, and may still restrict what it has yielded."""
    if isinstance(path, FieldPath):
        path.is_noted = path.is_open = True


def fields_above(path: Path) -> Iterator[FieldPath]:
    """Yield the paths of the fields above a path, the nearest first."""
    above = path.prev
    while above is not None:
        if isinstance(above, FieldPath):
            yield above
        above = above.prev


def nearest_above(path: Path) -> Path | None:
    """Return the path of the field right above a path, whether it can be noted on or not."""
    above = path.prev
    while above is not None and isinstance(above.key, int):  # a place in a list
        above = above.prev
    return above


def restrict_below(path: object, *, skip: bool, private: bool, tags: Iterable[str]) -> None:
    """Note what a resolver said of the response; it counts for all that is below its field."""
    if isinstance(path, FieldPath):
        path.is_skipped = path.is_skipped or skip
        path.private = path.private or private
        path.add_tags(tags)
