"""What resolvers receive: whether it is still what keys were made of.

Fields that use the same variable receive the same object, and a resolver may change it: then the fields after it
answer something else than the request asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql.execution import Executor
from graphql.pyutils import Undefined

from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError
from strawberry_response_cache.graphql.keys.shared_defaults import SharedDefault
from strawberry_response_cache.graphql.keys.value_state import FIXED, ValueState, state_of
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

CHANGED: Final = Problem(
    Reason.VARIABLES,
    None,
    "A resolver changed an argument that other fields or requests receive too; let it change a copy.",
)

_MOST_READ: Final = 10_000_000
"""Bytes of one request that are compared; what is larger counts as changed, since that may take seconds."""


class Inputs:
    """The variables of one request before its first resolver runs.

    Args:
        coerced: The variables as graphql-core coerced them.
        ignored: The names of those that resolving changes as a rule.

    Example:
        >>> coerced = {"filter": {"city": "Bern"}, "first": 10}
        >>> inputs = Inputs(coerced)
        >>> inputs.changed(coerced)
        frozenset()
        >>> del coerced["filter"]["city"]
        >>> inputs.changed(coerced)
        frozenset({'filter'})
    """

    __slots__ = ("_identities", "_ignored", "_left", "_states", "_values")

    def __init__(self, coerced: Mapping[str, Any], ignored: frozenset[str] = frozenset()) -> None:
        self._ignored = ignored
        self._values = dict(coerced)  # which keeps them alive
        self._identities = _identities(coerced)
        self._states = {
            name: _state_if_known(value)
            for name, value in coerced.items()
            if type(value) not in FIXED and name not in ignored
        }
        self._left = _MOST_READ

    def changed(self, coerced: Mapping[str, Any]) -> frozenset[str]:
        """Return the names of the variables that have changed, or that may have."""
        values, found = self._values, set[str]()
        if _identities(coerced) != self._identities:
            found = {
                name
                for name in values.keys() | coerced.keys()
                if coerced.get(name, Undefined) is not values.get(name, Undefined)
            }
        for name, before in self._states.items():
            self._left -= 0 if before is None else before.size
            if before is None or self._left < 0 or _state_if_known(values[name]) != before:
                found.add(name)
        return frozenset(found - self._ignored)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class UsedInputs:
    """The variables and defaults that an operation or a field uses.

    Attributes:
        sent: The variables of the request.
        names: Those that are used; None for all of them.
        defaults: The defaults of the schema that may be used.
    """

    sent: Inputs
    names: frozenset[str] | None
    defaults: tuple[SharedDefault, ...]

    def are_changed(self, executor: Executor[Any]) -> bool:
        """Whether the resolvers of an executor receive something else than keys were made of."""
        changed = self.sent.changed(executor.variable_values.coerced)
        if changed and not (self.names is not None and changed.isdisjoint(self.names)):
            return True
        return are_any_changed(self.defaults)


def are_any_changed(defaults: tuple[SharedDefault, ...]) -> bool:
    """Whether a resolver changed one of these defaults."""
    return any(each.is_changed() for each in defaults)


def _identities(coerced: Mapping[str, Any]) -> list[str | int]:
    return [*coerced, *map(id, coerced.values())]


def _state_if_known(value: object) -> ValueState | None:
    try:
        return state_of(value)
    except UnkeyableError:
        return None
