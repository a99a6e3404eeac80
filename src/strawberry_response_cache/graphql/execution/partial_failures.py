"""Operations with data and errors: what is stored in place of their results."""

from dataclasses import dataclass
from typing import Final

from graphql import ExecutionResult

from strawberry_response_cache.core._duration import milliseconds
from strawberry_response_cache.core.protocol.entry import MARKER, ValueRecording

FAILED: Final = "failed" + MARKER
"""The meta word of the marker."""

_LONGEST: Final = 60.0
"""The longest ttl of the marker, in seconds."""


@dataclass(frozen=True, slots=True)
class FailedInPart:
    """The marker under the key of an operation that failed in part: its fields are looked up one by one."""


def marker_of(ttl: float) -> ValueRecording:
    """Return the marker of an operation that failed in part.

    It has no tags, because it holds no data.

    Args:
        ttl: Seconds for which the result would have been fresh, above 0.
    """
    return ValueRecording(b"{}", milliseconds(min(ttl, _LONGEST), "ttl"), meta=FAILED)


def has_failed_in_part(result: ExecutionResult, number_of_fields: int) -> bool:
    """Whether some field of a result with errors may be stored: a root field without errors, or a field below one.

    Args:
        result: The result.
        number_of_fields: How many of the selected fields may have entries of their own.
    """
    data = result.data or {}
    return bool(number_of_fields and data) and (
        number_of_fields > 1 or bool({*data} - _failed_root_fields(result))
    )


def _failed_root_fields(result: ExecutionResult) -> set[str | int | None]:
    """Return the response keys of the root fields that have errors; with None if an error has no path."""
    return {error.path[0] if error.path else None for error in result.errors or ()}
