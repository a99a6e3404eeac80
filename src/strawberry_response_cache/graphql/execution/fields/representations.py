"""What a client sends of the objects that it asks Apollo Federation for.

For a type without ``resolve_reference``, Strawberry makes the object from what the client sends; otherwise it passes
that to the method. So not only the id decides about the fields below such an object: their keys contain
everything that the client sent.

https://www.apollographql.com/docs/graphos/reference/federation/subgraph-spec#resolving-entities
"""

from typing import Any, Final

from graphql import GraphQLError, GraphQLSchema, is_object_type
from graphql.execution import Executor

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql._compat.definitions import definition_of, identity_name
from strawberry_response_cache.graphql.annotations.field_path import FieldPath, restrict_below
from strawberry_response_cache.graphql.execution.fields.field_call import (
    FieldCall,
    info_and_arguments,
)
from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError, print_json

_ARGUMENT: Final = "representations"


def note_representations(path: FieldPath, executor: Executor[Any], where: FieldCall) -> None:
    """Note a tag for each object that a gateway asks for, unless its type finds the object by the id alone.

    Args:
        path: The path of the field, which keeps the tags for the fields below.
        executor: The executor, before it executes the field, which changes the arguments.
        where: The field.
    """
    schema = executor.schema
    try:
        _, coerced = info_and_arguments(executor, where)
        sent: Any = coerced[_ARGUMENT]
        path.say_of_items(
            tuple("" if _is_found_by_id(schema, each) else _tag(each) for each in sent)
        )
    except (GraphQLError, UnkeyableError):  # graphql-core raises the former again
        restrict_below(path, skip=True, private=False, tags=())


def _is_found_by_id(schema: GraphQLSchema, sent: object) -> bool:
    if not isinstance(sent, dict):
        return False
    named = schema.type_map.get(str(sent.get("__typename")))
    if not is_object_type(named) or sent.keys() != {"__typename", identity_name(named)}:
        return False
    return hasattr(getattr(definition_of(named), "origin", None), "resolve_reference")


def _tag(sent: object) -> str:
    # Without a colon, so that it belongs to no family and no invalidation reaches it.
    return f"representation {digest([print_json(sent)])}"
