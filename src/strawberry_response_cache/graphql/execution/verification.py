"""Verification: executes an operation or field that the cache could answer, and compares both answers.

A verified run takes no lease, joins no other run and stores nothing, and answers no field below it from an entry.
The client gets its result. The stored answer is compared if its entry is still valid after the run.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from graphql import ExecutionResult
from pydantic_core import from_json

from strawberry_response_cache.core import CachedResponse, CacheSerializationError, CacheStatus
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._observer import Verdict
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core.serialization.codec import dump
from strawberry_response_cache.graphql._differences import first_difference
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.attempt import Attempt
from strawberry_response_cache.graphql.execution.attempt_result import verified_result
from strawberry_response_cache.graphql.execution.cache_request import CacheResult
from strawberry_response_cache.graphql.execution.failures import failure_of
from strawberry_response_cache.graphql.execution.verified_run import VerifiedRun
from strawberry_response_cache.graphql.policy.reasons import Problem


async def verified(
    attempt: Attempt,
    response: CachedResponse[Any],
    generate: Callable[[], Awaitable[Any]],
    prefetched: Prefetched | None,
) -> CacheResult:
    """Execute a request although the cache has answered it, compare both, and return what was executed."""
    asked, run = attempt.cache_request, attempt.verify()
    cache = tenant_of(asked.cache)
    if attempt.made_itself is None:  # else it is a refresh that failed
        await cache.generate(
            asked.keys, attempt.serializer, generate, asked.subject, prefetched=prefetched
        )
    found = Prefetched()
    if is_comparable(attempt, run, response):
        await cache.prefetch(found, [asked.keys], asked.subject)
    return compared(attempt, run, response, found)


def verified_sync(
    attempt: Attempt,
    response: CachedResponse[Any],
    generate: Callable[[], Any],
    prefetched: Prefetched | None,
) -> CacheResult:
    """Execute what the cache has answered, compare both, and return what was executed; the sync form of `verified`."""
    asked, run = attempt.cache_request, attempt.verify()
    cache = tenant_of(asked.cache)
    if attempt.made_itself is None:
        cache.generate_sync(
            asked.keys, attempt.serializer, generate, asked.subject, prefetched=prefetched
        )
    found = Prefetched()
    if is_comparable(attempt, run, response):
        cache.prefetch_sync(found, [asked.keys], asked.subject)
    return compared(attempt, run, response, found)


def is_comparable(attempt: Attempt, run: VerifiedRun, response: CachedResponse[Any]) -> bool:
    """Whether an answer of the cache can be compared, provided that its entry is still valid.

    It cannot if it is no hit, if the run failed, or if permission classes refused a field: they refuse it on a hit too.
    """
    real = attempt.made_itself
    if response.status is not CacheStatus.HIT or not isinstance(real, ExecutionResult):
        return False
    if real.errors and failure_of(real.errors) is not None:
        return False
    return attempt.cache_request.whole or not run.held_back


def compared(
    attempt: Attempt, run: VerifiedRun, response: CachedResponse[Any], found: Prefetched
) -> CacheResult:
    """Return the executed result, with the verdict of comparing it with the cache's answer.

    Args:
        attempt: The try that the cache answered.
        run: The verified run.
        response: The cache's answer.
        found: What was looked up after the run: the entry, if it can be compared and is still valid.
    """
    verdict = attempt.request.guard.step(_verdict, attempt, run, response, found)
    return verified_result(attempt, response, verdict)


def _verdict(
    attempt: Attempt, run: VerifiedRun, response: CachedResponse[Any], found: Prefetched
) -> Verdict | None:
    """Compare the cache's answer with the executed result; count the verdict, and log a wrong scope.

    Returns:
        The verdict; None if nothing was compared, because the entry is no longer valid after the run.
    """
    fresh = found.pop(attempt.cache_request.keys)
    if fresh is None or fresh.entry.write_id != response.write_id:
        return None
    real: Any = attempt.made_itself
    try:
        data = from_json(dump(real.data))
    except CacheSerializationError:
        return None
    path = first_difference(response.value.data, data)
    verdict: Verdict = "changed"
    if path is None and not real.errors:
        verdict = "equal"
    elif path is not None and _is_of_another(attempt.request, response.write_id):
        verdict = "scope"
        if not path and real.errors and attempt.cache_request.whole:
            path = tuple(real.errors[0].path or ())  # of what made all of the data null
        attempt.request.options.warnings.wrong_scope(run.coordinate(path))
    attempt.request.counters.verified[verdict] += 1
    return verdict


def _is_of_another(request: RequestContext, write_id: str) -> bool:
    """Whether another session than that of a request is known to have stored an entry for all sessions."""
    verification, session = request.options.verification, request.session()
    if verification is None or isinstance(session, Problem):
        return False
    return verification.is_of_another(write_id, session)
