"""The hints that types and fields inherit from Python bases and GraphQL interfaces."""

from collections.abc import Iterable, Iterator

from graphql import GraphQLNamedType, GraphQLObjectType, is_interface_type, is_object_type
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.union import StrawberryUnion

from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql.annotations.hints import Hint, hint_of


def directives_of(named: GraphQLNamedType) -> Iterable[object]:
    """Return the schema directives of a type, from Strawberry's definition."""
    definition = definition_of(named)
    if isinstance(definition, StrawberryObjectDefinition | StrawberryUnion):
        return definition.directives or ()
    return ()


def inherited_type_hints(named: GraphQLNamedType) -> Iterator[Hint]:
    """Yield the hints on the Python bases and GraphQL interfaces of a type."""
    definition = definition_of(named)
    if isinstance(definition, StrawberryObjectDefinition):
        for base in _definitions_of_bases(definition):
            if hint := hint_of(base.directives, f"the type {base.name}"):
                yield hint
    if is_object_type(named) or is_interface_type(named):
        for interface in named.interfaces:
            if hint := hint_of(directives_of(interface), f"the type {interface.name}"):
                yield hint


def inherited_field_hints(parent: GraphQLObjectType, name: str, field: object) -> Iterator[Hint]:
    """Yield the hints on the same field of the parent's interfaces and Python bases."""
    for interface in parent.interfaces:
        if (declared := interface.fields.get(name)) is not None:
            directives = getattr(definition_of(declared), "directives", ())
            if hint := hint_of(directives, f"{interface.name}.{name}"):
                yield hint
    definition = definition_of(parent)
    if isinstance(definition, StrawberryObjectDefinition) and isinstance(field, StrawberryField):
        for base in _definitions_of_bases(definition):
            other = base.get_field(field.python_name)
            if other is None or other is field:
                continue
            if hint := hint_of(other.directives, f"{base.name}.{name}"):
                yield hint


def _definitions_of_bases(
    definition: StrawberryObjectDefinition,
) -> Iterator[StrawberryObjectDefinition]:
    for base in definition.origin.__mro__[1:]:
        other = vars(base).get("__strawberry_definition__")
        if isinstance(other, StrawberryObjectDefinition) and other is not definition:
            yield other
