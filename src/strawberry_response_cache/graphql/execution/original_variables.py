"""The variables of a request before they are coerced, because a custom scalar may change its input."""

from collections.abc import Mapping

from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError, print_json


class OriginalVariables:
    """The variables of a request as they were when its execution began.

    Args:
        variables: The variables.

    Example:
        >>> variables = {"filter": {"city": "Bern"}}
        >>> original = OriginalVariables(variables)
        >>> original.why_changed(variables) is None
        True
        >>> variables["filter"]["city"] = "Basel"
        >>> original.why_changed(variables).partition(";")[0]
        'A variable changed after ResponseCacheExtension had read it'
    """

    def __init__(self, variables: object) -> None:
        self._variables = variables
        self._printed = _printed(variables)

    def why_changed(self, variables: object) -> str | None:
        """Return what changed the variables, and what to do about it; None if they are the same.

        Args:
            variables: The variables now.
        """
        if _printed(variables) == self._printed:
            return None
        if variables is not self._variables:
            return (
                "Another extension replaced the variables after ResponseCacheExtension had read them; register "
                "it before ResponseCacheExtension."
            )
        return (
            "A variable changed after ResponseCacheExtension had read it; parse_value of a custom scalar must "
            "not change its argument, and an extension that changes variables must be registered before "
            "ResponseCacheExtension."
        )


def _printed(variables: object) -> str | None:
    """Print variables with nested values; None if there are none, or they are not JSON."""
    if not isinstance(variables, Mapping):  # the client sent what Strawberry refuses
        return None
    nested = {n: v for n, v in variables.items() if isinstance(v, dict | list)}
    try:
        return print_json(nested) if nested else None
    except (UnkeyableError, RecursionError):
        return None
