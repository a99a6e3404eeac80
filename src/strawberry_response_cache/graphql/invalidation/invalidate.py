"""`invalidate` and `invalidate_sync`: invalidation from a resolver."""

from collections.abc import Coroutine
from typing import Any

from strawberry.types import Info

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.graphql._guard import Guard, beside_a_resolver
from strawberry_response_cache.graphql._options import Options, options_of
from strawberry_response_cache.graphql._request import RequestContext, at_once
from strawberry_response_cache.graphql.annotations.restrict import MISUSE, raw_info
from strawberry_response_cache.graphql.annotations.run_notes import notes_of
from strawberry_response_cache.graphql.annotations.tag_templates import checked_tags
from strawberry_response_cache.graphql.invalidation.mutation import log_without_tenant


def invalidate(info: Info, *tags: str) -> Coroutine[Any, Any, None]:
    """Invalidate tags of this request's tenant, from a resolver: now, and again at the end of a mutation.

    The call notes the tags for the end of the mutation; awaiting it invalidates now as well. It does not raise
    if Redis is down. The invalidation is queued then, and until it is replayed this process reads nothing of
    the tenant from the cache. If the extension's ``tenant`` returns nothing usable, an ERROR is logged and
    nothing is invalidated.

    Args:
        info: The ``info`` that Strawberry passes to the resolver.
        *tags: The tags, as in `ResponseCache.invalidate`.

    Raises:
        TypeError: If ``info`` is not the ``info`` of a resolver, or a tag is not a string.
        CacheConfigurationError: If the schema has no `ResponseCacheExtension`, or a tag is empty, too
            long or has control characters.

    Returns:
        An awaitable, which invalidates now.

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
    named: tuple[str, ...] = ()
    options = cache = None
    with beside_a_resolver(raises=MISUSE):
        named, options = checked_tags(tags), _options_of(info)
        with beside_a_resolver():
            cache = _noted(info, named)
    return _invalidate_now(info, named, options, cache)


async def _invalidate_now(
    info: Info, tags: tuple[str, ...], options: Options | None, cache: ResponseCache | None
) -> None:
    if options is None:  # a fault, which is noted
        return
    with beside_a_resolver():
        if cache is None:
            request = RequestContext(options, info.context, Guard(), synchronous=False)
            await request.ask(session=False)
            cache = request.tenant_cache()
        if cache is None:
            log_without_tenant()
        elif running_loop() is None:  # for example, under Trio
            cache.invalidate_sync(*tags, queued=True)
        else:
            await cache.invalidate(*tags, queued=True)


def invalidate_sync(info: Info, *tags: str) -> None:
    """Invalidate tags of this request's tenant, from a resolver; the sync form of `invalidate`.

    Args:
        info: The ``info`` that Strawberry passes to the resolver.
        *tags: The tags, as in `ResponseCache.invalidate`.

    Raises:
        TypeError: As `invalidate` does.
        CacheConfigurationError: As `invalidate` does.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import invalidate_sync
        >>> @strawberry.type
        ... class Mutation:
        ...     @strawberry.mutation
        ...     def import_entries(self, info: strawberry.Info) -> bool:
        ...         invalidate_sync(info, "Entry", "Account")
        ...         return True
    """
    with beside_a_resolver(raises=MISUSE):
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


def _noted(info: Info, tags: tuple[str, ...]) -> ResponseCache | None:
    """Note the tags for the end of the mutation; return the tenant's cache if it is known."""
    notes = notes_of(raw_info(info))
    if notes is None:
        return None
    notes.invalidated.update(tags)
    return notes.cache


def _options_of(info: Info) -> Options:
    """Return the configuration of the schema's extension.

    Raises:
        CacheConfigurationError: If the schema has no extension.
        TypeError: If ``info`` is not the ``info`` of a resolver.
    """
    raw_info(info)
    if (options := options_of(info.schema)) is None:
        msg = "The schema has no ResponseCacheExtension; register it in extensions=[...]."
        raise CacheConfigurationError(msg)
    return options
