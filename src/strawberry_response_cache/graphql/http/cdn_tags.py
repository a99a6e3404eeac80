"""Tags of responses for the caches in front of a server, and the names under which these are purged."""

import re
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from itertools import islice
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
"""The headers, and what stands between their tags."""
_GROUPS: Final = "Cache-Groups"
_EVERYTHING: Final = "~"
"""The name that each response of a tenant carries."""
_NAME: Final = re.compile(r"[!#-+\--~]+")
"""Printable ASCII without spaces, commas and double quotes: what no header takes for a delimiter."""
_LONGEST_NAME: Final = 1024
_LONGEST_HEADER: Final = 8_000
"""Bytes of a header, and of what is stored with an entry."""
_MOST_DIGESTS: Final = 100
_MOST_GROUPS: Final = 32
_GROUP_BYTES: Final = 16


def packed(tags: Iterable[str], only_digests: AbstractSet[str] = frozenset()) -> tuple[str, int]:
    """Return tags as they are stored with an entry, the coarsest first, and how many were left out.

    Args:
        tags: The tags of a response, hidden ones included.
        only_digests: Digests of further tags whose names are not known: those of values that were read from the cache
            while the response was made. If there are too many, every invalidation reaches the response.

    Example:
        >>> packed({"Book:1", "Book", "of:a b"})
        ('Book,Book:1', 1)
        >>> packed({"Book"}, only_digests={"xpB9vBHwVL8pBBF1"})
        ('Book,#xpB9vBHwVL8pBBF1', 0)
    """
    kept: list[str] = []
    room, left_out = _LONGEST_HEADER, 0
    # Entries have longer tags of their own, by which nothing is purged.
    digests = sorted(each for each in only_digests if len(each) == len(EVERYTHING[0]))
    more = map(_of_digest, digests if len(digests) <= _MOST_DIGESTS else EVERYTHING)
    named = sorted(shown(tags), key=lambda each: (":" in each, each))
    fine = next((at for at, each in enumerate(named) if ":" in each), len(named))
    for tag in (*named[:fine], *more, *named[fine:]):
        text = quote(tag, safe=_SAFE)
        if _NAME.fullmatch(tag) is None or len(tag) > _LONGEST_NAME or len(text) >= room:
            left_out += 1
        else:
            kept.append(text)
            room -= len(text) + 1
    return ",".join(kept), left_out


def _of_digest(digest: str) -> str:
    """Return what a tag is called of which only the digest is known."""
    return f"#{digest}"


_SAFE: Final = "!#$&'()*+/:;<=>?@[]^_`{|}~"


def unpacked(text: str) -> tuple[str, ...]:
    """Return the tags that were stored with an entry."""
    return tuple(map(unquote, text.split(","))) if text else ()


def named(tags: Iterable[str], *, tenant: str, prefix: str) -> tuple[str, ...]:
    """Return what tags are called outside: with a prefix, and apart for each tenant.

    Args:
        tags: Tags.
        tenant: The hash of their tenant; empty without one.
        prefix: What stands before each.
    """
    before = f"{prefix}{tenant}-" if tenant else prefix
    return tuple(f"{before}{tag}" for tag in tags)


def names_of_response(tags: Sequence[str], *, tenant: str, prefix: str) -> tuple[str, ...]:
    """Return the names of a response, the coarsest first.

    Args:
        tags: As `unpacked` returns them.
        tenant: As in `named`.
        prefix: As in `named`.
    """
    return named((_EVERYTHING, *tags), tenant=tenant, prefix=prefix)


def purge_names(tags: InvalidatedTags, *, prefix: str = "") -> list[str]:
    """Return the names under which a CDN purges what an invalidation concerns.

    Use it in ``on_invalidate``, for responses with the headers of ``cdn_tags`` of the extension.

    Args:
        tags: What ``on_invalidate`` is told.
        prefix: The ``tag_prefix`` of the extension. Empty by default.

    Returns:
        The names, each once. Tags that no header can hold are left out, because no response carries them. Those with
        ``#`` are digests, for responses that hold something of which the cache knows only the digests of its tags.

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
    found = (_EVERYTHING,) if everything else dict.fromkeys((*tags, *families, *_digests(tags)))
    sendable = [each for each in found if _NAME.fullmatch(each) and len(each) <= _LONGEST_NAME]
    return list(named(sendable, tenant=tags.tenant, prefix=prefix))


def _digests(tags: Iterable[str]) -> Iterable[str]:
    """Return what tags are called where only their digests are known."""
    hidden = (whole_family(each[:-2]) for each in tags if each.endswith(":*"))
    return map(_of_digest, tag_digests((*with_families(tags), *hidden)))


def group_of(name: str) -> str:
    """Return a name as a group of RFC 9875, whose strings have at most 32 characters."""
    return blake2b(name.encode(), digest_size=_GROUP_BYTES).hexdigest()


def tag_headers(names: Sequence[str], headers: Collection[str]) -> dict[str, str]:
    """Return the headers that hold the names of a response.

    Args:
        names: The names, the coarsest first; what does not fit is left out.
        headers: Names of headers, see `SEPARATORS`.

    Example:
        >>> tag_headers(["Book", "Book:1"], ["Cache-Tag", "xkey"])
        {'cache-tag': 'Book,Book:1', 'xkey': 'Book Book:1'}
    """
    found = {}
    for header in headers:
        values = _groups(names) if header == _GROUPS else [*names]
        separator, length, kept = SEPARATORS[header], 0, 0
        for value in values:
            length += len(value) + len(separator)
            if length > _LONGEST_HEADER:
                break
            kept += 1
        found[header.lower()] = separator.join(values[:kept])
    return found


def invalidated_groups(names: Iterable[str]) -> str:
    """Return the value of ``Cache-Group-Invalidation`` (RFC 9875, section 3).

    Args:
        names: As `purge_names` returns them.
    """
    return SEPARATORS[_GROUPS].join(_groups(names))


def _groups(names: Iterable[str]) -> list[str]:
    return [f'"{group_of(name)}"' for name in islice(names, _MOST_GROUPS)]
