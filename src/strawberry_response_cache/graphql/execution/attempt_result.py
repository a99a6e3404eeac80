"""Makes cache results: what the cache did, and for how long browsers and CDNs may store the response."""

from dataclasses import replace
from functools import partial
from typing import Any, Final

from graphql import ExecutionResult

from strawberry_response_cache.core import CacheDetail, CachedResponse, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.graphql.execution.attempt import Attempt
from strawberry_response_cache.graphql.execution.cache_request import CacheResult
from strawberry_response_cache.graphql.http.freshness import Freshness
from strawberry_response_cache.graphql.http.gateway_tags import unpacked_entities
from strawberry_response_cache.graphql.policy.outcome import Outcome, Status
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

_ROUNDING: Final = 1.0
"""The rounding error, in seconds, of an age and a ttl from Redis together."""
_WRONG_SCOPE: Final = (
    "A PUBLIC field depends on the session: another session stored another answer. The log names the field; give it "
    "scope=CacheScope.PRIVATE."
)


def verified_result(
    attempt: Attempt, response: CachedResponse[Any], verdict: str | None
) -> CacheResult:
    """Return the result that a verified run executed; it is counted as the answer that the cache gave."""
    advice = _WRONG_SCOPE if verdict == "scope" else ""
    outcome = replace(Outcome.of(Problem(Reason.VERIFIED, None, advice)), verified=verdict)
    made: Any = attempt.made_itself
    return CacheResult(made, lambda: outcome, made is not None, lambda: None, response)


def cache_result_of(attempt: Attempt, response: CachedResponse[Any]) -> CacheResult:
    """Return the cache result of an attempt; for verification, note whose session stored a new entry."""
    if response.status is not CacheStatus.HIT and response.write_id:
        _note_stored(attempt, response.write_id)
    if response.detail is CacheDetail.WAITED_OUT and attempt.request.is_verified:
        joined = replace(response, status=CacheStatus.MISS, detail=CacheDetail.JOINED)
        return verified_result(attempt, joined, None)
    return CacheResult(
        response.value,
        partial(_outcome, attempt, response),
        attempt.made_itself is not None,
        partial(_freshness, attempt, response),
        response,
    )


def _note_stored(attempt: Attempt, write_id: str) -> None:
    """Note whose session stored an entry that all sessions share, if hits are verified."""
    verification, session = attempt.request.options.verification, attempt.request.session()
    if verification is None or attempt.serializer.is_private:
        return
    if not isinstance(session, Problem):
        verification.note_stored(write_id, session)


def _freshness(attempt: Attempt, response: CachedResponse[Any]) -> Freshness | None:
    stored = attempt.serializer.stored
    is_hit = response.status is CacheStatus.HIT
    if attempt.request.is_verified:
        return None  # browsers and CDNs must not answer requests that are to be verified
    if stored is None or not (is_hit or response.ttl > 0):
        return None
    lifetime = stored.lifetime if is_hit else response.ttl
    policy, cache = attempt.cache_request.policy, attempt.cache_request.cache
    return Freshness(
        lifetime=lifetime,
        is_shortened=_is_shortened(policy, cache, lifetime),
        stale=stored.stale,
        age=response.age,
        is_shared=not attempt.serializer.is_private,
        validator=stored.validator,
        tags=stored.tags,
        entity_tags=unpacked_entities(stored.entities, stored.tags) if stored.entities else None,
    )


def _outcome(attempt: Attempt, response: CachedResponse[Any]) -> Outcome:
    serializer = attempt.serializer
    policy, cache = attempt.cache_request.policy, attempt.cache_request.cache
    scope = "PRIVATE" if serializer.is_private else "PUBLIC"
    match response.status:
        case CacheStatus.HIT:
            status: Status = "stale" if response.detail is CacheDetail.STALE else "hit"
            life = response.age + response.ttl
            return Outcome(
                status,
                age=response.age,
                ttl=response.ttl,
                scope=scope,
                limited_by=limiting_field(policy, cache, life) if status == "hit" else None,
            )
        case CacheStatus.MISS if response.ttl > 0:
            limited_by = serializer.limited_by or limiting_field(policy, cache, response.ttl)
            return Outcome(
                "miss",
                age=0,
                ttl=response.ttl,
                scope=scope,
                limited_by=limited_by,
                is_collapsed=response.detail is CacheDetail.JOINED,
            )
        case CacheStatus.MISS:  # it was generated but could not be stored
            reason = Reason.of(response.detail) or Reason.CACHE_FAULT
            return Outcome("miss", reason, reason.advice, age=0, scope=scope)
        case _:
            reason = serializer.refusal or _not_shared_because_of(attempt, response.detail)
            return Outcome("bypass", reason, reason.advice)


def _not_shared_because_of(attempt: Attempt, detail: CacheDetail) -> Reason:
    made = attempt.made_itself
    if detail is CacheDetail.UNCACHEABLE and isinstance(made, ExecutionResult) and made.errors:
        return Reason.ERRORS  # it waited for a run that failed, and its own run failed too
    return Reason.of(detail) or Reason.CACHE_FAULT


def limiting_field(policy: Policy, cache: ResponseCache, life: float) -> str | None:
    """Return the field whose annotation set the ttl of an entry; None if the entry lives shorter than that.

    Args:
        policy: The policy of the operation or field.
        cache: The tenant's cache.
        life: Seconds from the storing of the entry to its end.
    """
    return policy.limited_by if life >= _shortest(policy, cache) - _ROUNDING else None


def _is_shortened(policy: Policy, cache: ResponseCache, life: float) -> bool:
    """Whether an entry lives shorter than its annotations say: by a resolver, a part or ``negative_ttl``."""
    shortest = _shortest(policy, cache)
    # A part that was stored with the entry expires a moment earlier.
    return life < shortest - min(_ROUNDING, shortest / 10)


def _shortest(policy: Policy, cache: ResponseCache) -> float:
    """Return the shortest ttl that the annotations give an entry, in seconds: less the largest jitter."""
    return (policy.ttl or 0.0) * (1 - tenant_of(cache).jitter)
