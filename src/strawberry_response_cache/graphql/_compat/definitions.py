"""Strawberry's definition of a type or field of the GraphQL schema."""

from typing import Any

from graphql import GraphQLObjectType
from strawberry.federation.schema_directives import Key


def definition_of(element: Any) -> Any:  # noqa: ANN401 - graphql-core's types and fields; Strawberry's definitions
    """Return Strawberry's definition of a type or field; None if Strawberry did not create it."""
    return element.extensions.get("strawberry-definition")


def identity_name(kind: GraphQLObjectType) -> str:
    """Return the name of the field that identifies objects of a type: ``id``, or the ``@key`` of Apollo Federation.

    A key of several fields, or of fields below a field, is none.

    Source: https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/directives#key
    """
    if "id" not in kind.fields:
        for directive in getattr(definition_of(kind), "directives", ()) or ():
            if isinstance(directive, Key) and str(directive.fields) in kind.fields:
                return str(directive.fields)
    return "id"
