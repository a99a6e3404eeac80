"""What a request asks of caches, in its ``Cache-Control`` (RFC 9111, section 5.2.1)."""

from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 10
"""The most digits of a number of seconds that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDirectives:
    """What a request asks of caches.

    Attributes:
        no_cache: Whether it is not to be answered from the cache.
        no_store: Whether nothing of it is to be read or stored.
        only_if_cached: Whether it is to be answered only from the cache.
        max_age: The oldest answer that it takes, in seconds; None if it takes one of any age.
    """

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: int | None = None


NOTHING_ASKED: Final = RequestDirectives()
RENEWED: Final = RequestDirectives(no_cache=True)


def directives_in(value: str | None) -> RequestDirectives:
    """Read a request's ``Cache-Control``; what is not known or malformed is ignored.

    Args:
        value: The value of the header; None if there is none.

    Example:
        >>> directives_in("max-age=60, Only-If-Cached").max_age
        60
        >>> directives_in("no-cache").no_cache, directives_in("max-age=soon").max_age
        (True, None)
    """
    if not value:
        return NOTHING_ASKED
    names: dict[str, str] = {}
    for each in value.split(","):
        name, _, argument = each.strip().partition("=")
        names.setdefault(name.strip().lower(), argument.strip().strip('"'))
    seconds = names.get("max-age", "")
    is_number = seconds.isascii() and seconds.isdigit() and len(seconds) <= _LONGEST
    return RequestDirectives(
        no_cache="no-cache" in names,
        no_store="no-store" in names,
        only_if_cached="only-if-cached" in names,
        max_age=int(seconds) if is_number else None,
    )
