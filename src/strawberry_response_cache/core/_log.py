"""The log of this package: an exception in a log handler or filter never reaches a caller."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from strawberry_response_cache.core._user_code import ERRORS


class Log:
    """A logger that raises nothing.

    Exceptions in the user's handlers, filters, formatters and logger classes are dropped, because they cannot
    be logged. A `KeyboardInterrupt` or `SystemExit` is raised.

    Example:
        >>> Log("strawberry_response_cache.example").warning("Redis at %s failed.", "localhost:6379")
    """

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, text: str, *values: object, extra: Mapping[str, object] | None = None) -> None:
        """Log a line of level DEBUG."""
        if self._logger.isEnabledFor(
            logging.DEBUG
        ):  # there is one for each operation that is not cached
            self._log(logging.DEBUG, text, values, extra)

    def warning(
        self, text: str, *values: object, extra: Mapping[str, object] | None = None
    ) -> None:
        """Log a line of level WARNING."""
        self._log(logging.WARNING, text, values, extra)

    def error(self, text: str, *values: object, extra: Mapping[str, object] | None = None) -> None:
        """Log a line of level ERROR."""
        self._log(logging.ERROR, text, values, extra)

    def _log(
        self,
        level: int,
        text: str,
        values: tuple[object, ...],
        extra: Mapping[str, object] | None,
    ) -> None:
        with suppress(*ERRORS):
            # Report the caller's line, not a line of this class.
            self._logger.log(level, text, *values, extra=extra, stacklevel=3)


logger: Final = Log("strawberry_response_cache")
