"""What is counted by the name of an operation: plain numbers, for a bounded number of names."""

import threading
from typing import Final

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._request_counters import RequestCounters
from strawberry_response_cache.core._statistics import OperationStatistics

OTHER: Final = "_other"
"""Stands for operations that have no figures of their own, and for those without a name."""
_LONGEST: Final = 64
"""Characters of a name: clients choose them."""
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
        # A hash of Python differs between processes: no client can aim at the sample.
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
    """The figures of one operation.

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
        """Return a copy."""
        return OperationStatistics(
            requests=self.requests.statistics(),
            impact=self.impact,
            hit_limit=self.keys.hit_limit,
        )


class OperationNames:
    """The figures of all operations: the first names have their own, and the rest shares `OTHER`.

    Args:
        most: How many names have figures of their own.
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
        """Return the figures of an operation."""
        return self._named.get(name) or self._new(name)

    def _new(self, name: str | None) -> OperationCounters:
        if name is None or name == OTHER or len(name) > _LONGEST or len(self._named) >= self._most:
            return self._rest
        with self._lock:  # two threads must not exceed the bound
            if len(self._named) >= self._most:
                return self._named.get(name, self._rest)
            return self._named.setdefault(name, OperationCounters())

    def statistics(self) -> dict[str, OperationStatistics]:
        """Return a copy, by name."""
        named = {str(name): each.statistics() for name, each in self._named.copy().items()}
        rest = self._rest.statistics()
        return {**named, OTHER: rest} if rest.requests.total else named
