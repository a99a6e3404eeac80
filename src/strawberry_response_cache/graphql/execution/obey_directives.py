"""Obeys the cache directives of a request: ``no-cache``, ``max-age`` and ``only-if-cached``."""

from typing import Any

from strawberry_response_cache.core import CachedResponse, CacheStoreError
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.http.request_directives import RequestDirectives
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason


async def obey(
    cache_request: CacheRequest,
    prefetched: Prefetched | None,
    directives: RequestDirectives,
    *,
    renews: bool,
) -> Prefetched | Problem | None:
    """Forget the entry for ``no-cache`` or a renewal, or look it up for ``only-if-cached``.

    Returns:
        The prefetched entries from which to answer; or why the cache cannot obey the request.
    """
    cache, keys = tenant_of(cache_request.cache), cache_request.keys
    is_unwanted = directives.no_cache or renews
    if directives.only_if_cached:
        found = Prefetched()
        if not is_unwanted:
            await cache.prefetch(found, [keys], cache_request.subject)
        return found if found.has(keys) else Problem(Reason.ONLY_IF_CACHED)
    if is_unwanted:
        try:
            await cache.forget(keys)  # also if it is prefetched
        except CacheStoreError:
            return Problem(Reason.STORE_FAILURE)
    return prefetched  # with the clock that was read before anything was loaded


def obey_sync(
    cache_request: CacheRequest,
    prefetched: Prefetched | None,
    directives: RequestDirectives,
    *,
    renews: bool,
) -> Prefetched | Problem | None:
    """Forget the entry for ``no-cache`` or a renewal, or look it up for ``only-if-cached``; the sync form of `obey`."""
    cache, keys = tenant_of(cache_request.cache), cache_request.keys
    is_unwanted = directives.no_cache or renews
    if directives.only_if_cached:
        found = Prefetched()
        if not is_unwanted:
            cache.prefetch_sync(found, [keys], cache_request.subject)
        return found if found.has(keys) else Problem(Reason.ONLY_IF_CACHED)
    if is_unwanted:
        try:
            cache.forget_sync(keys)  # also if it is prefetched
        except CacheStoreError:
            return Problem(Reason.STORE_FAILURE)
    return prefetched  # with the clock that was read before anything was loaded


def is_too_old(response: CachedResponse[Any], directives: RequestDirectives) -> bool:
    """Whether a response is older than its request accepts; one that was just generated never is."""
    return directives.max_age is not None and response.age > directives.max_age
