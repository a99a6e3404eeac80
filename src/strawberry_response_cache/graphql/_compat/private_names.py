"""What Strawberry keeps under private names and this package reads."""

from collections.abc import Iterable
from typing import Any

from graphql import GraphQLResolveInfo, GraphQLSchema
from strawberry import Info
from strawberry.extensions import SchemaExtension
from strawberry.schema.base import BaseSchema


def executable_of(schema: BaseSchema) -> GraphQLSchema:
    """Return graphql-core's schema of a Strawberry schema."""
    executable: GraphQLSchema = schema._schema  # type: ignore[attr-defined] # noqa: SLF001
    return executable


def raw_info_of(info: Info) -> GraphQLResolveInfo[Any]:
    """Return graphql-core's info of Strawberry's."""
    return info._raw_info  # noqa: SLF001


def with_resolve_hook(
    extensions: Iterable[SchemaExtension | type[SchemaExtension]],
) -> list[Any]:
    """Return the extensions that have a hook around every resolver, as Strawberry decides it."""
    return [each for each in extensions if each._implements_resolve()]  # noqa: SLF001
