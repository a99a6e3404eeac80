"""The identity of a field: all of a deployed schema that a stored response of it depends on.

A deploy that changes a field, its arguments or its resolver changes the keys of what touches it, and of
nothing else, so that a deploy is no cold start.
"""

import json
from enum import Enum
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    get_named_type,
    is_enum_type,
    is_input_object_type,
)

from strawberry_response_cache.core._codec import find_inexact
from strawberry_response_cache.graphql._hints import Hint


class Identities:
    """Describes the fields of one schema, the same in every process."""

    def __init__(self) -> None:
        self._inputs: dict[str, str] = {}

    def of(
        self, coordinate: str, graphql_field: GraphQLField, field: object, hints: list[Hint]
    ) -> str:
        """Describe a field: coordinate, arguments, type, resolver and hints."""
        function: Any = getattr(getattr(field, "base_resolver", None), "wrapped_func", None)
        where = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
        arguments = [
            (name, str(argument.type), _default(argument.default_value))
            for name, argument in graphql_field.args.items()
        ]
        inputs = [self._input(get_named_type(a.type)) for a in graphql_field.args.values()]
        return f"{coordinate}{arguments}{inputs}:{graphql_field.type}:{where}:{hints}"

    def _input(self, named: GraphQLNamedType) -> str:
        """Describe an input type or enum with everything below it."""
        known = self._inputs.get(named.name)
        if known is None:
            known = self._inputs[named.name] = named.name  # ends a circle
            if is_enum_type(named):
                known = f"{named.name}{sorted(named.values)}"
            elif is_input_object_type(named):
                fields = [
                    (name, str(field.type), _default(field.default_value))
                    for name, field in named.fields.items()
                ]
                below = [self._input(get_named_type(f.type)) for f in named.fields.values()]
                known = f"{named.name}{fields}{below}"
            self._inputs[named.name] = known
        return known


def _default(value: object) -> str:
    """Describe a default."""
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}"
    return json.dumps(value) if find_inexact(value) is None else type(value).__qualname__
