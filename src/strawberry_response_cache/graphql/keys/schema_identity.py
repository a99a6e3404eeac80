"""The identity of a field: every part of a deployed schema on which its stored responses depend.

A deploy that changes a field, its arguments, its types or its resolver changes the keys of the operations
that select it. All other keys stay, so the cache is not empty after a deploy. Code is not compared, see
`captured_values`.
"""

from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from inspect import getattr_static
from types import FunctionType
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_scalar_type,
)
from strawberry.relay import Connection
from strawberry.types.field import StrawberryField

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql._compat.django_fields import (
    annotations_of,
    functions_of_hints,
    limits_of_pages,
    listed_types,
    methods_of_input,
)
from strawberry_response_cache.graphql.annotations.hints import Hint
from strawberry_response_cache.graphql.keys.captured_values import describe
from strawberry_response_cache.graphql.keys.object_identity import identity_field
from strawberry_response_cache.graphql.keys.operation_key import print_json
from strawberry_response_cache.graphql.keys.shared_defaults import SharedDefaults
from strawberry_response_cache.graphql.policy.rules import FieldRule
from strawberry_response_cache.graphql.policy.type_rule import TypeRule

_EXACT: Final = str | bytes | int | float | Decimal | Enum | FunctionType | None
"""What the attributes of an extension or a permission may hold to be part of the key."""
_BESIDE_RESOLVERS: Final = (
    "get_paginated_queryset",
    "get_queryset",
    "get_total_count",
    "is_type_of",
    "resolve_connection",
    "resolve_edge",
    "resolve_id",
    "resolve_id_attr",
    "resolve_node",
    "resolve_nodes",
    "resolve_paginated",
    "resolve_reference",
    "resolve_type",
    "resolve_typename",
)
"""The methods of a type that Strawberry calls for its objects, besides the resolvers of its fields."""


class SchemaIdentity:
    """Describes the fields of one schema; the text is the same in every process.

    Args:
        most_results: The most objects on a page of a Relay connection whose field sets no limit.

    Attributes:
        defaults: The default values that a resolver can change, with the state in which they were described.
    """

    def __init__(self, most_results: int | None = None) -> None:
        self._most_results = most_results
        self._fields: dict[str, str] = {}
        self._types: dict[str, list[Any]] = {}
        self._methods: dict[str, list[list[str]]] = {}
        self.defaults = SharedDefaults()

    def of(self, rules: Iterable[FieldRule]) -> str:
        """Return a digest of fields, in order."""
        return digest([self._field(rule) for rule in rules])

    def of_entity(self, kind: GraphQLObjectType, rule: TypeRule) -> str:
        """Return a digest of what makes the objects of a type that a gateway asks for; the name is not in it."""
        made_of = [
            [name, str(field.type), *_resolver(field)] for name, field in kind.fields.items()
        ]
        methods = self._methods_of(kind)
        is_found = any(name == "resolve_reference" for name, *_ in methods)
        # Strawberry makes an object of what the gateway sends for its fields.
        described = [methods, identity_field(kind), _type_hints(rule), [] if is_found else made_of]
        return digest([print_json(described)])

    def _field(self, rule: FieldRule) -> str:
        """Describe a field: coordinate, arguments, types, resolver, and the hints on it and its types."""
        known = self._fields.get(rule.coordinate)
        if known is None:
            arguments = rule.graphql_field.args
            self.defaults.note(rule.coordinate, rule.graphql_field)
            known = self._fields[rule.coordinate] = print_json(
                [
                    rule.coordinate,
                    [_signature_of_argument(name, each) for name, each in arguments.items()],
                    [self._type(get_named_type(each.type)) for each in arguments.values()],
                    str(rule.graphql_field.type),
                    self._type(get_named_type(rule.graphql_field.type)),
                    rule.type_tags,
                    [
                        [each.name, [i.name for i in each.interfaces], self._methods_of(each)]
                        for each in rule.possible_types
                    ],
                    self._methods_of(get_named_type(rule.graphql_field.type)),
                    self._methods_of(rule.parent),
                    [
                        [listed.name, self._methods_of(listed)]
                        for each in rule.possible_types
                        for listed in listed_types(each)
                    ],
                    identity_field(rule.parent),
                    _resolver(rule.graphql_field),
                    [describe(each) for each in functions_of_hints(rule.graphql_field)],
                    list(annotations_of(rule.graphql_field)),
                    limits_of_pages(definition_of(rule.graphql_field)),
                    _extensions(rule.graphql_field),
                    self._most_results if _is_connection(rule.graphql_field) else None,
                    [_hint(each) for each in rule.hints],
                    [_type_hints(each) for each in (rule.of, *rule.returned)],
                ]
            )
        return known

    def _methods_of(self, named: GraphQLNamedType) -> list[list[str]]:
        """Describe the methods of a type once: many fields may return each implementation of an interface."""
        known = self._methods.get(named.name)
        if known is None:
            known = self._methods[named.name] = _methods(named)
        return known

    def _type(self, named: GraphQLNamedType) -> list[Any]:
        """Describe an enum, a scalar, or an input type with all types below it; the names are in the signatures."""
        known = self._types.get(named.name)
        if known is None:
            below: dict[str, list[Any] | None] = {}
            pending = [named]
            while pending:
                each = pending.pop()
                if each.name not in below:
                    below[each.name] = _type_alone(each)
                    if is_input_object_type(each):
                        pending += [get_named_type(field.type) for field in each.fields.values()]
            known = self._types[named.name] = [*below.values()]
        return known


