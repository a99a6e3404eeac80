"""A plan: everything about an operation that does not depend on the request, computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    OperationDefinitionNode,
    get_argument_values,
)
from graphql.execution.values import VariableValues

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql.keys.entity_plan import EntityPlan
from strawberry_response_cache.graphql.keys.field_plan import FieldPlan
from strawberry_response_cache.graphql.keys.object_identity import parent_identity
from strawberry_response_cache.graphql.keys.operation_key import (
    Declared,
    print_json,
    print_variables,
    sent_variables,
)
from strawberry_response_cache.graphql.keys.selection_text import SelectionText, print_coerced
from strawberry_response_cache.graphql.keys.setting import Setting
from strawberry_response_cache.graphql.keys.shared_defaults import SharedDefault
from strawberry_response_cache.graphql.keys.stems import Grow
from strawberry_response_cache.graphql.policy.above import Above
from strawberry_response_cache.graphql.policy.entities import (
    entities_asked,
    entities_node,
    work_out_entity_policy,
)
from strawberry_response_cache.graphql.policy.policy import (
    Policy,
    work_out_field_policy,
    work_out_policy,
)
from strawberry_response_cache.graphql.policy.rules import FieldRule
from strawberry_response_cache.graphql.policy.selection import Allowance, Selected

_MOST_VARIANTS: Final = 64
"""The most variants of an operation that are remembered: a client may try all combinations."""
SIZE: Final = 2_000
"""The approximate size of a plan, a variant or a field's plan, in bytes, apart from what its policy holds."""


def _never(_: int) -> bool:
    """Return False: no key of this operation may be remembered."""
    return False


def _made(definition: GraphQLField, node: FieldNode, variables: VariableValues) -> str:
    try:
        return print_json(print_coerced(get_argument_values(definition, node, variables)))
    except GraphQLError:  # the field fails with the same error, if it is executed
        return ""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Variant:
    """An operation with its ``@skip`` and ``@include`` decided.

    Attributes:
        policy: How long it is cached, and for whom.
        stem: A digest of the part of its key that does not depend on the request.
        watches_fields: Whether its fields are watched during execution. They are if fields may have
            entries of their own, because the operation cannot be cached or such an entry would outlive
            it, or if tags have placeholders.
        allowance: How much of the document is read for the plans of all these fields together.
        entities: The rule of its only field, if that asks for entities of a gateway, and each of them may have an
            entry of its own; None for any other operation.
        defaults: The default values of the schema that its resolvers may change.
        entity_plans: The plans of these entities, by the names of their types.
    """

    policy: Policy
    stem: str
    watches_fields: bool = False
    allowance: Allowance = field(default_factory=Allowance)
    entities: FieldRule | None = None
    defaults: tuple[SharedDefault, ...] = ()
    entity_plans: dict[str, EntityPlan] = field(default_factory=dict, repr=False)
    _fields: "dict[tuple[str, tuple[int, ...], Above], FieldPlan | None]" = field(
        default_factory=dict
    )


