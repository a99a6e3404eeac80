"""The tags of the types that a field can return: ``Type``, and ``[Type]`` for each in a list."""

from collections.abc import Iterable

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    is_list_type,
    is_object_type,
    is_wrapping_type,
)


def type_tags_of(
    parent: GraphQLObjectType,
    name: str,
    graphql_field: GraphQLField,
    types: Iterable[GraphQLObjectType],
    *,
    listed: Iterable[GraphQLNamedType],
) -> tuple[str, ...]:
    """Return the tags of the types that a field can return; they also cover empty lists and nulls.

    A page depends on the objects that it lists even if none is selected: its ``totalCount``, ``pageInfo`` and cursors
    do.
    """
    names = [each.name for each in types]
    # In a connection, an edge is between the list and its objects:
    # https://relay.dev/graphql/connections.htm#sec-Edge-Types
    is_edge = name == "node" and "cursor" in parent.fields
    is_list = is_edge or _holds_a_list(graphql_field.type)
    of_pages = [each.name for each in listed if is_object_type(each)]
    lists = [*of_pages, *(names if is_list else ())]
    return tuple(sorted({*names, *of_pages, *(f"[{each}]" for each in lists)}))


def _holds_a_list(kind: object) -> bool:
    while is_wrapping_type(kind):
        if is_list_type(kind):
            return True
        kind = kind.of_type
    return False
