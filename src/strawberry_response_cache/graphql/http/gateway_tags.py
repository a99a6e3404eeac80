"""Tags in ``extensions``, by which Apollo Router and Cosmo invalidate what they keep of a subgraph's answers.

``apolloCacheTags`` holds the tags of a whole answer. ``apolloEntityCacheTags`` holds a list for each object of
``_entities``, in their order.

https://www.apollographql.com/docs/graphos/routing/performance/caching/response-caching/invalidation
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

ENTITIES: Final = "_entities"
EXTENSION: Final = "apolloCacheTags"
_OF_ENTITIES: Final = "apolloEntityCacheTags"
_ALL: Final = "="
_LONGEST: Final = 8_000
"""The most bytes of this that are stored with an entry."""


def packed_entities(
    tags: Sequence[str], data: Mapping[str, Any], by_item: Mapping[int, AbstractSet[str]]
) -> str:
    """Return which tags each object of ``_entities`` has, as it is stored with an entry.

    An object has each tag of the answer, except the tags of objects that are only below other items.

    Args:
        tags: The tags of the answer.
        data: Its data.
        by_item: The tags of the objects that are below one item only, by the index of the item.

    Returns:
        For each object, the indexes of its tags. If that is too long, ``=`` and one digit for each object: 1 for
        all tags, 0 for null. Empty if that is too long as well, or if the answer is not one of entities.

    Example:
        >>> data = {"_entities": [{"name": "a"}, None, {"name": "b"}]}
        >>> packed_entities(["Book", "Book:1", "Book:2"], data, {0: {"Book:1"}, 2: {"Book:2"}})
        '0.1||0.2'
    """
    items = data.get(ENTITIES)
    if len(data) != 1 or not isinstance(items, list) or not items:
        return ""
    apart = set().union(*by_item.values())
    found = "|".join(
        ""
        if item is None
        else ".".join(
            str(at)
            for at, tag in enumerate(tags)
            if tag not in apart or tag in by_item.get(number, ())
        )
        for number, item in enumerate(items)
    )
    if not found or len(found) > _LONGEST:
        found = _ALL + "".join("0" if item is None else "1" for item in items)
    return found if len(found) <= _LONGEST else ""


def unpacked_entities(text: str, tags: Sequence[str]) -> tuple[tuple[str, ...], ...] | None:
    """Return the tags of each object of ``_entities``; None if they are not known.

    Args:
        text: As `packed_entities` returns it.
        tags: The names of the same tags, in the same order; see `names_outside`.

    Example:
        >>> unpacked_entities("0.1||0.2", ["Book", "Book:1", "Book:2"])
        (('Book', 'Book:1'), (), ('Book', 'Book:2'))
        >>> unpacked_entities("=10", ["Book", "Book:1"])
        (('Book', 'Book:1'), ())
    """
    if not text:
        return None
    if text.startswith(_ALL):
        return tuple(tuple(tags) if each == "1" else () for each in text[1:])
    return tuple(
        tuple(tags[int(at)] for at in each.split(".")) if each else () for each in text.split("|")
    )


def as_extensions(
    names: Sequence[str], entities: Sequence[Sequence[str]] | None
) -> dict[str, object]:
    """Return the member of ``extensions`` that gives a gateway the names of an answer's tags.

    Args:
        names: The names of the answer.
        entities: The names of each object of ``_entities``; None for another answer.
    """
    if entities is None:
        return {EXTENSION: list(names)}
    return {_OF_ENTITIES: [list(each) for each in entities]}
