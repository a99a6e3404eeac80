"""The identity of a field: all of a deployed schema that a stored response of it depends on.

A deploy that changes a field, its arguments, its types or its resolver changes the keys of what touches
it, and of nothing else, so that a deploy is no cold start. Code is not compared: functions count by their
names, and by the values that they take from the function around them.
"""

import functools
import inspect
import operator
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
from strawberry_response_cache.graphql.keys.object_identity import identity_attribute
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
                    [
                        [each.name, [i.name for i in each.interfaces]]
                        for each in rule.possible_types
                    ],
                    identity_attribute(rule.parent),
                    _resolver(rule.graphql_field),
                    _extensions(rule.graphql_field),
                    [_hint(each) for each in rule.hints],
                    [_type_hints(each) for each in (rule.of, *rule.returned)],
                ]
            )
        return known

    def _type(self, named: GraphQLNamedType) -> list[Any]:
        """Describe an enum, a scalar, or an input type with all that is below it; others by their names."""
        known = self._types.get(named.name)
        if known is None:
            below: dict[str, list[Any]] = {}
            pending = [named]
            while pending:
                each = pending.pop()
                if each.name not in below:
                    below[each.name] = _type_alone(each)
                    if is_input_object_type(each):
                        pending += [get_named_type(field.type) for field in each.fields.values()]
            known = self._types[named.name] = [below[name] for name in sorted(below)]
        return known


def _type_alone(named: GraphQLNamedType) -> list[Any]:
    if is_enum_type(named):
        members = named.values.items()
        return [named.name, sorted([name, _value(each.value)] for name, each in members)]
    if is_scalar_type(named) and named is not specified_scalar_types.get(named.name):
        return [named.name, *map(_function, _functions_of(named))]
    if is_input_object_type(named):
        return [named.name, [_signature(name, each) for name, each in named.fields.items()]]
    return [named.name]


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


def _extensions(graphql_field: GraphQLField) -> list[Any]:
    """Name what stands around a field's resolver: permission classes, and extensions that are trusted."""
    extensions = getattr(definition_of(graphql_field), "extensions", ())
    return [
        [_value(type(each)), *(_value(type(p)) for p in getattr(each, "permissions", ()))]
        for each in extensions
    ]


def _function(function: Any, depth: int = 0) -> list[Any]:  # noqa: ANN401 - anything that can be called
    """Name a function, and describe what it takes from the functions around it.

    Two functions that one factory makes have one name. Of an object that can be called, or whose method it
    is, only the type counts: its state may differ from process to process.
    """
    if isinstance(function, functools.partial):
        given = [*function.args, *sorted(function.keywords.items())]
        return ["partial", _function(function.func, depth), [_value(each, depth) for each in given]]
    if isinstance(function, _GETTERS):
        return [repr(function)]
    here = function if hasattr(function, "__qualname__") else type(function)
    name = [getattr(here, "__module__", None), getattr(here, "__qualname__", None)]
    taken: list[str] = []
    layer = function
    while depth < _DEEPEST and layer is not None:
        inner = getattr(layer, "__wrapped__", None)
        taken += [_cell(each, depth) for each in getattr(layer, "__closure__", None) or ()]
        defaults = getattr(layer, "__defaults__", None), getattr(layer, "__kwdefaults__", None)
        taken += [_value(each, depth) for each in defaults if each]
        layer, depth = inner, depth + 1
    return [*name, taken] if taken else name


_GETTERS: Final = (operator.attrgetter, operator.itemgetter, operator.methodcaller)
"""Their text says what they get, the same in every process."""


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
        pass
    kind = f"{type(value).__module__}:{type(value).__qualname__}"
    if depth > _DEEPEST:
        return kind
    if isinstance(value, list | tuple):
        return print_json([kind, [_value(each, depth + 1) for each in value]])
    if isinstance(value, set | frozenset):
        return print_json([kind, sorted(_value(each, depth + 1) for each in value)])
    if isinstance(value, dict):
        items = [[_value(n, depth + 1), _value(v, depth + 1)] for n, v in value.items()]
        return print_json([kind, sorted(items)])
    if isinstance(value, (type, functools.partial, *_GETTERS)) or inspect.isroutine(value):
        return print_json(_function(value, depth + 1))
    return kind


def _hint(hint: Hint) -> list[Any]:
    scope = None if hint.scope is None else hint.scope.value
    templates = [template.text for template in hint.templates]
    written = [hint.ttl, scope, hint.inherit, hint.stale]
    key = hint.key if hint.key is None or isinstance(hint.key, str) else _function(hint.key)
    return [*written, hint.tags, hint.vary, templates, key]


def _type_hints(rule: TypeRule) -> list[Any]:
    return [rule.ttl, rule.private, rule.stale, rule.tags, rule.vary]
