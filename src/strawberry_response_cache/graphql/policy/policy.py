"""The policy of an operation: how long it is cached, for whom, and if not, why and what to change.

Below the root, a field demands the same wherever it is selected; see `demands`. So the walk visits each pair of
selection set and type once, and its cost is linear in the size of the document.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    is_non_null_type,
    is_object_type,
)

from strawberry_response_cache.graphql.policy.above import NOTHING_ABOVE, Above
from strawberry_response_cache.graphql.policy.demands import (
    Defaults,
    Demand,
    demand_of,
    problem_of_unknown,
)
from strawberry_response_cache.graphql.policy.held_in_lists import HeldInLists
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason
from strawberry_response_cache.graphql.policy.rules import FieldRule, SchemaRules
from strawberry_response_cache.graphql.policy.selection import Selected
from strawberry_response_cache.graphql.policy.type_rule import TypeRule

_SIZE: Final = 2_000
_SIZE_OF_NAME: Final = 100
_SIZE_OF_LIFE: Final = 100


class Life(NamedTuple):
    """How long an entry is kept, stale window included, and for whom.

    Attributes:
        seconds: How long it is kept.
        private: Whether it is for one session only.
    """

    seconds: float
    private: bool

    def outlives(self, whole: "Life") -> bool:
        """Whether a field's own entry would serve requests that the operation's entry does not.

        A field that is PRIVATE only because of the fields above it is part of a PUBLIC operation. It gets no
        entry of its own there, because that would make the operation PRIVATE.
        """
        if self.private and not whole.private:
            return False
        return self.seconds > whole.seconds or (whole.private and not self.private)


@dataclass(slots=True)
class Policy:
    """The combined demands of the selected fields.

    Attributes:
        ttl: Seconds; None if no field names one.
        limited_by: The coordinate that set the ttl.
        private_by: The coordinate that made the operation PRIVATE; None if it is PUBLIC.
        stale: The lowest stale window, in seconds.
        negative_ttl: The longest ttl, in seconds, if a root field is null; None if that changes nothing.
        tags: All tags of the fields.
        type_tags: The tags of the types that it can hold, of lists of these types, and of lists whose items
            hold them.
        vary: All ``vary`` names of the fields.
        touched: The rules of the selected fields, by coordinate, in the order in which they were visited.
        conditions: The type conditions of fragments; see `Selected`.
        never_stored: Names of object types with ``ttl=0`` in positions that can hold other types. An
            object of such a type keeps the response from being stored.
        lives: The `Life` of each field that may have an entry of its own.
        has_templates: Whether there are tags with placeholders to fill during execution.
        exact: Whether all selected leaves are GraphQL's built-in scalars and enums, whose results are
            JSON already.
        is_altered: Whether the document has a directive, or another problem, that may affect other places of the
            document.
        problem: Why it cannot be cached: the first problem that was found.
    """

    ttl: float | None = None
    limited_by: str | None = None
    private_by: str | None = None
    stale: float | None = None
    negative_ttl: float | None = None
    tags: set[str] = field(default_factory=set)
    type_tags: set[str] = field(default_factory=set)
    vary: set[str] = field(default_factory=set)
    touched: dict[str, FieldRule] = field(default_factory=dict)
    conditions: set[tuple[str, str, bool]] = field(default_factory=set)
    never_stored: set[str] = field(default_factory=set)
    lives: list["Life"] = field(default_factory=list)
    has_templates: bool = False
    exact: bool = True
    is_altered: bool = False
    problem: Problem | None = None

    @property
    def types(self) -> frozenset[str]:
        """The names of the types that it can hold."""
        return frozenset(tag for tag in self.type_tags if not tag.startswith("["))

    @property
    def size(self) -> int:
        """Its approximate size in memory, in bytes."""
        names = len(self.tags) + len(self.type_tags) + len(self.vary) + len(self.never_stored)
        names += len(self.conditions)
        return _SIZE + _SIZE_OF_NAME * (names + len(self.touched)) + _SIZE_OF_LIFE * len(self.lives)

    @property
    def life(self) -> "Life":
        """How long its entry is kept, stale window included, and for whom."""
        return Life((self.ttl or 0.0) + (self.stale or 0.0), self.private_by is not None)

    def fold(self, rule: FieldRule, demand: Demand) -> None:
        """Add the demand of one selected field: the lowest ttl and the strictest scope count."""
        self.touched[rule.coordinate] = rule
        self.tags.update(rule.tags)
        self.exact = self.exact and rule.exact
        self.has_templates = self.has_templates or bool(rule.templates)
        self.type_tags.update(rule.type_tags)
        self.vary.update(rule.vary)
        self.never_stored.update(rule.never_stored)
        if demand.private and self.private_by is None:
            self.private_by = rule.coordinate
        if demand.problem is not None and self.problem is None:
            self.problem = demand.problem
        if demand.ttl is not None:
            if self.ttl is None or demand.ttl < self.ttl:
                self.ttl, self.limited_by = demand.ttl, rule.coordinate
            self.stale = demand.stale if self.stale is None else min(self.stale, demand.stale)

    def fold_null(self, rule: FieldRule, defaults: Defaults) -> None:
        """Set the negative ttl if a root field may be null."""
        if not is_non_null_type(rule.graphql_field.type):
            self.negative_ttl = defaults.negative_ttl

    def fold_entity(
        self, kind: GraphQLObjectType, of: TypeRule, ttl: float | None, defaults: Defaults
    ) -> None:
        """Add the annotations of the type of an object that a gateway asks for."""
        self.type_tags.add(kind.name)
        self.tags.update(of.tags)
        self.vary.update(of.vary)
        self.negative_ttl = defaults.negative_ttl
        if of.private:
            self.private_by = kind.name
        if ttl is not None:
            self.ttl, self.limited_by, self.stale = ttl, kind.name, of.stale or 0.0
            return
        self.problem = Problem(
            Reason.WITHOUT_TTL,
            kind.name,
            f"Put @cache_control(ttl=...) above the type {kind.name}.",
        )

    def fold_parent(self, rule: FieldRule) -> None:
        """Add the annotations of the parent's type to the policy of a field's own entry."""
        parent, of = rule.coordinate.partition(".")[0], rule.of
        self.type_tags.add(parent)
        self.tags.update(of.tags)
        self.vary.update(of.vary)
        if of.private and not rule.public and self.private_by is None:
            self.private_by = parent
        if of.ttl == 0:
            self.ttl, self.limited_by = 0.0, parent

    def fold_above(self, above: Above, rule: FieldRule) -> None:
        """Add what a field's own entry inherits from the fields above it.

        Args:
            above: What it inherits.
            rule: The field's rule. If its own hint says PUBLIC, that overrides PRIVATE above it.
        """
        if self.problem is None:
            self.problem = above.problem_of(rule)
        self.tags.update(above.tags)
        self.vary.update(above.vary)
        if not rule.public and self.private_by is None:
            self.private_by = above.private_by

    def conclude(self) -> None:
        """Set the problem of a complete policy that has no ttl, or a ttl of 0."""
        if self.problem is not None:
            return
        if self.ttl is None:
            self.problem = Problem(
                Reason.WITHOUT_TTL,
                None,
                "No selected field has a ttl; give one cache_control(ttl=...).",
            )
        elif self.ttl == 0:
            self.problem = Problem(
                Reason.TTL_ZERO, self.limited_by, "ttl=0 forbids caching; raise it or remove it."
            )


def work_out_policy(
    schema: GraphQLSchema,
    rules: SchemaRules,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    *,
    variables: Mapping[str, Any],
    defaults: Defaults,
    root: GraphQLObjectType | None = None,
) -> Policy:
    """Return the policy of an operation, with its ``@skip`` and ``@include`` decided."""
    policy = Policy()
    root = root or schema.query_type
    if root is None:
        policy.problem = Problem(Reason.CUSTOM_CODE)
        return policy
    selected = Selected(schema, fragments, variables)
    if operation.directives:
        selected.problem = Problem(
            Reason.DIRECTIVE, None, "Remove the directive from the operation."
        )
    Walk(rules, selected, defaults, policy).run(operation.selection_set, root)
    if selected.problem is not None:
        policy.lives.clear()  # a directive may affect other places of the document
        policy.is_altered = True
    if selected.allowance.is_spent:  # the part that was not read may hold any type
        policy.type_tags.update(*(each.type_tags for each in rules.fields()))
    policy.conclude()
    return policy


def work_out_field_policy(
    rules: SchemaRules,
    rule: FieldRule,
    nodes: Sequence[FieldNode],
    *,
    selected: Selected,
    defaults: Defaults,
    is_root: bool,
    above: Above = NOTHING_ABOVE,
) -> Policy:
    """Return the policy of a field that has an entry of its own."""
    policy = Policy()
    policy.fold(rule, demand_of(rule, defaults, is_root=is_root, by_itself=True))
    if is_root:
        policy.fold_null(rule, defaults)
    else:
        policy.fold_parent(rule)
    walk = Walk(rules, selected, defaults, policy)
    for node in nodes:
        if selected.is_included(node.directives) and node.selection_set is not None:
            walk.held.note(rule, node.selection_set)
            for possible in rule.possible_types:
                walk.run(node.selection_set, possible, is_root=False)
    if policy.problem is None:
        policy.problem = selected.problem
    policy.fold_above(above, rule)
    policy.conclude()
    return policy


@dataclass(slots=True)
class Walk:
    """Folds everything that is selected below a selection set into a policy.

    Attributes:
        rules: The rules of the schema.
        selected: The decided conditions.
        defaults: The defaults from the extension's configuration.
        policy: Receives the demands.
        held: Collects the types of the objects inside list items.
    """

    rules: SchemaRules
    selected: Selected
    defaults: Defaults
    policy: Policy
    held: HeldInLists = field(init=False)
    _pending: deque[tuple[SelectionSetNode, GraphQLObjectType]] = field(default_factory=deque)
    _seen: set[tuple[int, str]] = field(default_factory=set)
    _folded: set[tuple[str, bool]] = field(default_factory=set)
    _kept_out: deque[tuple[SelectionSetNode, GraphQLObjectType]] = field(default_factory=deque)
    _seen_kept_out: set[tuple[int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Create `held`."""
        self.held = HeldInLists(self.rules, self.selected)

    def run(
        self, selection_set: SelectionSetNode, root: GraphQLObjectType, *, is_root: bool = True
    ) -> None:
        """Visit everything below a selection set."""
        query = root if is_root else None
        self._add(selection_set, root)
        while self._pending and not self.selected.allowance.is_spent:
            current, parent = self._pending.popleft()
            for node in self.selected.fields(current, parent, self._add):
                self._visit(node, parent, is_root=parent is query)
        self._look_at_kept_out()
        self.policy.type_tags.update(self.held.tags)
        self.policy.conditions.update(self.selected.conditions)
        if self.selected.allowance.is_spent or self.held.is_cut_short:
            self.selected.refuse_as_too_large()
        if self.policy.problem is None:
            self.policy.problem = self.selected.problem

    def _add(self, selection_set: SelectionSetNode, parent: GraphQLObjectType) -> None:
        visit = (id(selection_set), parent.name)
        if visit not in self._seen and self.selected.allowance.spend():
            self._seen.add(visit)
            self._pending.append((selection_set, parent))

    def _visit(self, node: FieldNode, parent: GraphQLObjectType, *, is_root: bool) -> None:
        name = node.name.value
        if name == "__typename":
            return
        rule = self.rules.field(parent, name)
        if rule is None:
            if self.policy.problem is None:
                self.policy.problem = problem_of_unknown(parent, name)
            return
        folded = (rule.coordinate, is_root)
        if folded not in self._folded:  # it demands the same wherever it is selected
            self._folded.add(folded)
            self._fold(rule, is_root=is_root)
        if node.selection_set is not None:
            self.held.note(rule, node.selection_set)
            for possible in rule.possible_types:
                self._add(node.selection_set, possible)
            self._keep_out(node.selection_set, rule)

    # -- Below objects that are never stored ------------------------------------------------------------

    def _keep_out(self, selection_set: SelectionSetNode, rule: FieldRule) -> None:
        """Queue what is selected of types with ``ttl=0``, whose objects keep the response from being stored."""
        for name in sorted(rule.never_stored):
            kind = self.selected.schema.get_type(name)
            if is_object_type(kind):
                self._add_kept_out(selection_set, kind)

    def _add_kept_out(self, selection_set: SelectionSetNode, parent: GraphQLObjectType) -> None:
        visit = (id(selection_set), parent.name)
        if visit not in self._seen_kept_out and self.selected.allowance.spend():
            self._seen_kept_out.add(visit)
            self._kept_out.append((selection_set, parent))

    def _look_at_kept_out(self) -> None:
        """Look for directives in what is queued: its fields may have entries of their own, for other requests."""
        while self._kept_out and not self.selected.allowance.is_spent:
            current, parent = self._kept_out.popleft()
            for node in self.selected.fields(current, parent, self._add_kept_out):
                rule = self.rules.field(parent, node.name.value)
                if rule is not None and node.selection_set is not None:
                    for possible in rule.possible_types:
                        self._add_kept_out(node.selection_set, possible)
                    self._keep_out(node.selection_set, rule)

    def _fold(self, rule: FieldRule, *, is_root: bool) -> None:
        self.policy.fold(rule, demand_of(rule, self.defaults, is_root=is_root))
        if is_root:
            self.policy.fold_null(rule, self.defaults)
        # Below the root, nothing identifies an object of the query type.
        if rule.by_itself and (is_root or rule.parent is not self.selected.schema.query_type):
            own = demand_of(rule, self.defaults, is_root=is_root, by_itself=True)
            if own.problem is None and own.ttl:
                private = own.private or (rule.of.private and not is_root and not rule.public)
                self.policy.lives.append(Life(own.ttl + own.stale, private))
