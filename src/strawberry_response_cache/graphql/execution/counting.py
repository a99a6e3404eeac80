"""Counts how operations and fields were answered."""

from typing import TYPE_CHECKING, Final

from graphql import OperationDefinitionNode

from strawberry_response_cache.core._counters import Counters
from strawberry_response_cache.core._observer import Scope
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.graphql.execution.cache_request import CacheResult
from strawberry_response_cache.graphql.policy.reasons import Reason

if TYPE_CHECKING:
    from strawberry_response_cache.core._operations import OperationCounters


def count_result(counters: Counters, scope: Scope, cache_result: CacheResult) -> None:
    """Count what was answered through the cache.

    Args:
        counters: The counters of the cache.
        scope: ``operation`` or ``field``.
        cache_result: The answer; its outcome is called only for the reason of a bypass.
    """
    if counters.requests[scope].add(cache_result.response):
        counters.because((cache_result.outcome().reason or Reason.CACHE_FAULT).value)


def count_hit(counters: Counters, name: str | None, key: str, hit: CachedResponse[None]) -> None:
    """Count a hit with which the middleware answered an operation, without parsing it."""
    counters.requests["operation"].add(hit)
    if counters.operations is not None:
        figures = counters.operations.of(name)
        figures.requests.add(hit)
        figures.keys.note(key)


class OperationCount:
    """Counts one operation, also under its name if the cache counts by name.

    Attributes:
        is_counted: Whether it is counted.
    """

    __slots__ = ("_counters", "_figures", "_is_generated", "is_counted")

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._figures: OperationCounters | None = None
        self._is_generated = False
        self.is_counted = False

    def begin(self, operation: OperationDefinitionNode) -> None:
        """Look up the counters of the operation's name, if the cache counts by name."""
        if self._counters.operations is not None:
            name = None if operation.name is None else operation.name.value
            self._figures = self._counters.operations.of(name)

    def cached(self, key: str, cache_result: CacheResult) -> None:
        """Count the operation as answered through the cache."""
        self.is_counted = True
        count_result(self._counters, "operation", cache_result)
        if self._figures is not None:
            response = cache_result.response
            self._figures.requests.add(response)
            self._figures.keys.note(key)
            is_joined = response.detail is CacheDetail.JOINED
            self._is_generated = response.status is not CacheStatus.HIT and not is_joined

    def bypassed(self, reason: Reason) -> None:
        """Count the operation as answered without the cache."""
        self.is_counted = True
        self._counters.bypassed("operation", reason._value_)  # `value` is two calls
        if self._figures is not None:
            self._figures.requests.bypasses += 1
            self._is_generated = reason not in _NEVER_CACHED

    def took(self, seconds: float) -> None:
        """Add the time of the execution to the counters of its name, if a hit would have saved it."""
        if self._figures is not None and self._is_generated:
            self._figures.impact += seconds


_NEVER_CACHED: Final = frozenset({Reason.MUTATION, Reason.SUBSCRIPTION})
