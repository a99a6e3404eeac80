"""What a cache counts in this process: plain integers, so that counting costs a hit next to nothing.

`ResponseCache.statistics` copies them, and metrics are read from such a copy. An increment that two threads make at
the same moment may be lost where Python runs threads in parallel.
"""

from typing import Any, Final

from strawberry_response_cache.core._observer import Scope
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._statistics import CallStatistics, RequestStatistics

_HIT: Final = CacheStatus.HIT
_BYPASS: Final = CacheStatus.BYPASS
_LOCAL: Final = CacheDetail.LOCAL
_STALE: Final = CacheDetail.STALE
_JOINED: Final = CacheDetail.JOINED


class RequestCounters:
    """The requests of one scope, by result."""

    __slots__ = (
        "bypasses",
        "coalesced",
        "local_hits",
        "misses",
        "redis_hits",
        "saved",
        "stale_hits",
    )

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin at 0 again."""
        self.local_hits = self.redis_hits = self.stale_hits = 0
        self.coalesced = self.misses = self.bypasses = 0
        self.saved = 0.0

    def hit_locally(self, saved: float) -> None:
        """Count a hit in local memory, on its fast path."""
        self.local_hits += 1
        self.saved += saved

    def add(self, response: CachedResponse[Any]) -> bool:
        """Count a request by its response.

        Returns:
            Whether it counts as a bypass, whose reason is still to be counted.
        """
        detail = response.detail
        if response.status is _HIT:
            self.saved += response.saved
            if detail is _LOCAL:
                self.local_hits += 1
            elif detail is _STALE:
                self.stale_hits += 1
            else:
                self.redis_hits += 1
        elif detail is _JOINED:
            self.coalesced += 1
        elif response.status is _BYPASS:
            self.bypasses += 1
            return True
        else:
            self.misses += 1
        return False

    def statistics(self) -> RequestStatistics:
        """Return a copy."""
        return RequestStatistics(
            local_hits=self.local_hits,
            redis_hits=self.redis_hits,
            stale_hits=self.stale_hits,
            coalesced=self.coalesced,
            misses=self.misses,
            bypasses=self.bypasses,
            saved=self.saved,
        )


class CallCounters:
    """Calls that take time: how many there were, how many failed, and how long all took together."""

    __slots__ = ("calls", "failures", "seconds")

    def __init__(self) -> None:
        self.calls = self.failures = 0
        self.seconds = 0.0

    def add(self, seconds: float, *, failed: bool) -> None:
        """Count a call."""
        self.calls += 1
        self.failures += failed
        self.seconds += seconds

    def statistics(self) -> CallStatistics:
        """Return a copy."""
        return CallStatistics(calls=self.calls, failures=self.failures, seconds=self.seconds)


class Counters:
    """What one cache counts, with all its tenants.

    Attributes:
        requests: The requests of each scope.
        bypasses: The requests that were answered without the cache, by reason.
        loads: The runs of generators, operations and fields, by scope.
        calls: The calls of the store, by operation: ``get``, ``put`` and ``invalidate``.
        invalidations: The invalidations, by kind: ``tags``, ``key`` and ``clear``.
        evictions: Entries that left local memory because it was full.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin at 0 again: what a parent process has counted is not for its child to report."""
        self.requests: dict[Scope, RequestCounters] = {
            "operation": RequestCounters(),
            "field": RequestCounters(),
            "value": RequestCounters(),
        }
        self.bypasses: dict[str, int] = {}
        self.loads: dict[Scope, CallCounters] = {
            "operation": CallCounters(),
            "field": CallCounters(),
            "value": CallCounters(),
        }
        self.calls = {name: CallCounters() for name in ("get", "put", "invalidate")}
        self.invalidations: dict[str, int] = {}
        self.evictions = 0

    def answered(self, scope: Scope, response: CachedResponse[Any]) -> None:
        """Count a request of the core, whose response tells why it was a bypass."""
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