def _type_alone(named: GraphQLNamedType) -> list[Any] | None:
    """Describe what decides the values of an enum, a scalar or an input type, apart from its name; None for others."""
    if is_enum_type(named):
        return [[name, describe(each.value)] for name, each in named.values.items()]
    if is_scalar_type(named):
        return [describe(each) for each in _functions_of(named)]
    if is_input_object_type(named):
        methods = [[name, describe(each)] for name, each in methods_of_input(named)]
        return [
            [_signature_of_argument(name, each) for name, each in named.fields.items()],
            methods,
            *_hidden_defaults(definition_of(named)),
        ]
    return None


def _signature_of_argument(name: str, argument: GraphQLArgument | GraphQLInputField) -> list[str]:
    # The name in Python decides which parameter or attribute receives it.
    named = str(getattr(definition_of(argument), "python_name", name))
    return [name, str(argument.type), describe(argument.default_value), named]


def _functions_of(scalar: Any) -> list[object]:  # noqa: ANN401 - graphql-core's, whose names differ from version to version
    """Return the functions that serialise and parse a scalar: Strawberry's, or graphql-core's."""
    definition = definition_of(scalar)
    here = scalar if definition is None else definition
    names = ("serialize", "parse_value", "parse_literal")
    return [getattr(here, name, None) for name in names]


def _resolver(graphql_field: GraphQLField) -> list[str]:
    """Describe a field's resolver, or the attribute that it reads."""
    field = definition_of(graphql_field)
    function: Any = getattr(getattr(field, "base_resolver", None), "wrapped_func", None)
    if function is not None or not isinstance(field, StrawberryField):
        return [describe(function)]
    # strawberry-django reads the attribute `django_name`.
    attribute = getattr(field, "django_name", None) or field.python_name
    return [attribute, describe(field.default_resolver), *_default(field)]


def _default(field: object) -> list[str]:
    """Describe the default or the default factory of a dataclass field; empty if it has neither."""
    found = (getattr(field, name, MISSING) for name in ("default", "default_factory"))
    return [describe(each) for each in found if each is not MISSING]


def _hidden_defaults(definition: object) -> list[list[str]]:
    """Describe the defaults of the fields of a dataclass that are not in the schema: those of `strawberry.Private`."""
    origin: Any = getattr(definition, "origin", None)
    if not is_dataclass(origin):
        return []
    shown = {getattr(each, "python_name", None) for each in getattr(definition, "fields", ())}
    hidden = [each for each in fields(origin) if each.name not in shown]
    return [[each.name, *given] for each in hidden if (given := _default(each))]


def _methods(named: GraphQLNamedType) -> list[list[str]]:
    """Describe the methods of a type that decide which of its objects a response holds, and in which form.

    The defaults of attributes that are not in the schema are described as well: resolvers may read them.
    """
    definition = definition_of(named)
    origin = getattr(definition, "origin", None)
    found = ((name, getattr_static(origin, name, None)) for name in _BESIDE_RESOLVERS)
    methods = [[name, describe(getattr(each, "__func__", each))] for name, each in found if each]
    return [*methods, *_hidden_defaults(definition)]


def _is_connection(graphql_field: GraphQLField) -> bool:
    origin = getattr(definition_of(get_named_type(graphql_field.type)), "origin", None)
    return isinstance(origin, type) and issubclass(origin, Connection)


def _extensions(graphql_field: GraphQLField) -> list[Any]:
    """Describe the permission classes and trusted extensions around a field's resolver.

    Of their attributes, only plain values and functions under names without an underscore count: others may differ
    between processes.
    """
    extensions = getattr(definition_of(graphql_field), "extensions", ())
    return [
        [describe(type(each)), _state_of_extension(each), *map(_permission, _permissions(each))]
        for each in extensions
    ]


def _permission(permission: object) -> list[Any]:
    """Describe the class of a permission with its settings, or the name of a permission."""
    return [describe(permission), _state_of_extension(permission)]


def _state_of_extension(extension: object) -> list[list[str]]:
    return sorted(
        [name, describe(value)]
        for name, value in getattr(extension, "__dict__", {}).items()
        if issubclass(type(value), _EXACT) and not name.startswith("_")
    )


def _permissions(extension: object) -> Iterable[object]:
    permissions: Iterable[object] = getattr(extension, "permissions", ())
    return permissions


def _hint(hint: Hint) -> list[Any]:
    written = [hint.ttl, describe(hint.scope), hint.inherit, hint.stale, hint.tags, hint.vary]
    return [*written, [template.text for template in hint.templates], describe(hint.key)]


def _type_hints(rule: TypeRule) -> list[Any]:
    return [rule.ttl, rule.inherit, rule.private, rule.stale, rule.tags, rule.vary]
