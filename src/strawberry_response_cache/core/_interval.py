"""Log lines that are written once per interval, with the number of what happened."""

import math
import time
from dataclasses import dataclass
from typing import Final

SECONDS: Final = 10.0
_MOST_SUBJECTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Count:
    """The number of failures since the previous line.

    Attributes:
        number: How many failures there were.
        seconds: In how many seconds, rounded up.
    """

    number: int
    seconds: int

    @property
    def words(self) -> str:
        """The text for the line, such as ``, 3 failures in the last 10 seconds``."""
        if self.number <= 1:
            return ""
        return f", {self.number} failures in the last {self.seconds} seconds"


class Interval:
    """Counts failures and tells when the next line is due."""

    def __init__(self) -> None:
        self._number = 0
        self._since = time.monotonic()
        self._silent_until = float("-inf")

    def counted(self) -> Count | None:
        """Count a failure; return what to log, or None if a line was written just now."""
        self._number += 1
        now = time.monotonic()
        if now < self._silent_until:
            return None
        count = Count(self._number, math.ceil(now - self._since))
        self._number, self._since, self._silent_until = 0, now, now + SECONDS
        return count

    def end(self) -> None:
        """End the interval, so that the next failure is logged."""
        self._silent_until = float("-inf")


class Intervals:
    """An interval for each of several subjects, such as the fields of a schema."""

    def __init__(self) -> None:
        self._by_subject: dict[str, Interval] = {}

    def counted(self, subject: str) -> Count | None:
        """Count a failure of a subject; return what to log, or None if a line of it was written just now.

        Args:
            subject: The subject. All subjects after the first thousand share one interval.
        """
        if subject not in self._by_subject and len(self._by_subject) >= _MOST_SUBJECTS:
            subject = ""
        return self._by_subject.setdefault(subject, Interval()).counted()
