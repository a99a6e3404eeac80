"""The requests of one scope, or of one operation, by result."""

from typing import Any, Final

from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._statistics import RequestStatistics

_HIT: Final = CacheStatus.HIT
_BYPASS: Final = CacheStatus.BYPASS
_LOCAL: Final = CacheDetail.LOCAL
_STALE: Final = CacheDetail.STALE
_JOINED: Final = CacheDetail.JOINED


class RequestCounters:
    """The requests of one scope, or of one operation, by result."""

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
        """Set everything to 0."""
        self.local_hits = self.redis_hits = self.stale_hits = 0
        self.coalesced = self.misses = self.bypasses = 0
        self.saved = 0.0

    def hit_locally(self, saved: float) -> None:
        """Count a hit on the fast path of local memory; ``saved`` is as in `hit`."""
        self.local_hits += 1
        self.saved += saved

    def hit(self, saved: float, *, is_local: bool) -> None:
        """Count a hit for which no `CachedResponse` was made.

        Args:
            saved: The seconds that its value took when it was generated.
            is_local: Whether local memory answered it.
        """
        self.saved += saved
        if is_local:
            self.local_hits += 1
        else:
            self.redis_hits += 1

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
        """Return the counts, as a copy that does not change."""
        return RequestStatistics(**{name: getattr(self, name) for name in self.__slots__})
