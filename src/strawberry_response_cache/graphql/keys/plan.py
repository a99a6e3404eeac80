"""Plans: what is known of an operation before its request's variables, worked out once.

A plan belongs to the very document that is executed, by identity: an extension may have exchanged
the document that the query's text stood for.
"""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    get_argument_values,
    print_ast,
    visit,
)
from graphql.execution.values import VariableValues

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql.keys.object_identity import ParentIdentity, parent_identity
from strawberry_response_cache.graphql.keys.operation_key import (
    Declared,
    UnkeyableError,
    declared_variables,
    print_json,
)
from strawberry_response_cache.graphql.keys.schema_identity import SchemaIdentity
from strawberry_response_cache.graphql.keys.selection_text import SelectionText
from strawberry_response_cache.graphql.policy.above import Above
from strawberry_response_cache.graphql.policy.policy import (
    Defaults,
    Policy,
    work_out_field_policy,
    work_out_policy,
)
from strawberry_response_cache.graphql.policy.rules import FieldRule, SchemaRules
from strawberry_response_cache.graphql.policy.selection import Selected

KEY_VERSION: Final = "3"
"""Raised when equal requests of two releases must not share an entry."""

_MOST_DOCUMENTS: Final = 512
_MOST_VARIANTS: Final = 64
_MOST_FIELDS: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the plans of one schema have in common.

    Attributes:
        schema: The executable schema.
        rules: Its rules.
        defaults: What the extension's configuration says of every field.
        schema_name: The extension's ``schema_name``.
        mistakes: What is wrong with the annotations; nothing is cached then.
        identity: Describes its fields in keys.
    """

    schema: GraphQLSchema
    rules: SchemaRules
    defaults: Defaults
    schema_name: str
    mistakes: tuple[str, ...] = ()
    identity: SchemaIdentity = field(default_factory=SchemaIdentity)


@dataclass(frozen=True, slots=True)
class Variant:
    """An operation as its conditions turn out.

    Attributes:
        policy: How long, and for whom.
        stem: Digest of all of its key that does not depend on the request.
        watches_fields: Whether fields of it may have entries of their own, where the operation cannot
            be cached or an entry of theirs would outlive it; or have tags to fill.
    """

    policy: Policy
    stem: str
    watches_fields: bool = False
    _fields: "dict[tuple[str, tuple[int, ...], Above], FieldPlan | None]" = field(
        default_factory=dict
    )


class FieldPlan:
    """A field that has an entry of its own, where one operation selects it.

    Args:
        setting: The schema and its rules.
        rule: The field's.
        definition: The field, as graphql-core has it.
        nodes: Where the operation selects it; they are answered as one.
        selected: The conditions that this variant stands for.
        types: The declared types of the operation's variables.
        policy: How long, and for whom.
        parent_key: Tells apart the objects that it belongs to; None for a root field.
        inherited: The tags that it inherits from the annotations of the fields above it.

    Attributes:
        rule: The field's.
        policy: How long, and for whom.
        parent_key: As given.
        inherited: As given.
        inherited_digest: Stands for these tags in its keys.
    """

    def __init__(
        self,
        setting: Setting,
        rule: FieldRule,
        definition: GraphQLField,
        nodes: Sequence[FieldNode],
        *,
        selected: Selected,
        types: Mapping[str, str],
        policy: Policy,
        parent_key: ParentIdentity | None,
        inherited: frozenset[str],
    ) -> None:
        self.rule = rule
        self.policy = policy
        self.parent_key = parent_key
        self.inherited = inherited
        self.inherited_digest = digest_of_tags(inherited)
        self._definition = definition
        self._nodes = nodes
        self._selected = selected
        self._types = types
        self._begin = _begin(setting, policy)
        self._used: tuple[str, ...] | None = None
        self._stems: dict[str, str] = {}

    def stem(self, sent: Mapping[str, Sequence[Any]], variables: VariableValues) -> str:
        """Return a digest of all of its keys that does not depend on the parent and on who asks.

        Args:
            sent: What was sent for each variable, see `sent_variables`.
            variables: The same as graphql-core coerced it.

        Raises:
            UnkeyableError: If what is selected cannot be printed, or an argument has no value.
        """
        if self._used is not None:
            known = self._stems.get(print_json([sent.get(name, ()) for name in self._used]))
            if known is not None:
                return known
        text = SelectionText(self._selected, sent, self._types)
        try:
            coerced = get_argument_values(self._definition, self._nodes[0], variables)
        except GraphQLError:  # it is raised again where the field is executed
            raise UnkeyableError from None
        printed = text.of(self._definition, self._nodes, coerced)
        stem = digest([*self._begin, self.rule.coordinate, printed])
        used = tuple(sorted(text.used))
        self._used = used
        if len(self._stems) < _MOST_VARIANTS:
            self._stems[print_json([sent.get(name, ()) for name in used])] = stem
        return stem


def _begin(setting: Setting, policy: Policy) -> list[str]:
    """Return what keys begin with: all of a deploy that decides what is stored, and for how long."""
    return [
        KEY_VERSION,
        setting.schema_name,
        setting.identity.of(policy.touched.values()),
        print_json([policy.ttl, policy.stale]),
    ]


def digest_of_tags(tags: frozenset[str]) -> str:
    """Return what stands for inherited tags in a key; empty without any."""
    return digest(sorted(tags)) if tags else ""


@dataclass(slots=True)
class Plan:
    """One operation of one document against one schema.

    Attributes:
        canonical: Digest of the operation and its fragments as printed: whitespace, commas and
            comments do not matter.
        conditions: The variables that decide an ``@skip`` or ``@include``, sorted.
        declared: Its variables and their defaults.
        types: Their declared types.
    """

    setting: Setting
    operation: OperationDefinitionNode = field(repr=False)
    fragments: Mapping[str, FragmentDefinitionNode] = field(repr=False)
    canonical: str
    conditions: tuple[str, ...]
    declared: Declared = field(repr=False)
    types: Mapping[str, str] = field(repr=False)
    _variants: dict[tuple[bool, ...], Variant] = field(default_factory=dict)

    def variant(self, variables: Mapping[str, Any]) -> Variant:
        """Return the operation as its conditions turn out with these coerced variables."""
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
            variant = Variant(policy, self._stem(policy), watches)
            if len(self._variants) < _MOST_VARIANTS:
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
        """Return the plan of a field, compiled now if need be; None if it has no entry of its own.

        Args:
            variant: The operation as its conditions turn out.
            parent: The type that it is a field of.
            nodes: Where it is selected.
            variables: The coerced variables; only those of conditions are read.
            above: What the fields above it hand down: one fragment stands under several of them.
        """
        fields = variant._fields
        key = (parent.name, tuple(map(id, nodes)), above)
        if key in fields:
            return fields[key]
        plan = self._compile_field(parent, nodes, variables, above)
        if len(fields) < _MOST_FIELDS:
            fields[key] = plan
        return plan

    def _compile_field(
        self,
        parent: GraphQLObjectType,
        nodes: Sequence[FieldNode],
        variables: Mapping[str, Any],
        above: Above,
    ) -> FieldPlan | None:
        setting = self.setting
        rule = setting.rules.field(parent, nodes[0].name.value)
        if rule is None or not rule.by_itself:
            return None
        conditions = {name: bool(variables.get(name)) for name in self.conditions}
        selected = Selected(setting.schema, self.fragments, conditions)
        policy = work_out_field_policy(
            setting.rules,
            rule,
            nodes,
            selected=selected,
            defaults=setting.defaults,
            is_root=parent is setting.schema.query_type,
            above=above,
        )
        definition = parent.fields[nodes[0].name.value]
        key = parent_identity(parent, rule.key, has_plain_id=rule.is_identified)
        return FieldPlan(
            setting,
            rule,
            definition,
            nodes,
            selected=selected,
            types=self.types,
            policy=policy,
            parent_key=key,
            inherited=above.tags,
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
    """The plans of a document's operations, which hold its parts but do not keep it alive."""

    document: "weakref.ref[DocumentNode]"
    plans: dict[int, Plan]


