"""The log of this package: what handlers and filters of it raise does not reach whoever is served."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from strawberry_response_cache.core._user_code import ERRORS


class Log:
    """A logger that raises nothing.

    Handlers, filters, formatters and a logger class of the user's own are somebody else's code. What they
    raise is dropped: there is nowhere to log it. A signal such as `KeyboardInterrupt` goes through.

    Args:
        name: The logger's.

    Example:
        >>> Log("strawberry_response_cache.example").warning("Redis at %s failed.", "localhost:6379")
    """

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, text: str, *values: object, extra: Mapping[str, object] | None = None) -> None:
        """Log a line of level DEBUG."""
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
            # The line is its caller's: not this method's, nor that of the three above.
            self._logger.log(level, text, *values, extra=extra, stacklevel=3)


logger: Final = Log("strawberry_response_cache")
