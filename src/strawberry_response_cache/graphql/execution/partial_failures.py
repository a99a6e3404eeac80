"""Operations that failed in part lately, which are answered field by field for a while."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from graphql import ExecutionResult

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.graphql.policy.policy import Policy

_MOST: Final = 1_024
_LONGEST: Final = 60.0
"""Seconds for which an operation stays here after its latest failure, at most."""


class PartialFailures:
    """The operations of one schema, in this process, in whose latest run some fields failed.

    Such a run is not stored. If the operation were looked up as a whole again, one field that fails would run
    all the others on each request.

    Args:
        clock: Returns the seconds of a clock that never goes back.

    Example:
        >>> failures = PartialFailures(clock=lambda: 0.0)
        >>> failures.has("key")
        False
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._until: OrderedDict[str, float] = OrderedDict()

    def has(self, key: str) -> bool:
        """Whether an operation failed in part lately.

        Args:
            key: The key of its entry.
        """
        return bool(self._until) and self._until.get(key, 0.0) > self._clock()

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
            with self._lock:
                self._until[key] = self._clock() + min(policy.ttl or 0.0, _LONGEST)
                self._until.move_to_end(key)
                while len(self._until) > _MOST:
                    self._until.popitem(last=False)
        elif self._until and not result.errors:
            with self._lock:
                self._until.pop(key, None)
