"""What resolvers may say of the response that they are part of."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from strawberry.types import Info

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._duration import Duration, seconds
from strawberry_response_cache.graphql._extension import ResponseCacheExtension
from strawberry_response_cache.graphql._guard import Guard, beside_a_resolver
from strawberry_response_cache.graphql._hints import CacheScope
from strawberry_response_cache.graphql._mutation import log_without_tenant
from strawberry_response_cache.graphql._options import Options
from strawberry_response_cache.graphql._reasons import Reason
from strawberry_response_cache.graphql._recorder import recorder_of
from strawberry_response_cache.graphql._request import RequestContext, at_once
from strawberry_response_cache.graphql._templates import checked_tags

if TYPE_CHECKING:
    from graphql import GraphQLResolveInfo

_MISUSE: Final = (CacheConfigurationError, TypeError)
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
        tags: Further tags to purge it by.

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
    with beside_a_resolver(raises=_MISUSE):
        raw = _raw(info)
        checked_ttl = None if ttl is None else seconds(ttl, "ttl")
        named = checked_tags(tags)
        with beside_a_resolver():
            if (recorder := recorder_of(raw)) is not None:
                coordinate = f"{raw.parent_type.name}.{raw.field_name}"
                private = scope is CacheScope.PRIVATE
                recorder.restrict(checked_ttl, named, private=private, coordinate=coordinate)


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
    with beside_a_resolver(raises=_MISUSE):
        raw = _raw(info)
        with beside_a_resolver():
            if (recorder := recorder_of(raw)) is not None:
                recorder.refuse(Reason.RESTRICTED)


def _raw(info: "Info | GraphQLResolveInfo[Any]") -> "GraphQLResolveInfo[Any]":
    raw = info._raw_info if isinstance(info, Info) else info  # noqa: SLF001 - Strawberry's name for it
    if not hasattr(raw, "variable_values"):
        msg = f"info is a {type(info).__name__}; pass the resolver's info: strawberry.Info."
        raise TypeError(msg)
    return raw


async def invalidate(info: "Info", *tags: str) -> None:
    """Purge tags in the tenant of this request, from any resolver: now, and again after a mutation.

    It does not raise because Redis is away: the purge is queued, and until it is replayed nothing of the
    tenant is read from the cache in this process.

    Args:
        info: What Strawberry gave the resolver.
        *tags: As in `ResponseCache.invalidate`.

    If the extension's ``tenant`` gives nothing usable, an ERROR is logged and nothing is invalidated.

    Raises:
        TypeError: If ``info`` is something else, or a tag is not a string.
        CacheConfigurationError: If the schema has no `ResponseCacheExtension`, or a tag is empty, too
            long or has control characters.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import invalidate
        >>> @strawberry.type
        ... class Mutation:
        ...     @strawberry.mutation
        ...     async def import_entries(self, info: strawberry.Info) -> bool:
        ...         await invalidate(info, "Entry", "Account")
        ...         return True
    """
    with beside_a_resolver(raises=_MISUSE):
        named, options = checked_tags(tags), _options_of(info)
        with beside_a_resolver():
            cache = _noted(info, named)
            if cache is None:
                request = RequestContext(options, info.context, Guard(), synchronous=False)
                await request.ask(session=False)
                cache = request.tenant_cache()
            if cache is None:
                log_without_tenant()
            else:
                await cache.invalidate(*named, queued=True)


def invalidate_sync(info: "Info", *tags: str) -> None:
    """Purge tags in the tenant of this request; the twin of `invalidate`.

    Raises:
        TypeError: As `invalidate` does.
        CacheConfigurationError: As `invalidate` does.
    """
    with beside_a_resolver(raises=_MISUSE):
        named, options = checked_tags(tags), _options_of(info)
        with beside_a_resolver():
            cache = _noted(info, named)
            if cache is None:
                request = RequestContext(options, info.context, Guard(), synchronous=True)
                at_once(request.ask, session=False)
                cache = request.tenant_cache()
            if cache is None:
                log_without_tenant()
            else:
                cache.invalidate_sync(*named, queued=True)


def _noted(info: "Info", tags: tuple[str, ...]) -> ResponseCache | None:
    """Note what is invalidated again after a mutation; return the tenant's cache, where it is known."""
    recorder = recorder_of(_raw(info))
    if recorder is None:
        return None
    recorder.purges.update(tags)
    return recorder.cache


def _options_of(info: "Info") -> Options:
    """Return the configuration of the schema's extension.

    Raises:
        CacheConfigurationError: If the schema has none.
        TypeError: If ``info`` is something else.
    """
    _raw(info)
    extensions: Any = getattr(info.schema, "extensions", ())
    for extension in extensions:
        if isinstance(extension, ResponseCacheExtension):
            return extension._options  # noqa: SLF001 - one package
    msg = "The schema has no ResponseCacheExtension; register it in extensions=[...]."
    raise CacheConfigurationError(msg)
