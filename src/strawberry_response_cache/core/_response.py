"""What a caller gets back: the value, and what the cache did to obtain it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class CacheStatus(StrEnum):
    """Where a value came from, in one word."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"


class CacheDetail(StrEnum):
    """Why a value has the status that it has; this list is closed."""

    FRESH = "fresh"
    """HIT: read from Redis within its ttl."""
    LOCAL = "local"
    """HIT: read from this process's memory within its ttl."""
    STALE = "stale"
    """HIT: past its ttl, within its stale window; another caller refreshes it."""
    GENERATED = "generated"
    """MISS: the generator ran and its value was stored."""
    JOINED = "joined"
    """MISS: another caller of this process was generating the value, and it was shared. BYPASS: the
    same, and it could not be stored."""
    REFUSED = "refused"
    """MISS: an invalidation, or the loss of the lease, came before the commit; nothing was stored."""
    STORE_FAILURE = "store_failure"
    """BYPASS: Redis could not be read. MISS: the value was generated and could not be written."""
    TTL_ZERO = "ttl_zero"
    """BYPASS: a ttl of zero turns the cache off for this value."""
    UNCACHEABLE = "uncacheable"
    """BYPASS: the caller's own rule refused to store this value."""
    UNCACHEABLE_PART = "uncacheable_part"
    """BYPASS: the generator took a value from this cache that keeps the whole from being stored: it
    was stale, was not stored itself, or belongs to another tenant."""
    TOO_LARGE = "too_large"
    """BYPASS: the serialised value is over ``max_entry_bytes``."""
    INVALIDATION_PENDING = "invalidation_pending"
    """BYPASS: Redis has not taken a queued invalidation yet; until it has, nothing is read from it."""
    NO_LEASE = "no_lease"
    """BYPASS: the server takes no writes (full, or a read-only replica)."""
    WAITED_OUT = "waited_out"
    """BYPASS: somebody else's run took longer than ``wait_budget``, or ``max_waiting`` callers were
    waiting already."""
    REENTRANT = "reentrant"
    """BYPASS: the generator asked, directly or through others, for the key it was generating."""


@dataclass(frozen=True, slots=True)
class CachedResponse(Generic[T]):
    """A value and what the cache did to obtain it.

    Attributes:
        value: What the generator returned, now or earlier.
        status: `CacheStatus.HIT`, ``MISS`` or ``BYPASS``.
        detail: Why, as a `CacheDetail`.
        age: Seconds since the value was stored; 0 for a value just generated.
        ttl: Seconds for which the value stays fresh; 0 where nothing was stored.
    """

    value: T = field(repr=False)
    status: CacheStatus
    detail: CacheDetail
    age: float = 0.0
    ttl: float = 0.0
