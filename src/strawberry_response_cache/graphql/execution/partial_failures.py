"""Operations some of whose fields failed: what is stored in place of their results."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graphql import ExecutionResult

from strawberry_response_cache.core._duration import milliseconds
from strawberry_response_cache.core.protocol.entry import Recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from strawberry_response_cache.graphql.execution.cache_request import CacheRequest

Pieces: TypeAlias = "Iterable[tuple[str, CacheRequest]]"
"""Root fields that may have entries of their own: their names in the response, and their requests to the cache."""

IN_PIECES: Final = "pieces"
"""The meta word of the marker."""

_LONGEST: Final = 60.0
"""Seconds for which the marker stands, at most."""


@dataclass(frozen=True, slots=True)
class InPieces:
    """The marker under the key of an operation that failed in part: its fields are looked up one by one."""


def marker_of(ttl: float) -> Recording:
    """Return the marker of an operation that failed in part.

    It has no tags, because it holds no data.

    Args:
        ttl: Seconds for which the result would have been fresh, above 0.
    """
    return Recording(b"{}", milliseconds(min(ttl, _LONGEST), "ttl"), meta=IN_PIECES)


def without_errors(result: ExecutionResult, pieces: Pieces) -> "Iterator[tuple[CacheRequest, Any]]":
    """Yield the root fields in which nothing failed, with their data, each entry once.

    Args:
        result: The result, with data and errors.
        pieces: The root fields.
    """
    failed, data, seen = _failed(result), result.data or {}, set[str]()
    if None in failed:  # it may concern any field
        return
    for name, piece in pieces:
        if name not in failed and name in data and piece.keys.entry not in seen:
            seen.add(piece.keys.entry)
            yield piece, data[name]


def is_in_pieces(result: ExecutionResult, number_of_fields: int) -> bool:
    """Whether something of a result with errors may have an entry: another root field, or a field below one.

    Args:
        result: The result.
        number_of_fields: How many of the selected fields may have entries of their own.
    """
    data = result.data or {}
    return bool(number_of_fields and data) and (
        number_of_fields > 1 or bool({*data} - _failed(result))
    )


def _failed(result: ExecutionResult) -> set[str | int | None]:
    """Return the names of the root fields in which something failed; with None, where is not known."""
    return {error.path[0] if error.path else None for error in result.errors or ()}
