"""What `explain` says of each selected field."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from graphql import (
    ExecutableDefinitionNode,
    FieldNode,
    GraphQLObjectType,
    SelectionSetNode,
    is_object_type,
)

from strawberry_response_cache.graphql._explanation import ExplainedField
from strawberry_response_cache.graphql.annotations.hints import CacheScope
from strawberry_response_cache.graphql.keys.setting import Setting
from strawberry_response_cache.graphql.policy.above import NOTHING_ABOVE, Above
from strawberry_response_cache.graphql.policy.demands import Demand, demand_of, problem_of_unknown
from strawberry_response_cache.graphql.policy.entities import policy_of_all
from strawberry_response_cache.graphql.policy.policy import Life, Policy, work_out_field_policy
from strawberry_response_cache.graphql.policy.rules import FieldRule
from strawberry_response_cache.graphql.policy.selection import Selected

_MOST_FIELDS: Final = 5_000


def scope_of(*, is_private: bool) -> CacheScope:
    """Return the scope: ``PRIVATE`` for one session, ``PUBLIC`` for all."""
    return CacheScope.PRIVATE if is_private else CacheScope.PUBLIC


def _leads_to_an_entry(explained: ExplainedField) -> bool:
    return explained.own_ttl is not None or any(map(_leads_to_an_entry, explained.fields))


@dataclass(slots=True)
class ExplainedTree:
    """The fields of one operation.

    Attributes:
        setting: What is known of the schema.
        selected: What is selected, with each ``@skip`` and ``@include`` decided.
        around: The life of the entry of the operation; None if it has none.
        vary: The varied values that its key depends on.
        has_entries: Whether fields can have entries of their own, because the cache is on.
        entities: The policies of the objects that a gateway asks for.
    """

    setting: Setting
    selected: Selected
    around: Life | None
    vary: frozenset[str]
    has_entries: bool
    entities: list[Policy]
    _count: int = 0

    def below(
        self, operation: ExecutableDefinitionNode, root: GraphQLObjectType
    ) -> tuple[ExplainedField, ...]:
        """Return the fields of an operation."""
        sets = [operation.selection_set]
        return tuple(self._fields(sets, root, NOTHING_ABOVE, self.around, is_root=True))

    def _fields(
        self,
        selection_sets: list[SelectionSetNode],
        parent: GraphQLObjectType,
        above: Above,
        around: Life | None,
        *,
        is_root: bool,
    ) -> Iterator[ExplainedField]:
        merged: dict[tuple[str, str], list[FieldNode]] = {}
        pending = list(selection_sets)
        seen = set(map(id, pending))

        def add(nested: SelectionSetNode, _: GraphQLObjectType) -> None:
            if id(nested) not in seen:
                seen.add(id(nested))
                pending.append(nested)

        while pending:
            for node in self.selected.fields(pending.pop(0), parent, add):
                name = node.name.value
                shown = node.alias.value if node.alias else name
                merged.setdefault((shown, name), []).append(node)
        for (shown, name), nodes in merged.items():
            self._count += 1
            if name != "__typename" and self._count <= _MOST_FIELDS:
                yield self._field(shown, parent, nodes, above, around, is_root=is_root)

    def _field(
        self,
        shown: str,
        parent: GraphQLObjectType,
        nodes: list[FieldNode],
        above: Above,
        around: Life | None,
        *,
        is_root: bool,
    ) -> ExplainedField:
        name = nodes[0].name.value
        rule = self.setting.rules.field(parent, name)
        if rule is None:
            problem = problem_of_unknown(parent, name)
            coordinate = f"{parent.name}.{name}"
            return ExplainedField(
                name=shown,
                coordinate=coordinate,
                ttl=None,
                scope=CacheScope.PUBLIC,
                reason=problem.reason,
                advice=problem.advice,
            )
        below = [node.selection_set for node in nodes if node.selection_set is not None]
        own = self._own_policy(rule, nodes, above, around, is_root=is_root)
        within = around if own is None else own.life
        demand = demand_of(rule, self.setting.defaults, is_root=is_root)
        if demand.problem is None and rule.by_itself:
            demand = replace(demand, problem=above.problem_of(rule))
        if self.entities and is_root:
            demand, own = self._of_entities()
        kinds: list[tuple[GraphQLObjectType, bool]] = []
        if below:
            kinds += [(kind, False) for kind in rule.possible_types]
            kinds += [(kind, True) for kind in self._kept_out(rule)]
        fields = [
            each
            for kind, is_kept_out in kinds
            for each in self._fields(below, kind, above.below(rule), within, is_root=False)
            if not is_kept_out or _leads_to_an_entry(each)
        ]
        return ExplainedField(
            name=shown,
            coordinate=rule.coordinate,
            ttl=demand.ttl,
            scope=scope_of(is_private=demand.private),
            reason=None if demand.problem is None else demand.problem.reason,
            advice="" if demand.problem is None else demand.problem.advice,
            never_stored=tuple(sorted(rule.never_stored)),
            own_ttl=None if own is None else own.ttl,
            own_scope=None if own is None else scope_of(is_private=own.private_by is not None),
            fields=tuple(fields),
        )

    def _of_entities(self) -> tuple[Demand, Policy | None]:
        """Return what the objects that a gateway asks for demand together, and the policy of those that are stored."""
        whole = policy_of_all(self.entities)
        stored = [each for each in self.entities if each.problem is None and self.has_entries]
        is_private = whole.private_by is not None
        demand = Demand(whole.ttl, whole.stale or 0.0, is_private, whole.problem)
        return demand, policy_of_all(stored) if stored else None

    def _kept_out(self, rule: FieldRule) -> list[GraphQLObjectType]:
        """Return the types whose objects are never stored; fields below them can have entries of their own."""
        found = map(self.setting.schema.get_type, sorted(rule.never_stored))
        return [each for each in found if is_object_type(each)]

    def _own_policy(
        self,
        rule: FieldRule,
        nodes: list[FieldNode],
        above: Above,
        around: Life | None,
        *,
        is_root: bool,
    ) -> Policy | None:
        """Return the policy of a field's own entry; None if it is only part of the entry around it."""
        is_below = rule.parent is self.setting.schema.query_type and not is_root
        if not self.has_entries or not rule.by_itself or is_below:
            return None
        policy = work_out_field_policy(
            self.setting.rules,
            rule,
            nodes,
            selected=self.selected,
            defaults=self.setting.defaults,
            is_root=is_root,
            above=above,
        )
        outlives = around is None or policy.life.outlives(around)
        # For a field below an object that is never stored, no function of `vary` is called.
        is_told_apart = policy.vary <= self.vary
        return policy if policy.problem is None and outlives and is_told_apart else None
