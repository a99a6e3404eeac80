"""What resolvers may say of the response that they are part of."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from strawberry.types import Info

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._duration import Duration, seconds
from strawberry_response_cache.graphql._context import RequestContext
from strawberry_response_cache.graphql._extension import ResponseCacheExtension
from strawberry_response_cache.graphql._hints import CacheScope
from strawberry_response_cache.graphql._reasons import Reason
from strawberry_response_cache.graphql._recorder import Recorder, recorder_of
from strawberry_response_cache.graphql._templates import checked_tags

if TYPE_CHECKING:
    from graphql import GraphQLResolveInfo


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
    recorder = _recorder(info)
    if scope is CacheScope.PUBLIC:
        msg = (
            "restrict_cache only lowers what the annotations allow; remove scope=CacheScope.PUBLIC."
        )
        raise CacheConfigurationError(msg)
    if scope is not None and not isinstance(scope, CacheScope):
        msg = f"scope is a {type(scope).__name__}; write CacheScope.PRIVATE."
        raise CacheConfigurationError(msg)
    checked_ttl = None if ttl is None else seconds(ttl, "ttl")
    named = checked_tags(tags)
    if recorder is not None:
        recorder.restrict(checked_ttl, named, private=scope is CacheScope.PRIVATE)


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
    recorder = _recorder(info)
    if recorder is not None:
        recorder.refuse(Reason.RESTRICTED)


def _recorder(info: "Info | GraphQLResolveInfo[Any]") -> Recorder | None:
    raw = info._raw_info if isinstance(info, Info) else info  # noqa: SLF001 - Strawberry's name for it
    if not hasattr(raw, "variable_values"):
        msg = f"info is a {type(info).__name__}; pass the resolver's info: strawberry.Info."
        raise TypeError(msg)
    return recorder_of(raw)


async def invalidate(info: "Info", *tags: str) -> None:
    """Purge tags in the tenant of this request, from any resolver: now, and again after a mutation.

    It does not raise because Redis is away: the purge is queued, and until it is replayed nothing of the
    tenant is read from the cache in this process.

    Args:
        info: What Strawberry gave the resolver.
        *tags: As in `ResponseCache.invalidate`.

    Raises:
        TypeError: If ``info`` is something else, or a tag is not a string.
        CacheConfigurationError: If the schema has no `ResponseCacheExtension`, or the extension's
            ``tenant`` gave nothing usable.

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
    cache = _purging(info, tags)
    await cache.invalidate(*tags, queued=True)


def invalidate_sync(info: "Info", *tags: str) -> None:
    """Purge tags in the tenant of this request; the twin of `invalidate`.

    Raises:
        TypeError: As `invalidate` does.
        CacheConfigurationError: As `invalidate` does.
    """
    cache = _purging(info, tags)
    cache.invalidate_sync(*tags, queued=True)


def _purging(info: "Info", tags: tuple[str, ...]) -> ResponseCache:
    """Return the cache of the request's tenant, after noting what is to be purged again."""
    recorder = _recorder(info)
    named = checked_tags(tags)
    extensions: Any = getattr(info.schema, "extensions", ())
    options = next(
        (e._options for e in extensions if isinstance(e, ResponseCacheExtension)),  # noqa: SLF001 - one package
        None,
    )
    if options is None:
        msg = "The schema has no ResponseCacheExtension; register it in extensions=[...]."
        raise CacheConfigurationError(msg)
    if recorder is not None:
        recorder.purges.update(named)
    cache = RequestContext(options, info.context).tenant_cache()
    if cache is None:
        msg = "The extension's tenant gave nothing usable for this request; nothing was purged."
        raise CacheConfigurationError(msg)
    return cache
