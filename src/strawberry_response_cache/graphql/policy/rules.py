"""Rules: the combined hints of each type and field of a schema, independent of the operation.

The scope of a field is the strictest of all hints that apply to it: on the field, on the same field of
interfaces and Python bases, on its type, on that type's interfaces and bases, and on every concrete type
that it can return. PRIVATE and ``ttl=0`` are inherited; longer ttls are not.

A field can return several object types, and one of them has ``ttl=0``: the field can be cached, but a
response that really holds an object of that type is not stored.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_object_type,
    is_scalar_type,
    specified_scalar_types,
)
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql._compat.django_fields import (
    checks_values,
    chooses_rows,
    functions_with_info,
    listed_types,
    returns_the_user,
)
from strawberry_response_cache.graphql._compat.known_code import qualified_name
from strawberry_response_cache.graphql._compat.resolving import is_guard, stands_outside_guards
from strawberry_response_cache.graphql.annotations.hints import CacheScope, Hint, ParentKey, hint_of
from strawberry_response_cache.graphql.annotations.invalidates import Invalidates
from strawberry_response_cache.graphql.annotations.tag_templates import Template
from strawberry_response_cache.graphql.annotations.type_names import with_types_and_lists
from strawberry_response_cache.graphql.policy.inherited import (
    directives_of,
    inherited_field_hints,
    inherited_type_hints,
)
from strawberry_response_cache.graphql.policy.resolver_kind import (
    CustomCode,
    ResolverKind,
    ResolverKinds,
)
from strawberry_response_cache.graphql.policy.type_rule import TypeRule, of_types
from strawberry_response_cache.graphql.policy.type_tags import type_tags_of
from strawberry_response_cache.graphql.policy.written_as import WrittenAs, written_as


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedDown:
    """What the fields below a field inherit from it, for each type that it can return.

    Attributes:
        private: Whether their entries are PRIVATE.
        vary: Their ``vary`` names.
        tags: Their tags.
    """

    private: bool
    vary: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """The combined hints that apply to a field of an object type.

    Attributes:
        coordinate: Such as ``Query.accounts``.
        source: Its resolver kind.
        custom_code: Describes its custom code; None if it has none.
        written: How it is defined, for advice; see `written_as`.
        python_name: Its Python name.
        place: Where it is defined: the coordinate; for a generic type, the class and the attribute.
        guarded: Whether it has permission classes.
        around_guards: The field extension that runs outside the permission classes, so that a hit cannot run them;
            None if there is none.
        invalidates: Whether it has ``@invalidates``.
        hinted: Whether it has a hint of its own.
        inherit: Whether that hint has ``inherit=True``.
        inherits_by_type: Whether each type that it can return has a ttl or ``inherit=True``, and at least one has no
            ttl; the field then lives as long as its parent, and not longer than `cap`.
        ttl: Seconds, from the field or the types that it can return; None if one of them has none.
        cap: If ``ttl`` is None, the lowest ttl of its types; it limits a default ttl or the parent's ttl.
        private: Whether a hint that applies to it is PRIVATE.
        public: Whether its own hint says PUBLIC.
        has_own_rows: Whether code chooses its objects for each request, so it is PRIVATE: a ``get_queryset``,
            a permission for each value, or ``current_user``.
        stale: The stale window, in seconds.
        tags: The tags of the field and of its types.
        templates: Tags with placeholders, filled when the field is executed.
        type_tags: ``Type`` for each object type that it can return, and ``[Type]`` for each in a list.
        vary: Its ``vary`` names.
        graphql_field: The field's definition of graphql-core.
        hints: All hints on the field itself and on the same field of bases; its own comes first.
        leaf: Whether it returns a scalar or an enum.
        exact: Whether it returns a built-in scalar or an enum, whose results are JSON already.
        possible_types: The object types that it can return, without those in `never_stored`.
        never_stored: Names of the object types with ``ttl=0`` that it can return besides others. A
            response with such an object is not stored.
        by_itself: Whether it may have an entry of its own.
        of: The combined hints of the type to which it belongs; they apply to an entry of its own.
        parent: The type to which it belongs.
        returned: The combined hints of the types that it can return.
        hands_down: What the fields below inherit from it.
        key: The ``key`` of its hint.
        lacks_identity: Whether it has no entry of its own only because nothing identifies its parent objects.
        is_identified: Whether the parent objects have an id that identifies them without ``key``.
    """

    coordinate: str
    source: ResolverKind
    custom_code: CustomCode | None
    written: WrittenAs
    python_name: str
    place: str
    guarded: bool
    around_guards: str | None
    invalidates: bool
    hinted: bool
    inherit: bool
    inherits_by_type: bool
    ttl: float | None
    cap: float | None
    private: bool
    public: bool
    has_own_rows: bool
    stale: float | None
    tags: tuple[str, ...]
    templates: tuple[Template, ...]
    type_tags: tuple[str, ...]
    vary: tuple[str, ...]
    graphql_field: GraphQLField
    hints: tuple[Hint, ...]
    leaf: bool
    exact: bool
    possible_types: tuple[GraphQLObjectType, ...]
    never_stored: frozenset[str]
    by_itself: bool
    of: TypeRule
    parent: GraphQLObjectType
    returned: tuple[TypeRule, ...]
    hands_down: HandedDown
    key: ParentKey | None
    lacks_identity: bool
    is_identified: bool


class SchemaRules:
    """The rules of one schema, built once and read by every plan.

    Args:
        schema: The executable schema.
        trusted: The ``trusted_extensions``.
        info_class: The class of ``info`` that resolvers receive.
        exception_handlers: Those of the schema, which turn exceptions into members of unions.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        trusted: AbstractSet[object] = frozenset(),
        info_class: type[Info] = Info,
        exception_handlers: Iterable[object] = (),
    ) -> None:
        self._schema = schema
        self._kinds = ResolverKinds(
            self.possible_types,
            trusted=trusted,
            info_class=info_class,
            exception_handlers=exception_handlers,
        )
        self._fields: dict[tuple[str, str], FieldRule] = {}
        self._types: dict[str, TypeRule] = {}
        self.unbuilt = tuple(self._build())

    def field(self, parent: GraphQLObjectType, name: str) -> FieldRule | None:
        """Return the rule of a field of an object type, or None if it has no such field."""
        return self._fields.get((parent.name, name))

    def type(self, named: GraphQLNamedType) -> TypeRule:
        """Return the rule of a type."""
        return self._type_rule(named)

    def fields(self) -> Iterable[FieldRule]:
        """Return the rules of all fields."""
        return self._fields.values()

    def possible_types(self, named: GraphQLNamedType) -> tuple[GraphQLObjectType, ...]:
        """Return the object types that a declared type allows."""
        if is_abstract_type(named):
            return tuple(self._schema.get_possible_types(named))
        return (named,) if is_object_type(named) else ()

    # -- Building, once ------------------------------------------------------------------------------

    def _build(self) -> Iterator[str]:
        """Build every rule; yield the errors that keep one from being built."""
        for named in self._schema.type_map.values():
            if not is_object_type(named) or named.name.startswith("__"):
                continue
            for name, graphql_field in named.fields.items():
                try:
                    rule = self._field_rule(named, name, graphql_field)
                except CacheConfigurationError as error:
                    yield f"{named.name}.{name}: {error}"
                else:
                    self._fields[named.name, name] = rule

    def _type_rule(self, named: GraphQLNamedType) -> TypeRule:
        rule = self._types.get(named.name)
        if rule is None:
            own = hint_of(directives_of(named), f"the type {named.name}") or Hint()
            inherited = list(inherited_type_hints(named))
            hints = [own, *inherited]
            ttl = own.ttl
            if ttl is None and any(hint.ttl == 0 for hint in inherited):
                ttl = 0.0
            rule = self._types[named.name] = TypeRule(
                ttl=ttl,
                inherit=own.inherit and ttl is None,
                private=any(hint.scope is CacheScope.PRIVATE for hint in hints)
                or chooses_rows(named),
                stale=own.stale,
                tags=self._tags(hint.tags for hint in hints),
                vary=_union(hint.vary for hint in hints),
            )
        return rule

    def _field_rule(
        self, parent: GraphQLObjectType, name: str, graphql_field: GraphQLField
    ) -> FieldRule:
        coordinate = f"{parent.name}.{name}"
        field = definition_of(graphql_field)
        own = hint_of(getattr(field, "directives", ()), coordinate)
        inherited = list(inherited_field_hints(parent, name, field))
        hints = [hint for hint in (own, *inherited) if hint is not None]

        declared = get_named_type(graphql_field.type)
        concrete = self.possible_types(declared)
        types = {t: self._type_rule(t) for t in concrete}
        spoken = [self._type_rule(declared), *types.values()] if is_composite_type(declared) else []
        never_stored = frozenset(
            t.name for t, rule in types.items() if rule.ttl == 0 and is_abstract_type(declared)
        )
        ordinary = tuple(t for t in concrete if t.name not in never_stored)

        ttl = own.ttl if own else None
        if ttl is None and any(hint.ttl == 0 for hint in inherited):
            ttl = 0.0
        stale = own.stale if own else None
        cap, inherits_by_type = None, False
        if ttl is None:
            # If the field can return only this type, ttl=0 applies to the field.
            counted = [types[t] for t in ordinary or concrete]
            ttl, cap, stale, inherits_by_type = of_types(counted, self._type_rule(declared), stale)
        extensions = getattr(field, "extensions", ())
        guards = [each for each in extensions if is_guard(each)]
        source = self._kinds.of(parent, graphql_field, field)
        is_root = parent is self._schema.query_type
        inherits = own is not None and own.inherit
        around_guards = stands_outside_guards(field) if guards else None
        is_identified = not is_root and self._kinds.has_plain_id(parent)
        # An attribute costs less than a lookup.
        wants_entry = is_root or (
            own is not None and ttl is not None and not inherits and source is ResolverKind.RESOLVER
        )
        has_identity = is_root or is_identified or (own is not None and own.key is not None)
        listed = self._listed(concrete)
        has_own_rows = (
            any(map(chooses_rows, (declared, *concrete, *listed)))
            or any(map(checks_values, extensions))
            or returns_the_user(field)
        )
        public = own is not None and own.scope is CacheScope.PUBLIC
        # A filter or an order of the user's own may choose other rows for each user.
        may_choose = not public and any(functions_with_info(graphql_field))
        is_of_users = has_own_rows or may_choose
        private = is_of_users or any(h.scope is CacheScope.PRIVATE for h in hints)
        return FieldRule(
            coordinate=coordinate,
            source=source,
            custom_code=self._kinds.custom_code(graphql_field, field),
            written=written_as(name, field),
            python_name=getattr(field, "python_name", name),
            place=_written_coordinate(parent, coordinate, field),
            guarded=bool(guards),
            around_guards=None if around_guards is None else qualified_name(around_guards),
            invalidates=any(isinstance(each, Invalidates) for each in extensions),
            hinted=own is not None,
            inherit=inherits,
            inherits_by_type=inherits_by_type,
            ttl=ttl,
            cap=cap,
            private=private or any(t.private for t in spoken),
            public=public,
            has_own_rows=has_own_rows,
            stale=stale,
            tags=self._tags([*(h.tags for h in hints), *(t.tags for t in spoken)]),
            templates=tuple(template for hint in hints for template in hint.templates),
            type_tags=type_tags_of(parent, name, graphql_field, concrete, listed=listed),
            vary=_union([*(h.vary for h in hints), *(t.vary for t in spoken)]),
            graphql_field=graphql_field,
            hints=tuple(hints),
            leaf=not is_composite_type(declared),
            exact=_is_exact(declared),
            possible_types=ordinary,
            never_stored=never_stored,
            by_itself=wants_entry and has_identity and around_guards is None,
            of=self._type_rule(parent),
            parent=parent,
            returned=tuple(spoken),
            hands_down=self._handed_down(
                parent,
                declared,
                hints,
                private=is_of_users or (bool(guards) and not public),
            ),
            key=None if own is None else own.key,
            lacks_identity=wants_entry and not has_identity and bool(ttl),
            is_identified=is_identified,
        )

    def _handed_down(
        self,
        parent: GraphQLObjectType,
        declared: GraphQLNamedType,
        hints: list[Hint],
        *,
        private: bool,
    ) -> HandedDown:
        """Return what the fields below inherit: the field's hints, its parent type's and a declared union's.

        Hints on the concrete type that it returns are in the rules of that type's fields.
        """
        around = [] if parent is self._schema.query_type else [self._type_rule(parent)]
        if is_abstract_type(declared):
            around.append(self._type_rule(declared))
        return HandedDown(
            private=private
            or any(hint.scope is CacheScope.PRIVATE for hint in hints)
            or any(rule.private for rule in around),
            vary=_union([*(h.vary for h in hints), *(rule.vary for rule in around)]),
            tags=self._tags([*(h.tags for h in hints), *(rule.tags for rule in around)]),
        )

    def _listed(self, kinds: Iterable[GraphQLObjectType]) -> list[GraphQLNamedType]:
        """Return the types of the objects that pages list, such as the nodes of connections."""
        pages = [listed for kind in kinds for listed in listed_types(kind)]
        return [each for listed in pages for each in (listed, *self.possible_types(listed))]

    def _tags(self, groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
        return with_types_and_lists(_union(groups), self._schema)


def _written_coordinate(parent: GraphQLObjectType, coordinate: str, field: object) -> str:
    definition = definition_of(parent)
    if getattr(definition, "concrete_of", None) is None or not isinstance(field, StrawberryField):
        return coordinate
    return f"{definition.origin.__name__}.{field.python_name}"


def _is_exact(named: GraphQLNamedType) -> bool:
    """Whether the results of a type are JSON already: the built-in scalars serialise to JSON.

    https://spec.graphql.org/September2025/#sec-Scalars.Built-in-Scalars
    """
    if is_scalar_type(named):
        own = specified_scalar_types.get(named.name)
        return own is not None and named.coerce_output_value == own.coerce_output_value
    return True


def _union(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for group in groups for name in group}))
