"""The variables of a request before they are coerced, because a custom scalar may change its input."""

from collections.abc import Mapping
from typing import Final

from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError, print_json


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

    __slots__ = ("_printed", "_variables")

    def __init__(self, variables: object) -> None:
        self._variables = variables
        self._printed = _printed(variables)

    def why_changed(self) -> str | None:
        """Return what changed the variables since; None if they are the same."""
        return None if _printed(self._variables) == self._printed else _CHANGED


_CHANGED: Final = "A variable changed while it was coerced; parse_value of a custom scalar must not change its argument."


def _printed(variables: object) -> str | None:
    """Print variables with nested values; None if there are none, or they are not JSON."""
    if not isinstance(variables, Mapping):  # the client sent what Strawberry refuses
        return None
    nested = {n: v for n, v in variables.items() if isinstance(v, dict | list)}
    try:
        return print_json(nested) if nested else None
    except (UnkeyableError, RecursionError):
        return None
