"""The faults of this package that were caught in this process; who catches them is `graphql/_guard`."""

from pathlib import Path
from types import TracebackType
from typing import Final

from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._log import logger

_PACKAGE: Final = str(Path(__file__).parent.parent)


class Faults:
    """The faults of this package in this process: counted, and logged once per interval.

    Attributes:
        count: How many were caught. Responses that were generated while this or `elsewhere` grew are not stored.
        elsewhere: How many were caught in calls from resolvers, such as `restrict_cache`; the effect of
            these calls is lost. A `RecursionError` counts here too, although it is no fault of this package.
    """

    def __init__(self) -> None:
        self.count = 0
        self.elsewhere = 0
        self._log = Interval()
        self._log_of_depth = Interval()

    def reset(self) -> None:
        """Set both counts to 0, in a forked child."""
        self.count = self.elsewhere = 0

    def note(self, error: BaseException) -> None:
        """Count a fault, and log its type and place, not its text, which may hold data of the request.

        A `RecursionError` is logged only: the operation was nested too deeply.
        """
        if isinstance(error, RecursionError):
            self._note_depth(error)
            return
        self.count += 1
        if (count := self._log.counted()) is None:
            return
        kind, place = type(error).__qualname__, _place_in_package(error.__traceback__)
        logger.error(
            "A fault of strawberry-response-cache was caught (%s in %s%s). The request was answered "
            "without the cache. Please report this line.",
            kind,
            place,
            count.words,
            extra={"error.type": kind, "response_cache.faults": count.number},
        )

    def _note_depth(self, error: RecursionError) -> None:
        # Strawberry alone may still execute such an operation: this package takes some frames of the stack.
        if (count := self._log_of_depth.counted()) is None:
            return
        logger.warning(
            "Python's stack ended in strawberry-response-cache (%s%s), because an operation is nested too deeply. "
            "It was answered without the cache.",
            _place_in_package(error.__traceback__),
            count.words.replace("failures", "times"),
            extra={"response_cache.failures": count.number},
        )

    def note_elsewhere(self, error: BaseException) -> None:
        """Count a fault in a call from a resolver in `elsewhere`, and do what `note` does."""
        self.elsewhere += 1
        self.note(error)


def _place_in_package(trace: TracebackType | None) -> str:
    """Return the innermost place in this package: a function and a line, without path and values."""
    place = "an unknown place"
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename.startswith(_PACKAGE):
            place = f"{Path(code.co_filename).stem}.{code.co_name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


faults: Final = Faults()
