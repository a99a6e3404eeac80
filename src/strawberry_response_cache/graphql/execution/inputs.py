"""Checks whether resolvers changed variables or defaults that keys were made of.

Fields that use the same variable receive the same object. If a resolver changes the object, the fields after it
answer for other values than the request sent.
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
"""The most bytes that are compared for one request. Larger variables count as changed: comparing may take seconds."""


class Inputs:
    """The variables of one request before its first resolver runs.

    Args:
        coerced: The variables as graphql-core coerced them.
        ignored: The names of variables that Strawberry itself changes while it resolves; they never count as changed.

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
        # Keeps the values alive, so that no other object gets their ids.
        self._values = dict(coerced)
        self._identities = _identities(coerced)
        self._states = {
            name: _state_if_known(value)
            for name, value in coerced.items()
            if type(value) not in FIXED and name not in ignored
        }
        self._left = _MOST_READ

    def changed(self, coerced: Mapping[str, Any]) -> frozenset[str]:
        """Return the names of the variables that have changed, and of those that cannot be compared."""
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
        names: The names of the used variables; None for all of them.
        defaults: The defaults of the schema that may be used.
    """

    sent: Inputs
    names: frozenset[str] | None
    defaults: tuple[SharedDefault, ...]

    def are_changed(self, executor: Executor[Any]) -> bool:
        """Whether a used variable of an executor, or a used default, is no longer what keys were made of."""
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
