"""The values of the headers that say how a response may be cached."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from strawberry_response_cache.graphql.http.freshness import Freshness
from strawberry_response_cache.graphql.http.gateway_tags import EXTENSION

NO_STORE: Final = "no-store"
_NAME: Final = "strawberry-response-cache"
_ALWAYS: Final = ("Accept",)
"""A GET with another ``Accept`` gets the GraphiQL page."""


@dataclass(frozen=True, kw_only=True, eq=False)  # each extension makes one
class HeaderOptions:
    """The arguments of the extension about headers; see `ResponseCacheExtension`.

    Attributes:
        vary: The request headers on which ``tenant`` and each varied value depend, by the name of that value.
        s_maxage: Seconds for which shared caches may store a public response; None for as long as browsers.
        cache_status: Whether ``Cache-Status`` is sent.
        cdn_tags: The headers, and the member of ``extensions``, that hold the tags of responses.
        tag_prefix: The prefix of each tag in them.
    """

    vary: Mapping[str, tuple[str, ...]]
    s_maxage: int | None = None
    cache_status: bool = False
    cdn_tags: tuple[str, ...] = ()
    tag_prefix: str = ""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The request headers by which responses of the endpoint differ, the same for all its responses."""
        told = {name for names in self.vary.values() for name in names}
        return (*_ALWAYS, *sorted(told - set(_ALWAYS)))

    @cached_property
    def tag_headers(self) -> tuple[str, ...]:
        """The headers that hold the tags of public responses."""
        return tuple(each for each in self.cdn_tags if each != EXTENSION)

    @cached_property
    def tells_gateways(self) -> bool:
        """Whether ``extensions`` of a response hold its tags, for gateways."""
        return EXTENSION in self.cdn_tags

    def tells(self, names: AbstractSet[str]) -> bool:
        """Whether each of these, ``tenant`` or the name of a varied value, depends only on known request headers."""
        return names <= self.vary.keys()


def cache_control_header(freshness: Freshness, options: HeaderOptions, *, is_public: bool) -> str:
    """Return the value of ``Cache-Control``.

    ``max-age`` is the whole lifetime (RFC 9111, section 5.2.2.1), because ``Age`` says how much of it is over
    (section 4.2.3). ``public`` and ``s-maxage`` allow shared caches to store it (sections 5.2.2.9 and
    5.2.2.10), for no longer than browsers where a resolver, a part or ``negative_ttl`` shortened its life.
    ``stale-while-revalidate`` is that of RFC 5861, section 3.

    Args:
        freshness: What is known of the response.
        options: The arguments of the extension about headers.
        is_public: Whether shared caches may store it.

    Example:
        >>> options = HeaderOptions(vary={}, s_maxage=600)
        >>> known = Freshness(lifetime=60.5, stale=30, age=7, is_shared=True)
        >>> cache_control_header(known, options, is_public=True)
        'public, max-age=60, s-maxage=600, stale-while-revalidate=30'
        >>> cache_control_header(known, options, is_public=False)
        'private, max-age=60, stale-while-revalidate=30'
    """
    directives = ["public" if is_public else "private", f"max-age={int(freshness.lifetime)}"]
    if options.s_maxage is not None and is_public and not freshness.is_shortened:
        directives.append(f"s-maxage={options.s_maxage}")
    if freshness.stale >= 1:
        directives.append(f"stale-while-revalidate={int(freshness.stale)}")
    return ", ".join(directives)


def vary_with(present: str, names: Iterable[str]) -> str:
    """Return the value of ``Vary`` with further names (RFC 9110, section 12.5.5).

    Args:
        present: The value so far; empty if there is none.
        names: Names of request headers.

    Example:
        >>> vary_with("Origin, accept", ["Accept", "X-Tenant"])
        'Origin, accept, X-Tenant'
        >>> vary_with("*", ["Accept"])
        '*'
    """
    known = [each.strip() for each in present.split(",") if each.strip()]
    if "*" in known:
        return present
    lower = {each.lower() for each in known}
    return ", ".join([*known, *(name for name in names if name.lower() not in lower)])


def cache_status(
    status: str, *, ttl: int | None, reason: str | None, is_stored: bool, is_collapsed: bool
) -> str:
    """Return the value of ``Cache-Status`` (RFC 9211): what the cache did, and never the key.

    Args:
        status: ``hit``, ``stale``, ``miss`` or ``bypass``.
        ttl: Seconds for which the answer stays fresh, negative for a stale one; None if it is not known.
        reason: Why it was not stored or read; None if it was.
        is_stored: Whether the answer was stored.
        is_collapsed: Whether it is the answer that a concurrent request executed.

    Example:
        >>> cache_status("hit", ttl=30, reason=None, is_stored=False, is_collapsed=False)
        'strawberry-response-cache; hit; ttl=30'
        >>> cache_status("miss", ttl=60, reason=None, is_stored=True, is_collapsed=False)
        'strawberry-response-cache; fwd=miss; stored; ttl=60'
        >>> cache_status("bypass", ttl=None, reason="mutation", is_stored=False, is_collapsed=False)
        'strawberry-response-cache; fwd=bypass; detail=mutation'
    """
    parts = [_NAME]
    if status in {"hit", "stale"}:
        parts.append("hit")
    else:
        parts.append(f"fwd={status}")  # both are words of section 2.2
    if is_stored:
        parts.append("stored")
    if is_collapsed:
        parts.append("collapsed")
    if ttl is not None:
        parts.append(f"ttl={ttl}")
    if reason is not None:
        parts.append(f"detail={reason}")
    return "; ".join(parts)
