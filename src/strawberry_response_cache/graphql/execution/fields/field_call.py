"""The call of a field, as graphql-core makes it."""

from typing import Any, TypeAlias

from graphql import GraphQLObjectType, get_argument_values
from graphql.execution import Executor
from graphql.pyutils import Path

FieldCall: TypeAlias = tuple[GraphQLObjectType, Any, Any, Path, Any]
"""graphql-core's arguments for a field: parent type, parent, details, path, position."""


def info_and_arguments(executor: Executor[Any], where: FieldCall) -> tuple[Any, dict[str, Any]]:
    """Return the ``info`` and the coerced arguments for a field's resolver, as graphql-core makes them."""
    parent, _, details, path, _ = where
    definition = parent.fields[details[0].node.name.value]
    raw = executor.build_resolve_info(definition, [each.node for each in details], parent, path)
    return raw, get_argument_values(definition, details[0].node, executor.variable_values)
