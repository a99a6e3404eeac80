"""Plans: everything about an operation that does not depend on the request, computed once.

A plan belongs to one document object. The query's text would not do: another extension may have replaced
the document that was parsed from it.
"""

import itertools
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    print_ast,
)

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql._bounded import Bounded
from strawberry_response_cache.graphql.keys.document import UsedParts
from strawberry_response_cache.graphql.keys.entity_plan import EntityPlan
from strawberry_response_cache.graphql.keys.field_plan import FieldPlan, Grow
from strawberry_response_cache.graphql.keys.object_identity import parent_identity
from strawberry_response_cache.graphql.keys.operation_key import (
    Declared,
    declared_variables,
    print_json,
)
from strawberry_response_cache.graphql.keys.schema_identity import SchemaIdentity
from strawberry_response_cache.graphql.keys.selection_text import SelectionText
from strawberry_response_cache.graphql.policy.above import Above
from strawberry_response_cache.graphql.policy.demands import Defaults
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
from strawberry_response_cache.graphql.policy.rules import FieldRule, SchemaRules
from strawberry_response_cache.graphql.policy.selection import Allowance, Selected

KEY_VERSION: Final = "3"
"""The version of the keys; increase it when two releases must not share entries."""

_MOST_VARIANTS: Final = 64
"""Of one document: a client that tries all combinations does not push out the rest."""
_SIZE: Final = 2_000
"""About what a plan, a variant or a field's plan takes in bytes, apart from what its policy holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all plans of one schema share.

    Attributes:
        schema: The executable schema.
        rules: Its rules.
        defaults: The defaults from the extension's configuration.
        schema_name: The extension's ``schema_name``.
        mistakes: The mistakes in the annotations; if there are any, nothing is cached.
        identity: Describes the fields for keys.
        same_rows: For the name of a type, the other types that show the same rows of a database.
    """

    schema: GraphQLSchema
    rules: SchemaRules
    defaults: Defaults
    schema_name: str
    mistakes: tuple[str, ...] = ()
    identity: SchemaIdentity = field(default_factory=SchemaIdentity)
    same_rows: Mapping[str, tuple[GraphQLObjectType, ...]] = field(default_factory=dict)


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
        entity_plans: The plans of these entities, by the names of their types.
    """

    policy: Policy
    stem: str
    watches_fields: bool = False
    allowance: Allowance = field(default_factory=Allowance)
    entities: FieldRule | None = None
    entity_plans: dict[str, EntityPlan] = field(default_factory=dict, repr=False)
    _fields: "dict[tuple[str, tuple[int, ...], Above], FieldPlan | None]" = field(
        default_factory=dict
    )


def _begin(setting: Setting, policy: Policy) -> list[str]:
    """Return the first part of keys: everything in a deployed schema that decides what is stored."""
    return [
        KEY_VERSION,
        setting.schema_name,
        setting.identity.of(policy.touched.values()),
        print_json([policy.ttl, policy.stale, policy.negative_ttl, sorted(policy.conditions)]),
    ]


@dataclass(slots=True, kw_only=True, weakref_slot=True)
class Plan:
    """One operation of one document against one schema.

    Attributes:
        canonical: A digest of the printed operation and its fragments, so that whitespace, commas and
            comments do not matter.
        conditions: The variables that decide an ``@skip`` or ``@include``, sorted.
        depth: How many fields stand within each other.
        declared: Its variables and their defaults.
        types: Their declared types.
        grow: Asks whether something about it may be remembered.
    """

    setting: Setting
    operation: OperationDefinitionNode = field(repr=False)
    fragments: Mapping[str, FragmentDefinitionNode] = field(repr=False)
    canonical: str
    conditions: tuple[str, ...]
    depth: int
    declared: Declared = field(repr=False)
    types: Mapping[str, str] = field(repr=False)
    grow: Grow = field(repr=False)
    _variants: dict[tuple[bool, ...], Variant] = field(default_factory=dict)

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
            variant = Variant(policy, self._stem(policy), watches, entities=entities)
            if len(self._variants) < _MOST_VARIANTS and self.grow(_SIZE + policy.size):
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
        """Return the plan of a field, compiled on demand; None if it has no entry of its own.

        Args:
            variant: The operation with its conditions decided.
            parent: The parent type.
            nodes: The nodes that select it.
            variables: The coerced variables; only those of conditions are read.
            above: What it inherits from the fields above it; a fragment can have several parents.
        """
        fields = variant._fields
        key = (parent.name, tuple(map(id, nodes)), above)
        if key in fields:
            return fields[key]
        plan = self._compile_field(variant, parent, nodes, variables, above)
        if self.grow(_SIZE if plan is None else _SIZE + plan.policy.size):
            fields[key] = plan
        return plan

    def entity(
        self, variant: Variant, kind: GraphQLObjectType, variables: Mapping[str, Any]
    ) -> EntityPlan | None:
        """Return the plan of the objects of a type that a gateway asks for, compiled on demand.

        Args:
            variant: The operation with its conditions decided.
            kind: The type.
            variables: The coerced variables; only those of conditions are read.
        """
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
                begin=[*_begin(setting, policy), known],
                grow=self.grow,
            )
            if self.grow(_SIZE + policy.size):
                variant.entity_plans[kind.name] = plan
        return plan

    def text(
        self, sent: Mapping[str, Sequence[Any]], variables: Mapping[str, Any]
    ) -> SelectionText:
        """Return the printer of the selections of one request.

        Args:
            sent: What was sent for each variable, see `sent_variables`.
            variables: The coerced variables; only those of conditions are read.
        """
        return SelectionText(self._selected(variables, Allowance()), sent, self.types)

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
            begin=_begin(setting, policy),
            parent_key=key,
            inherited=above.tags,
            grow=self.grow,
        )

    def _stem(self, policy: Policy) -> str:
        name = self.operation.name
        return digest(
            [
                *_begin(self.setting, policy),
                self.canonical,
                "" if name is None else name.value,
            ]
        )


class _Planned(NamedTuple):
    """The plans of a document's operations; they refer to its nodes but do not keep it alive.

    Attributes:
        document: The document.
        plans: Its plans, by the identities of its operations.
        number: What tells it from any other document, also from one that is no more.
        uncached: The names of the operations of which nothing is cached.
    """

    document: "weakref.ref[DocumentNode]"
    plans: dict[int, Plan]
    number: int
    uncached: set[str | None]


class Plans:
    """The plans of one schema, in a bounded cache that drops the least recently used.

    A plan lives as long as its document: as long as a parser cache keeps it, else for one request.

    Args:
        setting: What the plans share.
        max_bytes: The memory that they may take, about.
    """

    def __init__(self, setting: Setting, *, max_bytes: int) -> None:
        self.setting = setting
        self._known: Bounded[int, _Planned] = Bounded(max_bytes)
        self._gone: deque[int] = deque()
        self._numbers = itertools.count()

    def __len__(self) -> int:
        """Return the number of documents with plans."""
        self._drop_gone()
        return len(self._known)

    @property
    def size(self) -> int:
        """About what they take, in bytes."""
        return self._known.size

    def number_of(self, document: DocumentNode, operation_name: str | None) -> int | None:
        """Return what tells a document from any other; None if it has no plans, or this operation is never cached."""
        planned = self._known.get(id(document))
        if planned is None or planned.document() is not document:
            return None
        return None if operation_name in planned.uncached else planned.number

    def note_uncached(self, document: DocumentNode, operation_name: str | None) -> None:
        """Note that nothing of an operation is cached, whatever its variables are."""
        planned = self._known.get(id(document))
        if planned is not None and planned.document() is document:
            planned.uncached.add(operation_name)

    def plan(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> Plan:
        """Return the plan of an operation, compiled on demand."""
        self._drop_gone()
        key = id(document)
        planned = self._known.get(key)
        if planned is None or planned.document() is not document:
            plans: dict[int, Plan] = {}
            known = weakref.ref(document, self._note_gone(key, plans))
            planned = _Planned(known, plans, next(self._numbers), set())
            self._known.put(key, planned, size=_SIZE)
        plan = planned.plans.get(id(operation))
        if plan is None:
            grow = partial(self._known.grow, key, planned)
            plan = self._compile(operation, fragments, grow)
            if grow(_SIZE):
                planned.plans[id(operation)] = plan
        return plan

    def _note_gone(
        self, key: int, plans: dict[int, Plan]
    ) -> Callable[["weakref.ref[DocumentNode]"], None]:
        """Return the callback that drops a document's plans after the document was freed.

        It runs wherever an object is freed, so it takes no lock.
        """
        gone = self._gone  # not `self`, which the document would keep alive

        def forget(_: "weakref.ref[DocumentNode]") -> None:
            plans.clear()
            gone.append(key)

        return forget

    def _drop_gone(self) -> None:
        while self._gone:
            with suppress(IndexError):  # another thread was quicker
                key = self._gone.popleft()
                planned = self._known.get(key)
                if planned is not None and planned.document() is None:
                    self._known.drop(key, planned)

    def _compile(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        grow: Grow,
    ) -> Plan:
        used = UsedParts(operation, fragments)
        printed = [print_ast(operation), *map(print_ast, used.fragments.values())]
        return Plan(
            setting=self.setting,
            operation=operation,
            fragments=used.fragments,
            canonical=digest(printed),
            conditions=used.conditions,
            depth=used.depth,
            declared=declared_variables(operation, self.setting.schema),
            types={
                each.variable.name.value: print_ast(each.type)
                for each in operation.variable_definitions or ()
            },
            grow=grow,
        )
