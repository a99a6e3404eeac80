"""The default values of a schema that a resolver can change.

graphql-core hands the same object to every request that leaves an argument out, and keys hold the value that it had.
"""

from collections.abc import Iterable

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    get_named_type,
    is_input_object_type,
)

from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError
from strawberry_response_cache.graphql.keys.value_state import FIXED, ValueState, state_of


class SharedDefault:
    """A default value, and its state when it first became part of a key.

    Args:
        holder: The argument, or the field of an input type.
    """

    __slots__ = ("_holder", "_state")

    def __init__(self, holder: GraphQLArgument | GraphQLInputField) -> None:
        self._holder = holder
        self._state = self._now()

    def is_changed(self) -> bool:
        """Whether the default has another value now, or its state is not known."""
        return self._state is None or self._now() != self._state

    def _now(self) -> ValueState | None:
        try:
            return state_of(self._holder.default_value)
        except UnkeyableError:
            return None


class SharedDefaults:
    """The default values of one schema that a resolver can change, by the fields that use them."""

    def __init__(self) -> None:
        self._known: dict[int, SharedDefault] = {}
        self._by_field: dict[str, tuple[SharedDefault, ...]] = {}

    def note(self, coordinate: str, field: GraphQLField) -> None:
        """Note the defaults of a field when they first become part of a key."""
        holders: list[GraphQLArgument | GraphQLInputField] = [*field.args.values()]
        seen: set[str] = set()
        found: list[SharedDefault] = []
        for holder in holders:  # the fields of input types are appended
            if type(holder.default_value) not in FIXED:
                known = self._known.get(id(holder))
                if known is None:
                    known = self._known[id(holder)] = SharedDefault(holder)
                found.append(known)
            named = get_named_type(holder.type)
            if is_input_object_type(named) and named.name not in seen:
                seen.add(named.name)
                holders += named.fields.values()
        self._by_field[coordinate] = tuple(found)

    def of(self, coordinates: Iterable[str]) -> tuple[SharedDefault, ...]:
        """Return the defaults of fields that were noted, each once."""
        found = (each for name in coordinates for each in self._by_field.get(name, ()))
        return tuple(dict.fromkeys(found))
