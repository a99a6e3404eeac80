"""What the name of a type means among the tags of a hint: the response depends on all objects of the type."""

from collections.abc import Iterable

from graphql import GraphQLSchema, is_object_type


def with_types_and_lists(tags: Iterable[str], schema: GraphQLSchema) -> tuple[str, ...]:
    """Return the tags; where one is ``Entry`` or ``[Entry]`` for an object type, add the other.

    Mutations invalidate ``[Entry]`` for a created object, and ``Entry`` where they invalidate a whole type. A
    number that is computed from all entries must be invalidated by either.

    Args:
        tags: The tags without placeholders that a user wrote.
        schema: The schema with the object types. Tags that name none of them stay as they are.
    """
    found = set(tags)
    for tag in [*found]:
        name = tag[1:-1] if tag[:1] == "[" and tag[-1:] == "]" else tag
        if is_object_type(schema.get_type(name)):
            found |= {name, f"[{name}]"}
    return tuple(sorted(found))
