"""Operations that failed in part lately, or were refused; they are answered field by field for a while."""

import time
from collections.abc import Callable
from typing import Final

from graphql import ExecutionResult

from strawberry_response_cache.core._marks import Marks
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

_LONGEST: Final = 60.0
"""Seconds for which an operation stays here after its latest failure, at most."""

_REFUSED: Final = 10.0
"""Seconds for which an operation stays here after it was refused."""

OLDER_PART: Final = Problem(
    Reason.REFUSED,
    None,
    "A part of it was stored before an invalidation of another part, so the fields are looked up one by one; see "
    "'fields'.",
)
FAILED_IN_PART: Final = Problem(
    Reason.ERRORS,
    None,
    "A field failed in the latest run, so the fields are looked up one by one; see 'fields'.",
)


class PartialFailures:
    """The operations of one schema, in this process, that are answered field by field for a while.

    Some fields failed in their latest run, which is not stored; or Redis refused to store them twice. If the operation were looked up as a whole again, one field that fails would run
    all the others on each request.

    Args:
        clock: Returns the seconds of a clock that never goes back.

    Attributes:
        is_empty: Whether there never was one, as in most processes.

    Example:
        >>> failures = PartialFailures(clock=lambda: 0.0)
        >>> failures.problem("key")
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.is_empty = True
        self._marks = Marks()
        self._refused_once = Marks()
        self._refused = Marks()

    def problem(self, key: str) -> Problem | None:
        """Return why an operation is not looked up as a whole: `FAILED_IN_PART` or `OLDER_PART`."""
        if self.is_empty:
            return None
        if self._marks.has(key, self._clock()):
            return FAILED_IN_PART
        return OLDER_PART if self._refused.has(key, self._clock()) else None

    def note(self, key: str, policy: Policy, result: object) -> None:
        """Note what a run came to.

        Args:
            key: The key of the operation's entry.
            policy: The operation's policy.
            result: What the client gets.
        """
        if not isinstance(result, ExecutionResult):
            return
        # Without data, or without fields that have entries of their own, there is nothing to gain.
        if result.errors and result.data is not None and policy.lives:
            self.is_empty = False
            self._marks.set(key, self._clock() + min(policy.ttl or 0.0, _LONGEST))
        elif not result.errors:
            self._marks.remove(key)

    def note_stored(self, key: str, *, refused: bool) -> None:
        """Note whether Redis refused to store an operation, some of whose fields have entries that outlive it.

        An invalidation that arrives meanwhile refuses it once. If such a field is older than the invalidation of
        another, it is refused until that entry ends, and the other fields would run on each request.

        Args:
            key: The key of the operation's entry.
            refused: Whether it was refused.
        """
        now = self._clock()
        if not refused:
            self._refused_once.remove(key)
        elif self._refused_once.has(key, now):
            self.is_empty = False
            self._refused.set(key, now + _REFUSED)
        else:
            self._refused_once.set(key, now + _REFUSED)
