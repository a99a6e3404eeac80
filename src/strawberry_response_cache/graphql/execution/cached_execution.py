"""Cached execution: of a whole operation or of one field, with the same rules."""

from collections.abc import Callable
from typing import Any, TypeAlias

from strawberry_response_cache.core import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core.protocol.entry import MARKER, Entry, UnreadableEntryError
from strawberry_response_cache.graphql._compat.sync_or_async import at_once
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.attempt import Attempt
from strawberry_response_cache.graphql.execution.attempt_result import cache_result_of
from strawberry_response_cache.graphql.execution.cache_request import (
    FAILED_IN_PART,
    CacheRequest,
    CacheResult,
)
from strawberry_response_cache.graphql.execution.obey_directives import is_too_old, obey, obey_sync
from strawberry_response_cache.graphql.execution.partial_failures import FailedInPart
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.execution.serializer import TurnedPrivate
from strawberry_response_cache.graphql.execution.varying import varies_by_more, varying
from strawberry_response_cache.graphql.execution.verification import verified, verified_sync
from strawberry_response_cache.graphql.http.request_directives import NOTHING_ASKED
from strawberry_response_cache.graphql.policy.reasons import Problem

Execute: TypeAlias = Callable[[Recorder], Any]
"""Executes, watched by the recorder; returns an `ExecutionResult`, or an awaitable of one."""


def result_in_memory(cache_request: CacheRequest, request: RequestContext) -> CacheResult | None:
    """Return a hit from local memory; None if Redis has to be asked.

    A request with cache directives, or one that is verified, is never answered from local memory here.

    Args:
        cache_request: The request to the cache, for an operation.
        request: The context of the request; the functions that the key depends on were called.
    """
    if request.directives is not NOTHING_ASKED or request.is_verified:
        return None
    tenant = tenant_of(cache_request.cache)
    memory = tenant.memory_sync() if request.is_synchronous else tenant.memory()
    entry = None if memory is None else memory.get(cache_request.keys)
    if entry is None or entry.recording.meta.endswith(MARKER):
        return None
    try:
        return stored_result(cache_request, request, entry, CacheDetail.LOCAL)
    except UnreadableEntryError:
        return None  # the core drops it and asks Redis


def stored_result(
    cache_request: CacheRequest, request: RequestContext, entry: Entry, detail: CacheDetail
) -> CacheResult:
    """Return the result of a fresh entry.

    Raises:
        UnreadableEntryError: If it cannot be read as the entry of this request, or is a marker.
    """
    attempt = Attempt(cache_request, request)
    value = attempt.serializer.read(entry.recording)
    if isinstance(value, TurnedPrivate | FailedInPart):
        raise UnreadableEntryError
    saved = entry.recording.cost_ms / 1000
    response = CachedResponse(value, CacheStatus.HIT, detail, entry.age, entry.ttl, saved)
    return cache_result_of(attempt, response)


async def execute_cached(
    cache_request: CacheRequest,
    request: RequestContext,
    execute: Execute,
    prefetched: Prefetched | None = None,
) -> CacheResult | Problem:
    """Answer a request from the cache or by executing it; or return why the cache cannot answer it."""
    _note_as_part(cache_request)
    directives, is_renewed, varied = request.directives, False, cache_request.policy.vary
    is_verified = request.is_verified
    while True:
        ready: Prefetched | Problem | None = prefetched
        if is_renewed or directives is not NOTHING_ASKED:
            ready = await obey(cache_request, prefetched, directives, renews=is_renewed)
        if isinstance(ready, Problem):
            return ready
        attempt = Attempt(cache_request, request)

        async def generate(attempt: Attempt = attempt) -> Any:  # noqa: ANN401 - whatever an executor returns
            await request.ask_session()
            with varying(varied):
                return attempt.made(await execute(attempt.begin()))

        response = await tenant_of(cache_request.cache).run(
            cache_request.keys,
            attempt.serializer,
            generate,
            cache_request.subject,
            prefetched=ready,
            budget=request.wait_budget,
        )
        if isinstance(response.value, FailedInPart):
            return FAILED_IN_PART
        is_marker = isinstance(response.value, TurnedPrivate)
        if not (is_renewed or is_marker) and is_too_old(response, directives):
            is_renewed = True
        elif not is_marker:
            if is_verified and not attempt.has_generated(response):
                return await verified(attempt, response, generate, ready)
            return cache_result_of(attempt, response)
        else:
            await request.ask_session()
            found = cache_request.for_session(request)
            if isinstance(found, Problem):
                return found
            cache_request = found


def execute_cached_sync(
    cache_request: CacheRequest,
    request: RequestContext,
    execute: Execute,
    prefetched: Prefetched | None = None,
) -> CacheResult | Problem:
    """Answer a request from the cache or by executing it, in the caller's thread; the sync form of `execute_cached`."""
    _note_as_part(cache_request)
    directives, is_renewed, varied = request.directives, False, cache_request.policy.vary
    is_verified = request.is_verified
    while True:
        ready: Prefetched | Problem | None = prefetched
        if is_renewed or directives is not NOTHING_ASKED:
            ready = obey_sync(cache_request, prefetched, directives, renews=is_renewed)
        if isinstance(ready, Problem):
            return ready
        attempt = Attempt(cache_request, request)

        def generate(attempt: Attempt = attempt) -> Any:  # noqa: ANN401 - whatever an executor returns
            at_once(request.ask_session)
            with varying(varied):
                return attempt.made(execute(attempt.begin()))

        response = tenant_of(cache_request.cache).run_sync(
            cache_request.keys,
            attempt.serializer,
            generate,
            cache_request.subject,
            prefetched=ready,
            budget=request.wait_budget,
        )
        if isinstance(response.value, FailedInPart):
            return FAILED_IN_PART
        is_marker = isinstance(response.value, TurnedPrivate)
        if not (is_renewed or is_marker) and is_too_old(response, directives):
            is_renewed = True
        elif not is_marker:
            if is_verified and not attempt.has_generated(response):
                return verified_sync(attempt, response, generate, ready)
            return cache_result_of(attempt, response)
        else:
            at_once(request.ask_session)
            found = cache_request.for_session(request)
            if isinstance(found, Problem):
                return found
            cache_request = found


def _note_as_part(cache_request: CacheRequest) -> None:
    """Keep an outer entry from being stored, if this operation varies by more than the key of the outer entry.

    There is an outer entry if a resolver executes this operation while that entry is generated.
    """
    # A field needs no such check: the policy of its operation covers it.
    if cache_request.whole and varies_by_more(cache_request.policy.vary):
        tenant_of(cache_request.cache).note_unfit_part()