class Plans:
    """The plans of one schema: a bounded memory, the least recently used goes first.

    A plan lives as long as its document: with a parser cache, as that keeps it; else for a request.

    Args:
        setting: What they have in common.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._plans: OrderedDict[int, _Planned] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of documents with plans."""
        return len(self._plans)

    def plan(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> Plan:
        """Return the plan of an operation, compiled now if need be."""
        key = id(document)
        with self._lock:
            planned = self._plans.get(key)
            if planned is not None and planned.document() is document:
                self._plans.move_to_end(key)
                if (known := planned.plans.get(id(operation))) is not None:
                    return known
        plan = self._compile(operation, fragments)
        with self._lock:
            planned = self._plans.get(key)
            if planned is None or planned.document() is not document:
                planned = self._plans[key] = _Planned(weakref.ref(document, self._forget(key)), {})
            planned.plans[id(operation)] = plan
            while len(self._plans) > _MOST_DOCUMENTS:
                self._plans.popitem(last=False)
        return plan

    def _forget(self, key: int) -> Callable[["weakref.ref[DocumentNode]"], None]:
        """Return what drops a document's plans when the document is gone."""
        plans = weakref.ref(self)

        def forget(gone: "weakref.ref[DocumentNode]") -> None:
            # Without the lock: this may run wherever an object is freed, the lock's holder included.
            owner = plans()
            planned = owner._plans.get(key) if owner is not None else None  # noqa: SLF001 - its own class
            if owner is not None and planned is not None and planned.document is gone:
                owner._plans.pop(key, None)  # noqa: SLF001 - its own class

        return forget

    def _compile(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> Plan:
        reader = _Reader(fragments)
        reader.read(operation)
        used = {name: fragments[name] for name in sorted(reader.used) if name in fragments}
        printed = [print_ast(operation), *(print_ast(fragment) for fragment in used.values())]
        return Plan(
            self.setting,
            operation,
            used,
            digest(printed),
            tuple(sorted(reader.conditions)),
            declared_variables(operation, self.setting.schema),
            {
                each.variable.name.value: print_ast(each.type)
                for each in operation.variable_definitions or ()
            },
        )


class _Reader(Visitor):
    """Finds the fragments that an operation uses and the variables of its conditions."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        super().__init__()
        self._fragments = fragments
        self.used: set[str] = set()
        self.conditions: set[str] = set()

    def read(self, operation: OperationDefinitionNode) -> None:
        """Read the operation, then each fragment that was found, once."""
        visit(operation, self)
        read: set[str] = set()
        while unread := self.used - read:
            name = unread.pop()
            read.add(name)
            if (fragment := self._fragments.get(name)) is not None:
                visit(fragment, self)

    def enter_fragment_spread(self, node: Any, *_: object) -> None:  # noqa: ANN401 - graphql-core calls it by name
        """Note a fragment."""
        self.used.add(node.name.value)

    def enter_directive(self, node: Any, *_: object) -> None:  # noqa: ANN401 - graphql-core calls it by name
        """Note the variables of a condition."""
        if node.name.value in {"skip", "include"}:
            for argument in node.arguments or ():
                if isinstance(argument.value, VariableNode):
                    self.conditions.add(argument.value.name.value)
