"""What is counted by the name of an operation: plain numbers, for a bounded number of names."""

import threading
from typing import Final

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._request_counters import RequestCounters
from strawberry_response_cache.core._statistics import OperationStatistics

OTHER: Final = "_other"
"""Stands for operations that are not counted by their own name, and for those without a name."""
_LONGEST: Final = 64
"""Characters of the longest name that is counted by itself: clients choose the names."""
_MOST_KEYS: Final = 256


class KeyEstimate:
    """How many different keys there were, estimated from a sample in bounded memory.

    A sample holds the keys whose hashes end in some number of zero bits. When it is full, it demands one
    more bit, which leaves half of it. Up to 256 keys are counted exactly; above, the standard error is about 8 %.

    Source: Flajolet, "On adaptive sampling" (Computing 43, 1990), https://doi.org/10.1007/BF02241657

    Example:
        >>> estimate = KeyEstimate()
        >>> for key in ["a", "b", "a", "a"]:
        ...     estimate.note(key)
        >>> estimate.number, estimate.hit_limit
        (2, 0.5)
    """

    __slots__ = ("_calls", "_mask", "_sample")

    def __init__(self) -> None:
        self._calls = self._mask = 0
        self._sample: set[int] = set()

    def note(self, key: str) -> None:
        """Count a call that has this key."""
        self._calls += 1
        # Python's hashes differ between processes, so no client can choose keys that distort the sample.
        number = hash(key)
        if not number & self._mask:
            self._sample.add(number)
            if len(self._sample) > _MOST_KEYS:
                self._mask = mask = self._mask << 1 | 1
                self._sample = {each for each in [*self._sample] if not each & mask}

    @property
    def number(self) -> int:
        """The estimated number of different keys."""
        return len(self._sample) * (self._mask + 1)

    @property
    def hit_limit(self) -> float | None:
        """The share of calls that came after another with the same key, from 0 to 1; None without calls."""
        return max(0.0, 1 - self.number / self._calls) if self._calls else None


class OperationCounters:
    """What is counted of one operation.

    Attributes:
        requests: The requests, by result.
        impact: The seconds that generated requests took.
        keys: The keys of the requests that have one.
    """

    __slots__ = ("impact", "keys", "requests")

    def __init__(self) -> None:
        self.requests = RequestCounters()
        self.impact = 0.0
        self.keys = KeyEstimate()

    def statistics(self) -> OperationStatistics:
        """Return the counts, as a copy that does not change."""
        return OperationStatistics(
            requests=self.requests.statistics(),
            impact=self.impact,
            hit_limit=self.keys.hit_limit,
        )


class OperationNames:
    """Counts operations by name: the first names each by itself, all others together as `OTHER`.

    Args:
        most: How many names are counted each by itself.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self.reset()

    def reset(self) -> None:
        """Set everything to 0."""
        self._named: dict[str | None, OperationCounters] = {}
        self._rest = OperationCounters()

    def of(self, name: str | None) -> OperationCounters:
        """Return the counters of an operation; those of `OTHER` if it is not counted by itself."""
        return self._named.get(name) or self._new(name)

    def _new(self, name: str | None) -> OperationCounters:
        if name is None or name == OTHER or len(name) > _LONGEST or len(self._named) >= self._most:
            return self._rest
        with self._lock:  # two threads must not exceed the bound
            if len(self._named) >= self._most:
                return self._named.get(name, self._rest)
            return self._named.setdefault(name, OperationCounters())

    def statistics(self) -> dict[str, OperationStatistics]:
        """Return the counts by name, as a copy that does not change."""
        named = {str(name): each.statistics() for name, each in self._named.copy().items()}
        rest = self._rest.statistics()
        return {**named, OTHER: rest} if rest.requests.total else named
