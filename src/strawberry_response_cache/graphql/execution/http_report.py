"""What browsers, CDNs and gateways are told of the response to one operation."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._families import EVERYTHING_TAGGED
from strawberry_response_cache.core._invalidated_tags import InvalidatedTags
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._options import Options
from strawberry_response_cache.graphql._report import Report
from strawberry_response_cache.graphql.http.cdn_tags import names_of_response, purge_names
from strawberry_response_cache.graphql.http.freshness import Freshness
from strawberry_response_cache.graphql.http.gateway_tags import as_extensions
from strawberry_response_cache.graphql.http.rules import HeaderOptions, cache_status
from strawberry_response_cache.graphql.policy.policy import Policy

if TYPE_CHECKING:
    from strawberry_response_cache.graphql._request import RequestContext


class Sharing(NamedTuple):
    """Whether other extensions and the schema allow that browsers and CDNs reuse an answer.

    Attributes:
        is_as_stored: Whether other extensions and the schema neither change nor read the answer.
        is_for_all: Whether other extensions and the schema treat every request alike.
    """

    is_as_stored: bool
    is_for_all: bool


UNSHARED: Final = Sharing(is_as_stored=False, is_for_all=False)


class HttpReport:
    """What browsers, CDNs and gateways are told of the response to one operation.

    Args:
        options: The extension's configuration.
        report: Has what the cache does for the operation.
        guard: The guard of the request.
        sharing: Returns whether browsers and CDNs may reuse the answer; it is called at most once, when needed.

    Attributes:
        request: The context of the request; None as long as it is not known.
    """

    __slots__ = ("_freshness", "_guard", "_noted", "_options", "_report", "_sharing", "request")

    def __init__(
        self, options: Options, report: Report, guard: Guard, *, sharing: Callable[[], Sharing]
    ) -> None:
        self._options = options
        self._report = report
        self._guard = guard
        self._sharing: Sharing | Callable[[], Sharing] = sharing
        self._noted: tuple[Callable[[], Freshness | None], Policy] | None = None
        self._freshness: Freshness | None = None
        self.request: RequestContext | None = None

    def note(self, freshness: Callable[[], Freshness | None], policy: Policy) -> None:
        """Note the function that returns how long browsers and CDNs may store the response; it is called when needed.

        Args:
            freshness: Returns a new object, for the response or for its parts together; None if browsers and CDNs
                must not store it.
            policy: The operation's policy.
        """
        self._noted = freshness, policy

    def _known(self, freshness: Callable[[], Freshness | None], policy: Policy) -> Freshness | None:
        """Return how long browsers and CDNs may store the response; None if they must not, or are told nothing."""
        known = None if self._options.headers is None else freshness()
        options = self._options.headers
        if options is None or known is None:
            return None
        sharing = self.sharing
        known.is_shared = known.is_shared and sharing.is_for_all and self._is_told(policy, options)
        if not sharing.is_as_stored:
            known.validator = ""
        if options.cdn_tags:
            self._name_tags(known, options)
        return known

    def _is_told(self, policy: Policy, options: HeaderOptions) -> bool:
        """Whether ``Vary`` can name request headers for all that a PUBLIC response depends on."""
        if self.request is None or self.request.is_debugged():
            return False
        needed = policy.vary if self._options.tenant is None else policy.vary | {"tenant"}
        return options.tells(needed)

    def _name_tags(self, known: Freshness, options: HeaderOptions) -> None:
        """Replace the tags by their names for CDNs; by none if the tenant is not known."""
        tenant = self._tenant_hash()
        if tenant is None:
            known.tags, known.entity_tags = (), None
            return
        name = partial(names_of_response, tenant=tenant, prefix=options.tag_prefix)
        known.tags = name(known.tags)
        if known.entity_tags is not None:
            known.entity_tags = tuple(name(each) if each else () for each in known.entity_tags)

    def _tenant_hash(self) -> str | None:
        cache = None if self.request is None else self.request.tenant_cache()
        return None if cache is None else tenant_of(cache).tenant_hash

    @property
    def sharing(self) -> Sharing:
        """Whether other extensions and the schema allow that browsers and CDNs reuse the answer."""
        if not isinstance(self._sharing, Sharing):
            self._sharing = self._sharing()
        return self._sharing

    @property
    def freshness(self) -> Freshness | None:
        """How long browsers and CDNs may store the response; None if they must not."""
        if self._noted is not None:
            noted, self._noted = self._noted, None
            self._freshness = self._guard.step(self._known, *noted)
        return None if self._guard.is_faulted else self._freshness

    def as_extensions(self) -> dict[str, object]:
        """Return the tags that gateways are told in ``extensions``; empty unless ``cdn_tags`` asks for them."""
        options = self._options.headers
        if options is None or not options.tells_gateways:
            return {}
        known = self.freshness
        if known is None or not known.tags:
            return {}
        return as_extensions(known.tags, known.entity_tags)

    def cache_status(self) -> str | None:
        """Return the value of the ``Cache-Status`` header; None if it is not sent."""
        options = self._options.headers
        if options is None or not options.cache_status:
            return None
        outcome = self._report.outcome
        if outcome is None:
            return None
        known = self.freshness
        return cache_status(
            outcome.status,
            ttl=None if known is None else int(known.lifetime - known.age),
            reason=None if outcome.reason is None else outcome.reason.value,
            is_stored=outcome.status == "miss" and known is not None and not outcome.is_collapsed,
            is_collapsed=outcome.is_collapsed,
        )

    def invalidated_names(self) -> tuple[list[str], list[str]]:
        """Return the names for CDNs of the tags that a mutation invalidated, and the names that every response has."""
        options, told = self._options.headers, self._report.told
        if options is None or told is None or "Cache-Groups" not in options.cdn_tags:
            return [], []
        tenant = self._tenant_hash()
        if tenant is None:
            return [], []
        tags = [EVERYTHING_TAGGED] if told.everything else sorted(told.tags)
        names = partial(purge_names, prefix=options.tag_prefix)
        everything = names(InvalidatedTags([EVERYTHING_TAGGED], tenant=tenant))
        return names(InvalidatedTags(tags, tenant=tenant)), everything
