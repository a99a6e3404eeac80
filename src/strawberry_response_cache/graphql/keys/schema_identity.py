"""The identity of a field: every part of a deployed schema on which its stored responses depend.

A deploy that changes a field, its arguments, its types or its resolver changes the keys of the operations
that select it. All other keys stay, so the cache is not empty after a deploy. Code is not compared: a
function counts by its name and by the values that it captures from the function around it.
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
"""The most functions that are followed from one to the next that it captures or wraps."""


class SchemaIdentity:
    """Describes the fields of one schema; the text is the same in every process."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._types: dict[str, list[Any]] = {}

    def of(self, rules: Iterable[FieldRule]) -> str:
        """Return a digest of fields, in order."""
        return digest([self._field(rule) for rule in rules])

    def _field(self, rule: FieldRule) -> str:
        """Describe a field: coordinate, arguments, types, resolver, and the hints on it and its types."""
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
        """Describe an enum, a scalar, or an input type with its fields; other types by their names."""
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
    """Return the functions that serialise and parse a scalar: Strawberry's, or graphql-core's."""
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
    """Name the permission classes and trusted extensions around a field's resolver."""
    extensions = getattr(definition_of(graphql_field), "extensions", ())
    return [
        [_value(type(each)), *(_value(type(p)) for p in getattr(each, "permissions", ()))]
        for each in extensions
    ]


def _function(function: Any, depth: int = 0) -> list[Any]:  # noqa: ANN401 - anything that can be called
    """Name a function, and describe the values that it captures.

    Functions made by one factory have the same name and differ in the captured values. For a callable
    object and for a bound method only the type counts, because its state may differ between processes.
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
"""Types whose text identifies the value and is the same in every process."""


def _cell(cell: Any, depth: int) -> str:  # noqa: ANN401 - of a function
    try:
        return _value(cell.cell_contents, depth)
    except ValueError:  # an empty cell: the variable is not assigned yet
        return ""


def _value(value: object, depth: int = 0) -> str:
    """Describe a value, so that different values differ; other types only by their name."""
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
