"""The identity of a field: all of a deployed schema that a stored response of it depends on.

A deploy that changes a field, its arguments, its types or its resolver changes the keys of what touches
it, and of nothing else, so that a deploy is no cold start. Code is not compared: functions count by their
names, and by the values that they take from the function around them.
"""

import functools
import inspect
from collections.abc import Iterable
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLNamedType,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_scalar_type,
    specified_scalar_types,
)
from strawberry.types.field import StrawberryField

from strawberry_response_cache.core._arguments import UnkeyableError, text
from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql.annotations.hints import Hint
from strawberry_response_cache.graphql.keys.operation_key import print_json
from strawberry_response_cache.graphql.policy.rules import FieldRule, TypeRule

_DEEPEST: Final = 5
"""Functions within each other that are named."""


class SchemaIdentity:
    """Describes the fields of one schema, the same in every process."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._types: dict[str, list[Any]] = {}

    def of(self, rules: Iterable[FieldRule]) -> str:
        """Return a digest of fields, in order."""
        return digest([self._field(rule) for rule in rules])

    def _field(self, rule: FieldRule) -> str:
        """Describe a field: coordinate, arguments, types, resolver and hints, those on its types too."""
        known = self._fields.get(rule.coordinate)
        if known is None:
            arguments = rule.graphql_field.args
            known = self._fields[rule.coordinate] = print_json(
                [
                    rule.coordinate,
                    [_signature(name, each) for name, each in arguments.items()],
                    [self._type(get_named_type(each.type)) for each in arguments.values()],
                    str(rule.graphql_field.type),
                    self._type(get_named_type(rule.graphql_field.type)),
                    rule.type_tags,
                    _resolver(rule.graphql_field),
                    [_hint(each) for each in rule.hints],
                    [_type_hints(each) for each in (rule.of, *rule.returned)],
                ]
            )
        return known

    def _type(self, named: GraphQLNamedType) -> list[Any]:
        """Describe an enum, a scalar, or an input type with everything below it; others by their names."""
        known = self._types.get(named.name)
        if known is None:
            known = self._types[named.name] = [named.name]  # ends a circle
            if is_enum_type(named):
                members = named.values.items()
                known = [named.name, sorted([name, _value(each.value)] for name, each in members)]
            elif is_scalar_type(named) and named is not specified_scalar_types.get(named.name):
                known = [named.name, *map(_function, _functions_of(named))]
            elif is_input_object_type(named):
                fields = named.fields
                known = [
                    named.name,
                    [_signature(name, each) for name, each in fields.items()],
                    [self._type(get_named_type(each.type)) for each in fields.values()],
                ]
            self._types[named.name] = known
        return known


def _signature(name: str, argument: GraphQLArgument | GraphQLInputField) -> list[str]:
    return [name, str(argument.type), _value(argument.default_value)]


def _functions_of(scalar: Any) -> list[object]:  # noqa: ANN401 - graphql-core's, whose names differ from version to version
    """Return what gives a scalar its form: Strawberry's functions, or graphql-core's."""
    definition = definition_of(scalar)
    here = scalar if definition is None else definition
    names = ("serialize", "parse_value", "parse_literal")
    return [getattr(here, name, None) for name in names]


def _resolver(graphql_field: GraphQLField) -> list[Any]:
    """Name a field's resolver, or the attribute that it reads."""
    field = definition_of(graphql_field)
    function: Any = getattr(getattr(field, "base_resolver", None), "wrapped_func", None)
    if function is not None or not isinstance(field, StrawberryField):
        return _function(function)
    return [field.python_name, *_function(field.default_resolver)]


def _function(function: Any, depth: int = 0) -> list[Any]:  # noqa: ANN401 - anything that can be called
    """Name a function, and describe what it takes from the function around it.

    Two functions that one factory makes have one name.
    """
    if isinstance(function, functools.partial):
        given = [*function.args, *sorted(function.keywords.items())]
        return ["partial", _function(function.func, depth), [_value(each, depth) for each in given]]
    name = [getattr(function, "__module__", None), getattr(function, "__qualname__", None)]
    inmost = inspect.unwrap(function) if callable(function) else function
    cells = getattr(inmost, "__closure__", None) or ()
    captured = [_cell(each, depth) for each in cells] if depth < _DEEPEST else []
    return [*name, captured] if captured else name


def _cell(cell: Any, depth: int) -> str:  # noqa: ANN401 - of a function
    try:
        return _value(cell.cell_contents, depth)
    except ValueError:  # empty: what it is for is not there yet
        return ""


def _value(value: object, depth: int = 0) -> str:
    """Describe a value so that different ones differ, where it is of a kind that has such a text."""
    try:
        return text(value)
    except UnkeyableError:
        if isinstance(value, type) or inspect.isroutine(value) or hasattr(value, "__wrapped__"):
            return print_json(_function(value, depth + 1))
        return f"{type(value).__module__}:{type(value).__qualname__}"


def _hint(hint: Hint) -> list[Any]:
    scope = None if hint.scope is None else hint.scope.value
    templates = [template.text for template in hint.templates]
    written = [hint.ttl, scope, hint.inherit, hint.stale]
    return [*written, hint.tags, hint.vary, templates, hint.key_name]


def _type_hints(rule: TypeRule) -> list[Any]:
    return [rule.ttl, rule.private, rule.stale, rule.tags, rule.vary]
