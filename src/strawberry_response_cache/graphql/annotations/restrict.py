"""`restrict_cache` and `skip_cache`, with which resolvers restrict the caching of their response."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from strawberry.types import Info

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._duration import Duration, seconds
from strawberry_response_cache.graphql._compat.private_names import raw_info_of
from strawberry_response_cache.graphql._guard import resolver_guard
from strawberry_response_cache.graphql.annotations.field_path import restrict_below
from strawberry_response_cache.graphql.annotations.hints import CacheScope
from strawberry_response_cache.graphql.annotations.run_notes import notes_of_run
from strawberry_response_cache.graphql.annotations.tag_templates import checked_tags
from strawberry_response_cache.graphql.annotations.type_names import with_types_and_lists

if TYPE_CHECKING:
    from graphql import GraphQLResolveInfo

MISUSE: Final = (CacheConfigurationError, TypeError)
"""The errors that report a wrong call to its author."""


def restrict_cache(
    info: "Info | GraphQLResolveInfo[Any]",
    *,
    ttl: Duration | None = None,
    scope: CacheScope | None = None,
    tags: Iterable[str] = (),
) -> None:
    """Restrict, from a resolver, how the response with this field is cached.

    A response that becomes PRIVATE is stored for its session only, and so is every later response of the same
    operation. Call it with PRIVATE whenever the answer depends on the user.

    Args:
        info: The ``info`` that Strawberry passes to the resolver.
        ttl: The longest time to cache the response, in seconds or as a timedelta; the lowest counts. 0 keeps
            the response from being stored. None, the default, changes nothing.
        scope: `CacheScope.PRIVATE`, or None, the default, which changes nothing.
        tags: Further tags by which the response is invalidated. None by default.

    Raises:
        CacheConfigurationError: If the ttl is not a duration, or the scope is PUBLIC, which would allow more
            than the annotations do.
        TypeError: If ``info`` is not the ``info`` of a resolver, or ``tags`` is a bare string.

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
        msg = "restrict_cache cannot allow more than the annotations do; remove scope=CacheScope.PUBLIC."
        raise CacheConfigurationError(msg)
    if scope is not None and not isinstance(scope, CacheScope):
        msg = f"scope is a {type(scope).__name__}; write CacheScope.PRIVATE."
        raise CacheConfigurationError(msg)
    with resolver_guard(raises=MISUSE):
        raw = raw_info(info)
        checked_ttl = None if ttl is None else seconds(ttl, "ttl")
        named = checked_tags(tags)
        with resolver_guard():
            named = with_types_and_lists(named, raw.schema)
            private = scope is CacheScope.PRIVATE
            restrict_below(raw.path, skip=checked_ttl == 0, private=private, tags=named)
            if (notes := notes_of_run(raw)) is not None:
                coordinate = f"{raw.parent_type.name}.{raw.field_name}"
                notes.restrict(checked_ttl, named, private=private, coordinate=coordinate)


def skip_cache(info: "Info | GraphQLResolveInfo[Any]") -> None:
    """Do not store the response with this field; call it from a resolver.

    Args:
        info: The ``info`` that Strawberry passes to the resolver.

    Raises:
        TypeError: If ``info`` is not the ``info`` of a resolver.

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
    with resolver_guard(raises=MISUSE):
        raw = raw_info(info)
        with resolver_guard():
            restrict_below(raw.path, skip=True, private=False, tags=())
            if (notes := notes_of_run(raw)) is not None:
                notes.is_skipped = True


def raw_info(info: "Info | GraphQLResolveInfo[Any]") -> "GraphQLResolveInfo[Any]":
    """Return graphql-core's info, given Strawberry's or graphql-core's own.

    Raises:
        TypeError: If ``info`` is not the ``info`` of a resolver.
    """
    raw = raw_info_of(info) if isinstance(info, Info) else info
    if not hasattr(raw, "variable_values"):
        msg = f"info is a {type(info).__name__}; pass the resolver's info: strawberry.Info."
        raise TypeError(msg)
    return raw
