"""Tags of responses for the caches in front of a server, and the names under which these caches purge."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import Final
from urllib.parse import quote, unquote

from strawberry_response_cache.core._families import (
    EVERYTHING,
    EVERYTHING_TAGGED,
    shown,
    whole_family,
    with_families,
)
from strawberry_response_cache.core._invalidated_tags import InvalidatedTags
from strawberry_response_cache.core._keys import tag_digests

SEPARATORS: Final = {"Cache-Tag": ",", "Surrogate-Key": " ", "xkey": " ", "Cache-Groups": ", "}
"""The headers that hold tags, each with the separator of its tags."""
_GROUPS: Final = "Cache-Groups"
_EVERYTHING: Final = "~"
"""The name that each response of a tenant carries."""
_NAME: Final = re.compile(r"[!#-+\--~]+")
"""Printable ASCII without spaces, commas and double quotes: what no header takes for a delimiter."""
_LONGEST_NAME: Final = 1024
_LONGEST_HEADER: Final = 8_000
"""The most bytes of a header with tags, and of the tags that are stored with an entry."""
_MOST_DIGESTS: Final = 100
_MOST_GROUPS: Final = 32
_GROUP_BYTES: Final = 16


def packed(tags: Iterable[str], only_digests: AbstractSet[str] = frozenset()) -> tuple[str, int]:
    """Return tags as they are stored with an entry, the coarsest first, and how many do not fit.

    A tag that no header can hold is replaced with its digest. If tags do not fit, ``*`` is among the others: every
    invalidation purges it.

    Args:
        tags: The tags of a response, hidden ones included.
        only_digests: Digests of further tags whose names are not known: those of values that were read from the cache
            while the response was made.

    Example:
        >>> packed({"Book:1", "Book"})
        ('Book,Book:1', 0)
        >>> packed({"Book"}, only_digests={"xpB9vBHwVL8pBBF1"})
        ('Book,#xpB9vBHwVL8pBBF1', 0)
        >>> packed({"Book", "x" * 900 + ":1", *(f"{n}:" + "x" * 900 for n in range(8))})[0][:8]
        '*,Book,0'
    """
    # Entries have longer tags of their own, by which nothing is purged.
    digests = {each for each in only_digests if len(each) == len(EVERYTHING[0])}
    coarse, fine = list[str](), list[str]()
    for tag in sorted(shown(tags)):
        if not _is_sendable(tag):
            digests.update(tag_digests((tag,)))
        else:
            (fine if ":" in tag else coarse).append(tag)
    kept: list[str] = []
    room, left_out = _LONGEST_HEADER - len(f"{EVERYTHING_TAGGED},"), 0
    if len(digests) > _MOST_DIGESTS:
        digests, left_out = set(), len(digests)
    for tag in (*coarse, *map(_of_digest, sorted(digests)), *fine):
        text = quote(tag, safe=_SAFE)
        if len(text) >= room:
            left_out += 1
        else:
            kept.append(text)
            room -= len(text) + 1
    if left_out and EVERYTHING_TAGGED not in kept:
        kept.insert(0, EVERYTHING_TAGGED)
    return ",".join(kept), left_out


def _is_sendable(name: str) -> bool:
    """Whether a header can hold a name."""
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def _of_digest(digest: str) -> str:
    """Return the name of a tag of which only the digest is known."""
    return f"#{digest}"


_SAFE: Final = "!#$&'()*+/:;<=>?@[]^_`{|}~"


def unpacked(text: str) -> tuple[str, ...]:
    """Return the tags that were stored with an entry."""
    return tuple(map(unquote, text.split(","))) if text else ()


def names_outside(tags: Iterable[str], *, tenant: str, prefix: str) -> tuple[str, ...]:
    """Return the names of tags for caches in front: each begins with the prefix, and with the tenant if it has one."""
    before = f"{prefix}{tenant}-" if tenant else prefix
    return tuple(f"{before}{tag}" for tag in tags)


def names_of_response(tags: Sequence[str], *, tenant: str, prefix: str) -> tuple[str, ...]:
    """Return the names of a response, the coarsest first.

    Args:
        tags: As `unpacked` returns them.
        tenant: As in `names_outside`.
        prefix: As in `names_outside`.
    """
    return names_outside((_EVERYTHING, *tags), tenant=tenant, prefix=prefix)


def purge_names(tags: InvalidatedTags, *, prefix: str = "") -> list[str]:
    """Return the names under which a CDN purges what an invalidation concerns.

    Use it in ``on_invalidate``, for responses with the headers of ``cdn_tags`` of the extension.

    Args:
        tags: What ``on_invalidate`` receives.
        prefix: The ``tag_prefix`` of the extension. Empty by default.

    Returns:
        The names, each once. Those with ``#`` are digests, for tags that no header can hold, and for responses with
        something of which the cache knows only the digests of its tags. ``*`` is for responses with more tags than fit.

    Example:
        >>> from strawberry_response_cache import InvalidatedTags
        >>> names = purge_names(InvalidatedTags(["Book:1"], tenant=""), prefix="shop-")
        >>> [each for each in names if "#" not in each]
        ['shop-Book:1', 'shop-*', 'shop-Book:*']
        >>> purge_names(InvalidatedTags(["*"], tenant="5d41402abc4b2a76"))
        ['5d41402abc4b2a76-~']
    """
    everything = tuple(tags) == (EVERYTHING_TAGGED,)
    families = sorted(shown(with_families(tags)))
    found = (
        (_EVERYTHING,)
        if everything
        else dict.fromkeys((*tags, *families, *_names_of_digests(tags)))
    )
    return list(names_outside(filter(_is_sendable, found), tenant=tags.tenant, prefix=prefix))


def _names_of_digests(tags: Iterable[str]) -> Iterable[str]:
    """Return the names that tags have where only their digests are known."""
    hidden = (whole_family(each[:-2]) for each in tags if each.endswith(":*"))
    return map(_of_digest, tag_digests((*with_families(tags), *hidden)))


def group_of(name: str) -> str:
    """Return a name as a group of RFC 9875, whose strings have at most 32 characters."""
    return blake2b(name.encode(), digest_size=_GROUP_BYTES).hexdigest()


def tag_headers(names: Sequence[str], headers: Collection[str]) -> dict[str, str]:
    """Return the headers that hold the names of a response.

    Args:
        names: The names, as `names_of_response` returns them. If some do not fit, the header has the name that every
            invalidation purges.
        headers: Names of headers, see `SEPARATORS`.

    Example:
        >>> tag_headers(["Book", "Book:1"], ["Cache-Tag", "xkey"])
        {'cache-tag': 'Book,Book:1', 'xkey': 'Book Book:1'}
    """
    found = {}
    for header in headers:
        separator, printed = SEPARATORS[header], _group if header == _GROUPS else str
        most = _MOST_GROUPS if header == _GROUPS else len(names)
        fitting = _fitting(names, most, separator, printed)
        if len(fitting) < len(names):
            every = f"{names[0].removesuffix(_EVERYTHING)}{EVERYTHING_TAGGED}"
            fitting = _fitting([names[0], every, *names[1:]], most, separator, printed)
        found[header.lower()] = separator.join(fitting)
    return found


def _fitting(
    names: Sequence[str], most: int, separator: str, printed: Callable[[str], str]
) -> list[str]:
    """Return the first names that fit into a header, as they are printed there."""
    kept, room = list[str](), _LONGEST_HEADER
    for name in names[:most]:
        text = printed(name)
        room -= len(text) + len(separator)
        if room < 0:
            break
        kept.append(text)
    return kept


def invalidated_groups(names: Iterable[str], everything: Iterable[str]) -> str:
    """Return the value of ``Cache-Group-Invalidation`` (RFC 9875, section 3).

    Args:
        names: As `purge_names` returns them.
        everything: The names of all responses, which are sent if there are more names than such a header holds.
    """
    each = [*dict.fromkeys(names)]
    return SEPARATORS[_GROUPS].join(map(_group, each if len(each) <= _MOST_GROUPS else everything))


def _group(name: str) -> str:
    return f'"{group_of(name)}"'
