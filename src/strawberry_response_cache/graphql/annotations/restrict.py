"""What resolvers may say of the response that they are part of."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from strawberry.types import Info

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._duration import Duration, seconds
from strawberry_response_cache.graphql._guard import beside_a_resolver
from strawberry_response_cache.graphql.annotations.field_path import restrict_below
from strawberry_response_cache.graphql.annotations.hints import CacheScope
from strawberry_response_cache.graphql.annotations.run_notes import notes_of
from strawberry_response_cache.graphql.annotations.tag_templates import checked_tags

if TYPE_CHECKING:
    from graphql import GraphQLResolveInfo

MISUSE: Final = (CacheConfigurationError, TypeError)
"""What tells a resolver's author of a wrong call."""


def restrict_cache(
    info: "Info | GraphQLResolveInfo[Any]",
    *,
    ttl: Duration | None = None,
    scope: CacheScope | None = None,
    tags: Iterable[str] = (),
) -> None:
    """Lower, from a resolver, what the annotations allow for the response that it is part of.

    A response that turns PRIVATE is kept for its session alone, and so is every later one of the same
    operation, for every session: so say PRIVATE wherever the answer depends on who asks.

    Args:
        info: What Strawberry gave the resolver.
        ttl: Seconds, or a timedelta; the lowest counts, and 0 keeps the response from being stored.
        scope: `CacheScope.PRIVATE`, or None.
        tags: Further tags to invalidate it by.

    Raises:
        CacheConfigurationError: If the ttl is no duration, or the scope is PUBLIC, which would raise
            what the annotations allow.
        TypeError: If ``info`` is something else, or ``tags`` is a bare string.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import CacheScope, cache_control, restrict_cache
        >>> @strawberry.type
        ... class Query:
        ...     @cache_control(ttl=60)
        ...     @strawberry.field
        ...     def draft(self, info: strawberry.Info) -> str:
        ...         restrict_cache(info, ttl=5, scope=CacheScope.PRIVATE)
        ...         return "not for everyone yet"
    """
    if scope is CacheScope.PUBLIC:
        msg = (
            "restrict_cache only lowers what the annotations allow; remove scope=CacheScope.PUBLIC."
        )
        raise CacheConfigurationError(msg)
    if scope is not None and not isinstance(scope, CacheScope):
        msg = f"scope is a {type(scope).__name__}; write CacheScope.PRIVATE."
        raise CacheConfigurationError(msg)
    with beside_a_resolver(raises=MISUSE):
        raw = raw_info(info)
        checked_ttl = None if ttl is None else seconds(ttl, "ttl")
        named = checked_tags(tags)
        with beside_a_resolver():
            private = scope is CacheScope.PRIVATE
            restrict_below(raw.path, skip=checked_ttl == 0, private=private, tags=named)
            if (notes := notes_of(raw)) is not None:
                coordinate = f"{raw.parent_type.name}.{raw.field_name}"
                notes.restrict(checked_ttl, named, private=private, coordinate=coordinate)


def skip_cache(info: "Info | GraphQLResolveInfo[Any]") -> None:
    """Keep, from a resolver, the response that it is part of from being stored.

    Args:
        info: What Strawberry gave the resolver.

    Raises:
        TypeError: If ``info`` is something else.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import cache_control, skip_cache
        >>> @strawberry.type
        ... class Query:
        ...     @cache_control(ttl=60)
        ...     @strawberry.field
        ...     def rates(self, info: strawberry.Info) -> list[float]:
        ...         skip_cache(info)
        ...         return []
    """
    with beside_a_resolver(raises=MISUSE):
        raw = raw_info(info)
        with beside_a_resolver():
            restrict_below(raw.path, skip=True, private=False, tags=())
            if (notes := notes_of(raw)) is not None:
                notes.is_skipped = True


def raw_info(info: "Info | GraphQLResolveInfo[Any]") -> "GraphQLResolveInfo[Any]":
    """Return graphql-core's info.

    Raises:
        TypeError: If it is something else.
    """
    raw = info._raw_info if isinstance(info, Info) else info  # noqa: SLF001 - Strawberry's name for it
    if not hasattr(raw, "variable_values"):
        msg = f"info is a {type(info).__name__}; pass the resolver's info: strawberry.Info."
        raise TypeError(msg)
    return raw
