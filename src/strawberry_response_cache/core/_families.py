"""Families of tags: one tag stands for many, where there are too many to list.

The family of ``Account:42`` is all tags that begin with ``Account:``. Two hidden tags stand for it:

- An entry with too many tags of the family carries ``Account:*`` instead. Each invalidation of one of these tags
  stamps ``Account:*`` too.
- Each entry with a tag of the family carries the tag of the whole family, see `whole_family`. An invalidation of
  too many tags stamps that instead.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

from strawberry_response_cache.core._keys import tag_digests

EVERYTHING_TAGGED: Final = "*"
"""The tag of a response that has too many tags to list: each invalidation of any tag invalidates it."""
EVERYTHING: Final = tag_digests((EVERYTHING_TAGGED,))


def family_of(tag: str) -> str | None:
    """Return the tag that a response has in place of too many tags of a family; None for a tag without a colon.

    Example:
        >>> family_of("Account:42"), family_of("Account")
        ('Account:*', None)
    """
    kind, colon, _ = tag.partition(":")
    return f"{kind}:*" if colon else None


def whole_family(kind: str) -> str:
    """Return the hidden tag that every entry with a tag of a family carries, see `carried`.

    Users cannot write it: it ends in a control character, which tags may not hold.

    Args:
        kind: The text before the colon in each tag of the family, such as ``shelf``.
    """
    return f"{kind}:\0"


def carried(tags: AbstractSet[str]) -> AbstractSet[str]:
    r"""Return the tags that an entry carries: its own, and for each family that of the whole family.

    If the entry has the tag of the kind itself, that one is enough. So an invalidation of a whole family
    names both, see `all_of_family`.

    Example:
        >>> sorted(carried({"shelf:7", "Book", "Book:1"}))
        ['Book', 'Book:1', 'shelf:\x00', 'shelf:7']
    """
    if EVERYTHING_TAGGED in tags:
        return tags
    kinds = {tag.partition(":")[0] for tag in tags}
    return tags | {whole_family(kind) for kind in kinds - tags}


def all_of_family(kind: str) -> tuple[str, str]:
    """Return the two tags whose invalidation invalidates every entry with a tag of the family."""
    return kind, whole_family(kind)


def shown(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags as users see them: a whole family is ``shelf:*``."""
    return tuple(dict.fromkeys(tag.replace("\0", "*") for tag in tags))


def with_families(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags with their family tags and ``*``, so that entries with too many tags are invalidated too."""
    named = dict.fromkeys(tags)
    families = (family_of(tag) for tag in (*named,))
    return tuple({*named, *filter(None, families), EVERYTHING_TAGGED}) if named else ()
