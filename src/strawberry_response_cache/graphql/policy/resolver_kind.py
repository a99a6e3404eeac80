"""Where the value of a field comes from: what a hint above it opens depends on that."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum, auto
from typing import Final

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_union_type,
)
from strawberry.extensions.field_extension import FieldExtension, SyncToAsyncExtension
from strawberry.field_extensions import InputMutationExtension
from strawberry.permission import PermissionExtension
from strawberry.relay import Node
from strawberry.relay.fields import ConnectionExtension, NodeExtension
from strawberry.types import Info
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql._compat.resolving import (
    builds_info,
    is_strawberrys,
    overrides_get_result,
    runs_when_made,
)
from strawberry_response_cache.graphql.policy.custom_code import name_of

# They hand on what the resolver returned, for everyone alike; permission classes are guards, and run each time.
_KNOWN_EXTENSIONS: Final = frozenset(
    {
        ConnectionExtension,
        InputMutationExtension,
        NodeExtension,
        PermissionExtension,
        SyncToAsyncExtension,
    }
)
_HOOKS: Final = frozenset({"resolve", "resolve_async"})
"""What one extension object may have instead of its class."""
_RELAY_TYPES: Final = "strawberry.relay.types"


class ResolverKind(Enum):
    """Where the value of a field comes from."""

    ATTRIBUTE = auto()
    """An attribute of its parent."""
    RESOLVER = auto()
    """A resolver of its own."""
    CUSTOM = auto()
    """Through code that may decide per request, or that is not Strawberry's at all."""


class ResolverKinds:
    """Where the values of one schema's fields come from.

    Args:
        possible_types: Returns the object types that can stand where a type is declared.
        trusted: Classes that the user vouches for.
        info_class: The class of `info`.
        converts_exceptions: See `SchemaRules`.
    """

    def __init__(
        self,
        possible_types: Callable[[GraphQLNamedType], Sequence[GraphQLObjectType]],
        *,
        trusted: AbstractSet[object],
        info_class: type[Info],
        converts_exceptions: bool,
    ) -> None:
        self._possible_types = possible_types
        self._trusted = trusted
        self._resolvers = {StrawberryResolver, *trusted}
        is_plain = info_class in trusted or not runs_when_made(info_class)
        self._info_class = None if is_plain else info_class
        self._converts_exceptions = converts_exceptions

    def of(
        self, parent: GraphQLObjectType, graphql_field: GraphQLField, field: object
    ) -> ResolverKind:
        """Return where a field's value comes from; what is not recognised is foreign."""
        named = get_named_type(graphql_field.type)
        if not isinstance(field, StrawberryField) or self.custom_code(graphql_field, field):
            return ResolverKind.CUSTOM
        if is_abstract_type(named) and any(
            _picks_its_type(member) for member in (named, *self._possible_types(named))
        ):
            return ResolverKind.RESOLVER
        if overrides_get_result(field):
            return ResolverKind.RESOLVER
        if field.base_resolver is None:
            plain = field.default_resolver is getattr
            return ResolverKind.ATTRIBUTE if plain else ResolverKind.RESOLVER
        module = getattr(field.base_resolver.wrapped_func, "__module__", None)
        if module == _RELAY_TYPES and not _overrides_node_id(parent):
            return ResolverKind.ATTRIBUTE
        return ResolverKind.RESOLVER

    def custom_code(self, graphql_field: GraphQLField, field: object) -> str | None:
        """Return the name of the code that may decide per request; None if there is none."""
        if not isinstance(field, StrawberryField):
            return "code that is not Strawberry's"
        for extension in field.extensions:
            if not self._hands_on(extension):
                return f"the field extension {name_of(type(extension))}"
        resolver = type(field.base_resolver)
        if field.base_resolver is not None and resolver not in self._resolvers:
            return f"the resolver class {name_of(resolver)}"
        if self._info_class is not None and builds_info(graphql_field):
            return f"the info class {name_of(self._info_class)}"
        if not is_strawberrys(graphql_field):
            return "a resolver of the executable schema"
        if is_union_type(get_named_type(graphql_field.type)) and self._converts_exceptions:
            return "an exception handler of the schema"
        return None

    def _hands_on(self, extension: FieldExtension) -> bool:
        """Whether a field extension hands on what the resolver returned, for everyone alike, or is a guard."""
        kind = type(extension)
        if kind in self._trusted:
            return True
        return kind in _KNOWN_EXTENSIONS and vars(extension).keys().isdisjoint(_HOOKS)

    def has_plain_id(self, parent: GraphQLObjectType) -> bool:
        """Whether an attribute tells the objects of a type apart as its ``id`` does."""
        definition = definition_of(parent)
        origin = getattr(definition, "origin", None)
        if isinstance(origin, type) and issubclass(origin, Node):
            return not _overrides_node_id(parent)
        declared = parent.fields.get("id")
        if declared is None:
            return False
        return self.of(parent, declared, definition_of(declared)) is ResolverKind.ATTRIBUTE


def _picks_its_type(named: GraphQLNamedType) -> bool:
    """Whether code of the user's own picks the concrete type: as good as a resolver of its own."""
    definition = definition_of(named)
    return isinstance(definition, StrawberryObjectDefinition) and (
        definition.is_type_of is not None or definition.resolve_type is not None
    )


def _overrides_node_id(parent: GraphQLObjectType) -> bool:
    """Whether a Relay node resolves its id by code of the user's own."""
    definition = definition_of(parent)
    origin = getattr(definition, "origin", None)
    own = getattr(getattr(origin, "resolve_id", None), "__func__", None)
    return own is not Node.resolve_id.__func__  # type: ignore[attr-defined] # a class method
