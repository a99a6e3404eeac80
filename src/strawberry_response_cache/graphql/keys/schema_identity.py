"""The identity of a field: all of a deployed schema that a stored response of it depends on.

A deploy that changes a field, its arguments or its resolver changes the keys of what touches it, and of
nothing else, so that a deploy is no cold start.
"""

import json
from collections.abc import Iterable
from enum import Enum
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLNamedType,
    get_named_type,
    is_enum_type,
    is_input_object_type,
)

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.core.serialization.codec import find_inexact
from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql.annotations.hints import Hint
from strawberry_response_cache.graphql.keys.operation_key import print_json
from strawberry_response_cache.graphql.policy.rules import FieldRule


class SchemaIdentity:
    """Describes the fields of one schema, the same in every process."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._inputs: dict[str, list[Any]] = {}

    def of(self, rules: Iterable[FieldRule]) -> str:
        """Return a digest of fields, in order."""
        return digest([self._field(rule) for rule in rules])

    def _field(self, rule: FieldRule) -> str:
        """Describe a field: coordinate, arguments, type, resolver and hints."""
        known = self._fields.get(rule.coordinate)
        if known is None:
            arguments = rule.graphql_field.args
            known = self._fields[rule.coordinate] = print_json(
                [
                    rule.coordinate,
                    [_signature(name, each) for name, each in arguments.items()],
                    [self._input(get_named_type(each.type)) for each in arguments.values()],
                    str(rule.graphql_field.type),
                    _resolver(rule.graphql_field),
                    [_hint(each) for each in rule.hints],
                ]
            )
        return known

    def _input(self, named: GraphQLNamedType) -> list[Any]:
        """Describe an input type or enum with everything below it."""
        known = self._inputs.get(named.name)
        if known is None:
            known = self._inputs[named.name] = [named.name]  # ends a circle
            if is_enum_type(named):
                known = [named.name, sorted(named.values)]
            elif is_input_object_type(named):
                fields = named.fields
                known = [
                    named.name,
                    [_signature(name, each) for name, each in fields.items()],
                    [self._input(get_named_type(each.type)) for each in fields.values()],
                ]
            self._inputs[named.name] = known
        return known


def _signature(name: str, argument: GraphQLArgument | GraphQLInputField) -> list[str]:
    return [name, str(argument.type), _default(argument.default_value)]


def _resolver(graphql_field: GraphQLField) -> list[str]:
    """Name a field's resolver: its code is not compared."""
    resolver = getattr(definition_of(graphql_field), "base_resolver", None)
    function: Any = getattr(resolver, "wrapped_func", None)
    return [getattr(function, "__module__", ""), getattr(function, "__qualname__", "")]


def _hint(hint: Hint) -> list[Any]:
    scope = None if hint.scope is None else hint.scope.value
    templates = [template.text for template in hint.templates]
    written = [hint.ttl, scope, hint.inherit, hint.stale]
    return [*written, hint.tags, hint.vary, templates, hint.key_name]


def _default(value: object) -> str:
    """Describe a default."""
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}"
    return json.dumps(value) if find_inexact(value) is None else type(value).__qualname__
