"""Counts how operations and fields were answered."""

from strawberry_response_cache.core._counters import Counters
from strawberry_response_cache.core._observer import Scope
from strawberry_response_cache.graphql.execution.cached_execution import CacheResult
from strawberry_response_cache.graphql.policy.reasons import Reason


def count_result(counters: Counters, scope: Scope, cache_result: CacheResult) -> None:
    """Count what was answered through the cache.

    Args:
        counters: The counters of the cache.
        scope: ``operation`` or ``field``.
        cache_result: The answer; its outcome is asked only for why it is a bypass.
    """
    if counters.requests[scope].add(cache_result.response):
        counters.because((cache_result.outcome().reason or Reason.CACHE_FAULT).value)
