"""How long fields with entries of their own take in this process, to generate and to look up; bounded."""

import statistics
from collections import deque
from typing import Final

_SAMPLES: Final = 32
"""How many of the latest times are kept for each median."""
_FEWEST: Final = 16
"""Fewer times than this give no median."""
_MOST_FIELDS: Final = 1000


class FieldCosts:
    """Running medians of how long fields take, in seconds.

    Example:
        >>> costs = FieldCosts()
        >>> for _ in range(20):
        ...     costs.generated("Account.name", 0.00001)
        ...     costs.looked_up(0.0003)
        >>> costs.generating("Account.name"), costs.looking_up(), costs.generating("Account.balance")
        (1e-05, 0.0003, None)
    """

    __slots__ = ("_generated", "_looked_up")

    def __init__(self) -> None:
        self._generated: dict[str, deque[float]] = {}
        self._looked_up: deque[float] = deque(maxlen=_SAMPLES)

    def reset(self) -> None:
        """Drop all times."""
        self._generated.clear()
        self._looked_up.clear()

    def generated(self, coordinate: str, seconds: float) -> None:
        """Note how long a value took.

        Args:
            coordinate: The coordinate of the field.
            seconds: How long.
        """
        times = self._generated.get(coordinate)
        if times is None:
            if len(self._generated) >= _MOST_FIELDS:
                return
            times = self._generated.setdefault(coordinate, deque(maxlen=_SAMPLES))
        times.append(seconds)

    def looked_up(self, seconds: float) -> None:
        """Note how long a lookup in Redis took, divided by the number of its entries."""
        self._looked_up.append(seconds)

    def generating(self, coordinate: str) -> float | None:
        """Return the median time that the values of a field take; None if too little is known."""
        return _median(self._generated.get(coordinate))

    def looking_up(self) -> float | None:
        """Return the median time of a lookup for each of its entries; None if too little is known."""
        return _median(self._looked_up)


def _median(times: deque[float] | None) -> float | None:
    return None if times is None or len(times) < _FEWEST else statistics.median([*times])
