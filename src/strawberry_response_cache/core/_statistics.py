"""What `ResponseCache.statistics` returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStatistics:
    """How requests were answered since this process began. Each request is counted once.

    A call that raised counts as a miss; one that was cancelled is not counted.

    Attributes:
        local_hits: Answered from local memory.
        redis_hits: Answered from Redis within the ttl.
        stale_hits: Answered from Redis after the ttl, within the stale window.
        coalesced: Answered by a run of another caller in this process, which they joined.
        misses: Generated, and meant to be stored.
        bypasses: Generated without the cache.
        saved: The seconds that generating the values of all hits took; each value is counted in whole milliseconds.

    Example:
        >>> requests = RequestStatistics(redis_hits=3, misses=1, saved=0.6)
        >>> requests.hits, requests.total, requests.hit_ratio
        (3, 4, 0.75)
    """

    local_hits: int = 0
    redis_hits: int = 0
    stale_hits: int = 0
    coalesced: int = 0
    misses: int = 0
    bypasses: int = 0
    saved: float = 0.0

    @property
    def hits(self) -> int:
        """All hits: from local memory, from Redis, and stale ones."""
        return self.local_hits + self.redis_hits + self.stale_hits

    @property
    def total(self) -> int:
        """All requests."""
        return self.hits + self.coalesced + self.misses + self.bypasses

    @property
    def hit_ratio(self) -> float | None:
        """The share of all requests that were hits, from 0 to 1; None if there were no requests."""
        return self.hits / self.total if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStatistics:
    """How requests of one GraphQL operation were answered since this process began.

    Attributes:
        requests: The requests, by result.
        impact: The seconds that generated requests took: calls x cost x missed share. It is what the cache
            could save. Mutations and subscriptions are not counted.
        hit_limit: The highest hit ratio, from 0 to 1, that the keys allow: the share of calls that came after another
            call with the same key. It is estimated from a sample. None if no call had a key, which is so for an
            operation that cannot be cached as a whole.

    Example:
        >>> requests = RequestStatistics(redis_hits=2, misses=1, bypasses=1)
        >>> OperationStatistics(requests=requests, impact=0.5).cost
        0.25
    """

    requests: RequestStatistics = field(default_factory=RequestStatistics)
    impact: float = 0.0
    hit_limit: float | None = None

    @property
    def cost(self) -> float | None:
        """The average seconds that a generated request takes; None if there was none."""
        generated = self.requests.misses + self.requests.bypasses
        return self.impact / generated if generated else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStatistics:
    """How long calls took since this process began.

    Attributes:
        calls: Their number, failed ones included.
        failures: How many of them raised, or were not answered.
        seconds: How long all of them took together.

    Example:
        >>> from strawberry_response_cache import ResponseCache
        >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
        ...     page = cache.remember_sync(["totals"], 60, lambda: 12)
        ...     lookups = cache.statistics().store["get"]
        >>> lookups.calls, lookups.failures, lookups.seconds < 60
        (1, 0, True)
    """

    calls: int = 0
    failures: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatistics:
    """The counts of what a cache did in this process, with all its tenants; its metrics show the same.

    Attributes:
        operations: Requests of GraphQL operations.
        by_operation: The counts of operations by name, if the setting ``operation_names`` asks for them. ``_other``
            stands for operations that are not counted by their own name, and for those without a name.
        fields: Requests of GraphQL fields with entries of their own.
        values: Calls of `ResponseCache.remember` and of what is built on it. In a call for many keys, each key counts.
        bypasses: The operations, fields and values that were answered without the cache, by reason.
        loads: What ran because its value was not cached, by scope: ``operation``, ``field`` and ``value``. A load of
            many keys at once counts once.
        store: The calls of the store, by operation: ``get``, ``put`` and ``invalidate``.
        invalidations: The invalidations that Redis took or that wait for it, by kind: ``tags``, ``key`` and
            ``clear``.
        verified: The hits that were executed as well, to compare, by result: ``equal``; ``changed``, another answer;
            ``scope``, another answer to another session than the one that stored it.
        pending_invalidations: How many tags, and tenants to be cleared, are queued because Redis did not take them yet.
        local_entries: The entries in local memory.
        local_bytes: Their approximate size in bytes.
        evictions: Entries that left local memory because it was full.
        is_breaker_open: Whether a server is not read now, because it failed several times in a row.
        faults: The faults of this package that were caught, in this process; each request was answered.

    Example:
        >>> from strawberry_response_cache import ResponseCache
        >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
        ...     for _ in range(3):
        ...         page = cache.remember_sync(["totals"], 60, lambda: 12)
        ...     statistics = cache.statistics()
        >>> statistics.values.hits, statistics.values.misses, statistics.loads["value"].calls
        (2, 1, 1)
    """

    operations: RequestStatistics = field(default_factory=RequestStatistics)
    by_operation: Mapping[str, OperationStatistics] = field(default_factory=dict)
    fields: RequestStatistics = field(default_factory=RequestStatistics)
    values: RequestStatistics = field(default_factory=RequestStatistics)
    bypasses: Mapping[str, int] = field(default_factory=dict)
    loads: Mapping[str, CallStatistics] = field(default_factory=dict)
    store: Mapping[str, CallStatistics] = field(default_factory=dict)
    invalidations: Mapping[str, int] = field(default_factory=dict)
    verified: Mapping[str, int] = field(default_factory=dict)
    pending_invalidations: int = 0
    local_entries: int = 0
    local_bytes: int = 0
    evictions: int = 0
    is_breaker_open: bool = False
    faults: int = 0
