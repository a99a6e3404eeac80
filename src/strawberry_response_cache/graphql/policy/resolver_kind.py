"""The resolver kind of a field: an attribute, a resolver, or custom code. Its policy depends on it."""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum, auto
from operator import getitem
from typing import Final, NamedTuple

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

from strawberry_response_cache.graphql._compat.definitions import definition_of, identity_name
from strawberry_response_cache.graphql._compat.django_fields import (
    hands_on,
    is_django_field,
    is_library_resolver,
    reads_its_parent,
    reads_the_id,
    tells_its_type,
)
from strawberry_response_cache.graphql._compat.known_code import qualified_name
from strawberry_response_cache.graphql._compat.resolving import (
    builds_info,
    is_strawberrys,
    overrides_get_result,
    runs_when_made,
)

# They return the resolver's value for every request. Permission classes are guards and run each time.
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
"""Methods that may be set on an extension object, where they replace those of its class."""
_RELAY_TYPES: Final = "strawberry.relay.types"


class ResolverKind(Enum):
    """Where the value of a field comes from."""

    ATTRIBUTE = auto()
    """An attribute of the parent, or an item of a parent that is a mapping."""
    RESOLVER = auto()
    """A resolver of the field's own."""
    CUSTOM = auto()
    """Custom code that may decide per request, or code that is not Strawberry's."""


class CustomCode(NamedTuple):
    """Code that may decide per request.

    Attributes:
        what: What it is, for messages.
        trusted: The name of the class that ``trusted_extensions`` takes; None if there is none.
    """

    what: str
    trusted: str | None = None

    @classmethod
    def of(cls, what: str, kind: type) -> "CustomCode":
        """Describe code that a class contains, which ``trusted_extensions`` may name."""
        return cls(f"{what} {qualified_name(kind)}", kind.__qualname__)


class ResolverKinds:
    """Finds the resolver kind of a schema's fields."""

    def __init__(
        self,
        possible_types: Callable[[GraphQLNamedType], Sequence[GraphQLObjectType]],
        *,
        trusted: AbstractSet[object],
        info_class: type[Info],
        exception_handlers: Iterable[object],
    ) -> None:
        self._possible_types = possible_types
        self._trusted = trusted
        self._resolvers = {StrawberryResolver, *trusted}
        is_plain = info_class in trusted or not runs_when_made(info_class)
        self._info_class = None if is_plain else info_class
        handlers = map(type, exception_handlers)
        self._handler = next((each for each in handlers if each not in trusted), None)

    def of(
        self, parent: GraphQLObjectType, graphql_field: GraphQLField, field: object
    ) -> ResolverKind:
        """Return the resolver kind of a field; unknown code counts as custom code."""
        named = get_named_type(graphql_field.type)
        if not isinstance(field, StrawberryField) or self.custom_code(graphql_field, field):
            return ResolverKind.CUSTOM
        if is_abstract_type(named) and any(
            _picks_its_type(member) for member in (named, *self._possible_types(named))
        ):
            return ResolverKind.RESOLVER
        if is_django_field(field):
            reads = reads_its_parent(graphql_field, field)
            return ResolverKind.ATTRIBUTE if reads else ResolverKind.RESOLVER
        if overrides_get_result(field):
            return ResolverKind.RESOLVER
        if field.base_resolver is None:
            plain = field.default_resolver is getattr or field.default_resolver is getitem
            return ResolverKind.ATTRIBUTE if plain else ResolverKind.RESOLVER
        module = getattr(field.base_resolver.wrapped_func, "__module__", None)
        if module == _RELAY_TYPES and not _overrides_node_id(parent):
            return ResolverKind.ATTRIBUTE
        if is_library_resolver(field):
            return ResolverKind.ATTRIBUTE
        return ResolverKind.RESOLVER

    def custom_code(self, graphql_field: GraphQLField, field: object) -> CustomCode | None:
        """Return the custom code through which a field gets its value; None if it has none."""
        if not isinstance(field, StrawberryField):
            return CustomCode("code that is not Strawberry's")
        for extension in field.extensions:
            if not self._hands_on(extension):
                return CustomCode.of("the field extension", type(extension))
        resolver = type(field.base_resolver)
        if field.base_resolver is not None and resolver not in self._resolvers:
            return CustomCode.of("the resolver class", resolver)
        if self._info_class is not None and builds_info(graphql_field):
            return CustomCode.of("the info class", self._info_class)
        if not is_strawberrys(graphql_field):
            return CustomCode("a resolver that was put into the executable schema")
        if is_union_type(get_named_type(graphql_field.type)) and self._handler is not None:
            return CustomCode.of("the exception handler", self._handler)
        return None

    def _hands_on(self, extension: FieldExtension) -> bool:
        """Whether a field extension returns the resolver's value for every request, or is a guard."""
        kind = type(extension)
        if kind in self._trusted:
            return True
        is_known = kind in _KNOWN_EXTENSIONS or hands_on(extension)
        return is_known and vars(extension).keys().isdisjoint(_HOOKS)

    def has_plain_id(self, parent: GraphQLObjectType) -> bool:
        """Whether a plain attribute identifies the objects of a type: its ``id``, or its ``@key``."""
        definition = definition_of(parent)
        origin = getattr(definition, "origin", None)
        if isinstance(origin, type) and issubclass(origin, Node):
            return not _overrides_node_id(parent)
        declared = parent.fields.get(identity_name(parent))
        if declared is None:
            return False
        return self.of(parent, declared, definition_of(declared)) is ResolverKind.ATTRIBUTE


def _picks_its_type(named: GraphQLNamedType) -> bool:
    """Whether the user's code picks the concrete type; the field then counts as one with a resolver."""
    definition = definition_of(named)
    return isinstance(definition, StrawberryObjectDefinition) and (
        definition.resolve_type is not None
        or (definition.is_type_of is not None and not tells_its_type(definition.is_type_of))
    )


def _overrides_node_id(parent: GraphQLObjectType) -> bool:
    """Whether a Relay node resolves its id with the user's code."""
    definition = definition_of(parent)
    origin = getattr(definition, "origin", None)
    own = getattr(getattr(origin, "resolve_id", None), "__func__", None)
    is_plain = own is Node.resolve_id.__func__  # type: ignore[attr-defined] # a class method
    return not is_plain and not reads_the_id(own)