@dataclass(slots=True, kw_only=True, weakref_slot=True)
class Plan:
    """One operation of one document against one schema.

    Attributes:
        canonical: A digest of the printed operation and its fragments, so that whitespace, commas and
            comments do not matter.
        conditions: The variables that decide an ``@skip`` or ``@include``, sorted.
        depth: How many levels of fields are nested.
        declared: Its variables and their defaults.
        types: Their declared types.
        parses_variables: Whether the user's code parses variables.
        parsed: The fields for whose arguments the user's code parses something.
        grow: Returns whether something about it may be remembered; see `Grow`.
    """

    setting: Setting
    operation: OperationDefinitionNode = field(repr=False)
    fragments: Mapping[str, FragmentDefinitionNode] = field(repr=False)
    canonical: str
    conditions: tuple[str, ...]
    depth: int
    declared: Declared = field(repr=False)
    types: Mapping[str, str] = field(repr=False)
    parses_variables: bool
    parsed: Sequence[tuple[GraphQLField, FieldNode]] = field(repr=False)
    grow: Grow = field(repr=False)
    _variants: dict[tuple[bool, ...], Variant] = field(default_factory=dict)

    @property
    def is_parsed(self) -> bool:
        """Whether the user's code parses something that a client sends for it, and may do so differently each time."""
        return self.parses_variables or bool(self.parsed)

    def printed(self, variables: VariableValues) -> str:
        """Print what a request sent for its variables, and what the user's code makes of that, for its key.

        Raises:
            UnkeyableError: If a value is not plain JSON, such as an upload.
        """
        sent = print_variables(sent_variables(self.declared, variables.sources))
        return print_json([sent, *self._made(variables).values()]) if self.parsed else sent

    def _made(self, variables: VariableValues) -> dict[int, str]:
        """Print what the user's code makes of arguments, by the identity of the field's node."""
        return {id(node): _made(definition, node, variables) for definition, node in self.parsed}

    def variant(self, variables: Mapping[str, Any]) -> Variant:
        """Return the operation with its conditions decided by these coerced variables."""
        values = tuple(bool(variables.get(name)) for name in self.conditions)
        variant = self._variants.get(values)
        if variant is None:
            setting = self.setting
            policy = work_out_policy(
                setting.schema,
                setting.rules,
                self.operation,
                self.fragments,
                variables=variables,
                defaults=setting.defaults,
            )
            is_uncached = policy.problem is not None
            has_fields = any(is_uncached or life.outlives(policy.life) for life in policy.lives)
            watches = has_fields or (policy.has_templates and not is_uncached)
            entities = entities_asked(
                setting.schema, setting.rules, self.operation, policy, setting.defaults
            )
            watches = watches or entities is not None
            stem = self._stem(policy)
            defaults = setting.identity.defaults.of(policy.touched)
            variant = Variant(policy, stem, watches, entities=entities, defaults=defaults)
            if len(self._variants) < _MOST_VARIANTS and self.grow(SIZE + policy.size):
                self._variants[values] = variant
        return variant

    def field(
        self,
        variant: Variant,
        parent: GraphQLObjectType,
        nodes: Sequence[FieldNode],
        variables: Mapping[str, Any],
        above: Above,
    ) -> FieldPlan | None:
        """Return the plan of a field, compiled on demand; None if it has no entry of its own."""
        fields = variant._fields
        key = (parent.name, tuple(map(id, nodes)), above)
        if key in fields:
            return fields[key]
        plan = self._compile_field(variant, parent, nodes, variables, above)
        if self.grow(SIZE if plan is None else SIZE + plan.policy.size):
            fields[key] = plan
        return plan

    def entity(
        self, variant: Variant, kind: GraphQLObjectType, variables: Mapping[str, Any]
    ) -> EntityPlan | None:
        """Return the plan of the objects of a type that a gateway asks for, compiled on demand, or None."""
        plan, node = variant.entity_plans.get(kind.name), entities_node(self.operation)
        if plan is None and node is not None and variant.entities is not None:
            setting = self.setting
            policy = work_out_entity_policy(
                setting.rules,
                kind,
                node,
                selected=self._selected(variables, variant.allowance),
                defaults=setting.defaults,
            )
            known = setting.identity.of_entity(kind, setting.rules.type(kind))
            plan = EntityPlan(
                variant.entities,
                kind,
                node,
                policy=policy,
                begin=[*setting.begin_key(policy), known],
                grow=self._grow_keys,
            )
            if self.grow(SIZE + policy.size):
                variant.entity_plans[kind.name] = plan
        return plan

    def text(self, sent: Mapping[str, Sequence[Any]], variables: VariableValues) -> SelectionText:
        """Return the printer of the selections of one request."""
        selected = self._selected(variables.coerced, Allowance())
        made = self._made(variables) if self.parsed else {}
        return SelectionText(selected, sent, self.types, made)

    @property
    def _grow_keys(self) -> Grow:
        """The `grow` of keys: False where the user's code may parse the same text differently each time."""
        return _never if self.parsed else self.grow

    def _selected(self, variables: Mapping[str, Any], allowance: Allowance) -> Selected:
        conditions = {name: bool(variables.get(name)) for name in self.conditions}
        return Selected(self.setting.schema, self.fragments, conditions, allowance)

    def _compile_field(
        self,
        variant: Variant,
        parent: GraphQLObjectType,
        nodes: Sequence[FieldNode],
        variables: Mapping[str, Any],
        above: Above,
    ) -> FieldPlan | None:
        setting = self.setting
        rule = setting.rules.field(parent, nodes[0].name.value)
        if rule is None or not rule.by_itself:
            return None
        policy = work_out_field_policy(
            setting.rules,
            rule,
            nodes,
            selected=self._selected(variables, variant.allowance),
            defaults=setting.defaults,
            is_root=parent is setting.schema.query_type,
            above=above,
        )
        definition = parent.fields[nodes[0].name.value]
        key = parent_identity(parent, rule.key, has_plain_id=rule.is_identified)
        return FieldPlan(
            rule,
            definition,
            nodes,
            policy=policy,
            begin=setting.begin_key(policy),
            parent_key=key,
            inherited=above.tags,
            defaults=setting.identity.defaults.of(policy.touched),
            grow=self._grow_keys,
        )

    def _stem(self, policy: Policy) -> str:
        name = self.operation.name
        return digest(
            [
                *self.setting.begin_key(policy),
                self.canonical,
                "" if name is None else name.value,
            ]
        )
