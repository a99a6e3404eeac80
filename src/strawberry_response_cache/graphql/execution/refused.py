"""Operations that Redis refused to store, because a part of them is older than an invalidation."""

import time
from collections.abc import Callable
from typing import Final

from strawberry_response_cache.core._marks import Marks
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

_SECONDS: Final = 10.0
"""Seconds for which an operation is answered field by field after it was refused."""

OLDER_PART: Final = Problem(
    Reason.REFUSED,
    None,
    "A part of it was stored before an invalidation of another part, so the fields are looked up one by one; see "
    "'fields'.",
)


class RefusedOperations:
    """The operations of one schema that Redis refused to store twice in this process; their number is bounded.

    They are answered field by field for a while.

    Args:
        clock: Returns the seconds of a clock that never goes back.

    Example:
        >>> refused = RefusedOperations(clock=lambda: 0.0)
        >>> refused.has("key")
        False
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._once = Marks()
        self._twice = Marks()

    def has(self, key: str) -> bool:
        """Whether an operation was refused twice lately.

        Args:
            key: The key of its entry.
        """
        return self._twice.has(key, self._clock())

    def note(self, key: str, *, refused: bool) -> None:
        """Note whether Redis refused to store an operation, some of whose fields have entries of their own.

        After an invalidation during its run, an operation is refused once. But if it contains a field's entry from
        before the invalidation of another field, it is refused until that entry expires. Until then, each request
        would execute all its other fields.

        Args:
            key: The key of the operation's entry.
            refused: Whether it was refused.
        """
        now = self._clock()
        if not refused:
            self._once.remove(key)
        elif self._once.has(key, now):
            self._twice.set(key, now + _SECONDS)
        else:
            self._once.set(key, now + _SECONDS)
