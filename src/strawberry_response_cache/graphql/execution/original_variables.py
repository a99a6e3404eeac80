"""The variables of a request before they are coerced, because a custom scalar may change its input."""

from collections.abc import Mapping
from typing import Final

from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError
from strawberry_response_cache.graphql.keys.value_state import ValueState, state_of


class OriginalVariables:
    """The variables of a request as they were before they were coerced.

    Args:
        variables: The variables.

    Example:
        >>> variables = {"filter": {"city": "Bern"}}
        >>> original = OriginalVariables(variables)
        >>> original.why_changed() is None
        True
        >>> variables["filter"]["city"] = "Basel"
        >>> original.why_changed()
        'A variable changed while it was coerced; parse_value of a custom scalar must not change its argument.'
    """

    __slots__ = ("_before", "_variables")

    def __init__(self, variables: object) -> None:
        self._variables = variables
        self._before = _state_of_nested(variables)

    def why_changed(self) -> str | None:
        """Return advice if the variables have changed since this object was made; None if they are the same."""
        return None if _state_of_nested(self._variables) == self._before else _CHANGED


_CHANGED: Final = "A variable changed while it was coerced; parse_value of a custom scalar must not change its argument."


def _state_of_nested(variables: object) -> ValueState | None:
    """Return the state of variables with nested values; None if there are none, or it is not known."""
    if not isinstance(variables, Mapping):  # the client sent what Strawberry refuses
        return None
    nested = {n: v for n, v in variables.items() if isinstance(v, dict | list)}
    try:
        return state_of(nested) if nested else None
    except UnkeyableError:
        return None
