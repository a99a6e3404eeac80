"""What a cache counts in this process: plain integers, so that counting costs a hit next to nothing.

`ResponseCache.statistics` copies them, and metrics are read from such a copy. An increment that two threads make at
the same moment may be lost where Python runs threads in parallel.
"""

from typing import Any

from strawberry_response_cache.core._field_costs import FieldCosts
from strawberry_response_cache.core._observer import SCOPES, Scope
from strawberry_response_cache.core._operations import OperationNames
from strawberry_response_cache.core._request_counters import RequestCounters
from strawberry_response_cache.core._response import CachedResponse
from strawberry_response_cache.core._statistics import CallStatistics


class CallCounters:
    """Calls that take time: how many there were, how many failed, and how long all took together."""

    __slots__ = ("calls", "failures", "seconds")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Set everything to 0."""
        self.calls = self.failures = 0
        self.seconds = 0.0

    def add(self, seconds: float, *, failed: bool) -> None:
        """Count a call."""
        self.calls += 1
        self.failures += failed
        self.seconds += seconds

    @property
    def successes(self) -> int:
        """How many calls did not fail."""
        return self.calls - self.failures

    def statistics(self) -> CallStatistics:
        """Return the counts, as a copy that does not change."""
        return CallStatistics(calls=self.calls, failures=self.failures, seconds=self.seconds)


class Counters:
    """What one cache counts, with all its tenants.

    Args:
        operation_names: How many names of operations are counted each by itself; 0 for none.

    Attributes:
        requests: The requests of each scope.
        operations: What is counted of operations by their names; None if ``operation_names`` is 0.
        bypasses: The requests that were answered without the cache, by reason.
        loads: The runs of generators, operations and fields, by scope.
        calls: The calls of the store, by operation: ``get``, ``put`` and ``invalidate``.
        invalidations: The invalidations, by kind: ``tags``, ``key`` and ``clear``.
        verified: The hits that were executed as well, to compare, by the result of the comparison.
        evictions: Entries that left local memory because it was full.
        field_costs: How long fields with entries of their own take.
    """

    def __init__(self, operation_names: int = 0) -> None:
        self.requests: dict[Scope, RequestCounters] = {each: RequestCounters() for each in SCOPES}
        self.operations = OperationNames(operation_names) if operation_names else None
        self.bypasses: dict[str, int] = {}
        self.loads: dict[Scope, CallCounters] = {each: CallCounters() for each in SCOPES}
        self.calls = {name: CallCounters() for name in ("get", "put", "invalidate")}
        self.invalidations: dict[str, int] = {}
        self.verified: dict[str, int] = {"equal": 0, "changed": 0, "scope": 0}
        self.evictions = 0
        self.field_costs = FieldCosts()

    def reset(self) -> None:
        """Set everything to 0: a forked child does not report what its parent has counted.

        The objects stay, because some are referred to from elsewhere.
        """
        for requests in self.requests.values():
            requests.reset()
        for calls in (*self.loads.values(), *self.calls.values()):
            calls.reset()
        if self.operations is not None:
            self.operations.reset()
        self.bypasses.clear()
        self.invalidations.clear()
        self.verified.update(equal=0, changed=0, scope=0)
        self.evictions = 0
        self.field_costs.reset()

    def answered(self, scope: Scope, response: CachedResponse[Any]) -> None:
        """Count a request by its response; for a bypass, count the reason too."""
        if self.requests[scope].add(response):
            self.because(response.detail.value)

    def bypassed(self, scope: Scope, reason: str) -> None:
        """Count a request that was answered without the cache."""
        self.requests[scope].bypasses += 1
        self.because(reason)

    def because(self, reason: str) -> None:
        """Count the reason of a bypass that is counted already."""
        self.bypasses[reason] = self.bypasses.get(reason, 0) + 1

    def evicted(self) -> None:
        """Count an entry that left local memory because it was full."""
        self.evictions += 1

    def invalidated(self, kind: str) -> None:
        """Count an invalidation."""
        self.invalidations[kind] = self.invalidations.get(kind, 0) + 1
