"""Strawberry's definition of a type or field of the GraphQL schema."""

import dataclasses
from typing import Any

from graphql import GraphQLField, GraphQLObjectType
from strawberry.federation.schema import Schema
from strawberry.federation.schema_directives import Key


def definition_of(element: Any) -> Any:  # noqa: ANN401 - graphql-core's types and fields; Strawberry's definitions
    """Return Strawberry's definition of a type or field; None if Strawberry did not create it."""
    return element.extensions.get("strawberry-definition")


def resolves_entities(graphql_field: GraphQLField) -> bool:
    """Whether a field is Strawberry's `_entities`, which resolves each object only from its own representation."""
    resolver = getattr(definition_of(graphql_field), "base_resolver", None)
    function = getattr(getattr(resolver, "wrapped_func", None), "__func__", None)
    return function is Schema.entities_resolver


def is_told_where_it_stands(kind: GraphQLObjectType) -> bool:
    """Whether the code that makes the objects of a type receives the index of their representation in the list."""
    definition = definition_of(kind)
    is_found = hasattr(getattr(definition, "origin", None), "resolve_reference")
    return not is_found and getattr(definition, "from_input", None) is not None


def identity_name(kind: GraphQLObjectType) -> str:
    """Return the name of the field that identifies objects of a type: ``id``, or the ``@key`` of Apollo Federation.

    A ``@key`` of several fields, or of nested fields, is not used.

    Source: https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/directives#key
    """
    if "id" not in kind.fields:
        for key in _federation_keys(kind):
            if key in kind.fields:
                return key
    return "id"


def key_without_identity(kind: GraphQLObjectType) -> str | None:
    """Return the ``@key`` of a type if neither it nor an ``id`` identifies the objects; None otherwise."""
    has_identity = identity_name(kind) in kind.fields or _declares_id(definition_of(kind))
    return None if has_identity else next(iter(_federation_keys(kind)), None)


def _federation_keys(kind: GraphQLObjectType) -> list[str]:
    directives = getattr(definition_of(kind), "directives", ()) or ()
    return [str(each.fields) for each in directives if isinstance(each, Key)]


def _declares_id(definition: object) -> bool:
    """Whether the class of a type has an ``id`` that is not in the schema, such as a property."""
    origin = getattr(definition, "origin", None)
    fields = dataclasses.fields(origin) if dataclasses.is_dataclass(origin) else ()
    return hasattr(origin, "id") or any(each.name == "id" for each in fields)
