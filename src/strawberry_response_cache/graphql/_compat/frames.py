"""A copy of a stream's frame, which does not change when the result changes afterwards."""

import copy
from typing import Any, Final

from graphql import GraphQLError

_PARTS: Final = ("data", "errors", "extensions", "items", "incremental", "completed")
"""The attributes of a frame that transports send."""


def as_it_is_now(frame: object) -> object:
    """Return a copy of a frame, or of a part of one, that does not change when the original changes.

    Raises:
        Exception: If it cannot be copied; it may be of a class of the user.
    """
    made: Any = copy.copy(frame)
    for name in _PARTS:
        if hasattr(made, name):
            setattr(made, name, _value(getattr(made, name)))
    return made


def _value(value: Any) -> Any:  # noqa: ANN401 - whatever a result holds
    kind = type(value)
    if kind is dict:
        return {name: _value(each) for name, each in value.items()}
    if kind is list:
        return [_value(each) for each in value]
    if kind is tuple:
        return tuple(map(_value, value))
    if kind is GraphQLError:
        return _error_as_it_is_now(value)
    # A part of incremental delivery.
    return as_it_is_now(value) if kind.__module__ == "graphql.execution.types" else value


def _error_as_it_is_now(error: GraphQLError) -> GraphQLError:
    made = GraphQLError(
        error.message,
        error.nodes,
        error.source,
        error.positions,
        error.path,
        error.original_error,
        _value(error.extensions),
    )
    made.locations = error.locations
    return made.with_traceback(error.__traceback__)
