"""What the application was seen to answer, by request and requester."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.middleware._answers import Repeated

_MAX_BYTES: Final = 64 * 1024 * 1024
_SIZE: Final = 3_000
_SIZE_OF_UNLIKE: Final = 300
_SECONDS: Final = 60.0
"""How long after the application has answered a request the middleware may answer it."""
_SECONDS_OF_UNLIKE: Final = 10.0
"""How long answers to a request are not compared, after one that the middleware could not have made."""


@dataclass(slots=True, kw_only=True)
class _SeenAnswer:
    until: float
    repeated: Repeated | None


class SeenAnswers:
    """What one middleware saw the application answer.

    Args:
        clock: Returns the seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: Bounded[bytes, _SeenAnswer] = Bounded(_MAX_BYTES)

    def answer(self, name: bytes) -> Repeated | None:
        """Return the answer that may be repeated for a request; None if there is no recent one.

        Args:
            name: See `name_of`.
        """
        seen = self._seen.get(name)
        return None if seen is None or self._clock() >= seen.until else seen.repeated

    def is_unlike(self, name: bytes) -> bool:
        """Whether the middleware could not have made the latest answer to a request."""
        seen = self._seen.get(name)
        return seen is not None and seen.repeated is None and self._clock() < seen.until

    def note(self, name: bytes, repeated: Repeated) -> None:
        """Note that the application answered a request as the middleware would have."""
        seen = _SeenAnswer(until=self._clock() + _SECONDS, repeated=repeated)
        self._seen.put(name, seen, size=_SIZE + repeated.size)

    def note_unlike(self, name: bytes) -> None:
        """Note that the application answered a request as the middleware could not have."""
        seen = _SeenAnswer(until=self._clock() + _SECONDS_OF_UNLIKE, repeated=None)
        self._seen.put(name, seen, size=_SIZE_OF_UNLIKE)
