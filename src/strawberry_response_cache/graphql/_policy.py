"""The policy of an operation: how long, for whom, and if not at all, why and what to write.

The walk goes over every selected field of every object type that can stand there. What a field
demands does not depend on where it was met, so each pair of selection set and type is visited once
and a document of any depth costs its size.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
)

from strawberry_response_cache.graphql._reasons import Reason
from strawberry_response_cache.graphql._rules import FieldRule, SchemaRules, Source

_CONDITIONS = frozenset({"skip", "include"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an operation cannot be cached.

    Attributes:
        reason: The reason.
        coordinate: The field that is the reason, such as ``Query.accounts``.
        advice: What to write to change that.
    """

    reason: Reason
    coordinate: str | None = None
    advice: str = ""


@dataclass(slots=True)
class Policy:
    """What the selected fields come to.

    Attributes:
        ttl: Seconds; None if no field names one.
        limited_by: The coordinate that set the ttl.
        private_by: The coordinate that made the operation PRIVATE; None if it is PUBLIC.
        stale: Seconds; the lowest.
        tags: The union.
        vary: The union.
        identities: What the key says of each touched field, in order.
        problem: Why it cannot be cached, the first that was met.
    """

    ttl: float | None = None
    limited_by: str | None = None
    private_by: str | None = None
    stale: float | None = None
    tags: set[str] = field(default_factory=set)
    vary: set[str] = field(default_factory=set)
    identities: dict[str, str] = field(default_factory=dict)
    problem: Problem | None = None


def work_out_policy(
    schema: GraphQLSchema,
    rules: SchemaRules,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    *,
    variables: Mapping[str, Any],
    default_ttl: float | None,
) -> Policy:
    """Return the policy of a query, as its ``@skip`` and ``@include`` turn out.

    Args:
        schema: The schema that it was validated against.
        rules: The rules of that schema.
        operation: The query.
        fragments: The fragments of its document.
        variables: The coerced variables; only those of conditions are read.
        default_ttl: The extension's ``default_ttl``.
    """
    policy = Policy()
    root = schema.query_type
    if root is None:
        policy.problem = Problem(Reason.CUSTOM_CODE)
        return policy
    walk = _Walk(schema, rules, fragments, variables, default_ttl, policy)
    if operation.directives:
        walk.refuse(Reason.DIRECTIVE, None, "Remove the directive from the operation.")
    walk.run(operation.selection_set, root)
    if policy.problem is None and policy.ttl is None:
        policy.problem = Problem(
            Reason.WITHOUT_TTL,
            None,
            "No selected field has a ttl; give one cache_control(ttl=...).",
        )
    elif policy.problem is None and policy.ttl == 0:
        policy.problem = Problem(
            Reason.TTL_ZERO, policy.limited_by, "ttl=0 forbids caching; raise it or remove it."
        )
    return policy


@dataclass(slots=True)
class _Walk:
    schema: GraphQLSchema
    rules: SchemaRules
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    default_ttl: float | None
    policy: Policy
    _pending: deque[tuple[SelectionSetNode, GraphQLObjectType]] = field(default_factory=deque)
    _seen: set[tuple[int, str]] = field(default_factory=set)

    def run(self, selection_set: SelectionSetNode, root: GraphQLObjectType) -> None:
        """Visit everything below a selection set."""
        self._add(selection_set, root)
        while self._pending:
            current, parent = self._pending.popleft()
            for node in self._fields_of(current, parent):
                self._visit(node, parent, is_root=parent is root)

    def refuse(self, reason: Reason, coordinate: str | None, advice: str) -> None:
        """Note a reason not to cache, unless there is one already."""
        if self.policy.problem is None:
            self.policy.problem = Problem(reason, coordinate, advice)

    def _add(self, selection_set: SelectionSetNode, parent: GraphQLObjectType) -> None:
        visit = (id(selection_set), parent.name)
        if visit not in self._seen:
            self._seen.add(visit)
            self._pending.append((selection_set, parent))

    def _fields_of(
        self, selection_set: SelectionSetNode, parent: GraphQLObjectType
    ) -> Iterator[FieldNode]:
        """Yield the fields that stand here for this type; fragments are put in line for a visit."""
        for node in selection_set.selections:
            if not self._is_included(node.directives):
                continue
            match node:
                case FieldNode():
                    yield node
                case InlineFragmentNode(type_condition=condition, selection_set=nested):
                    if self._applies(condition, parent):
                        self._add(nested, parent)
                case FragmentSpreadNode(name=name):
                    fragment = self.fragments.get(name.value)
                    if fragment is None or getattr(fragment, "variable_definitions", None):
                        self.refuse(Reason.DIRECTIVE, None, "Fragment arguments are not cached.")
                    elif self._applies(fragment.type_condition, parent):
                        if fragment.directives:
                            self.refuse(Reason.DIRECTIVE, None, "Remove the fragment's directive.")
                        self._add(fragment.selection_set, parent)

    def _is_included(self, directives: "tuple[DirectiveNode, ...] | None") -> bool:
        included = True
        names = [directive.name.value for directive in directives or ()]
        if len(set(names)) < len(names):  # only in a document that was never validated
            self.refuse(Reason.DIRECTIVE, None, "A directive stands twice on one field.")
        for directive in directives or ():
            name = directive.name.value
            if name not in _CONDITIONS:
                self.refuse(
                    Reason.DIRECTIVE,
                    None,
                    f"@{name} may change values per request; only @skip and @include are cached.",
                )
                continue
            met = self._is_met(directive)
            included = included and (met if name == "include" else not met)
        return included

    def _is_met(self, directive: DirectiveNode) -> bool:
        values = [argument.value for argument in directive.arguments or ()]
        match values:
            case [BooleanValueNode(value=value)]:
                return value
            case [VariableNode(name=name)]:
                return bool(self.variables.get(name.value))
            case _:  # only a document that was never validated
                self.refuse(Reason.DIRECTIVE, None, "A condition needs exactly its 'if'.")
                return True

    def _applies(self, condition: NamedTypeNode | None, parent: GraphQLObjectType) -> bool:
        if condition is None or condition.name.value == parent.name:
            return True
        named: GraphQLNamedType | None = self.schema.get_type(condition.name.value)
        return (
            named is not None and is_abstract_type(named) and self.schema.is_sub_type(named, parent)
        )

    def _visit(self, node: FieldNode, parent: GraphQLObjectType, *, is_root: bool) -> None:
        name = node.name.value
        if name == "__typename":
            return
        if name.startswith("__"):
            self.refuse(Reason.INTROSPECTION, None, "Introspection is never cached.")
            return
        rule = self.rules.field(parent, name)
        if rule is None:  # only in a document that was never validated
            self.refuse(Reason.CUSTOM_CODE, f"{parent.name}.{name}", "The field does not exist.")
            return
        self._demand(rule, is_root=is_root)
        if node.selection_set is not None:
            for possible in rule.possible_types:
                self._add(node.selection_set, possible)

    def _demand(self, rule: FieldRule, *, is_root: bool) -> None:
        """Fold what one field demands into the policy."""
        policy = self.policy
        policy.identities[rule.coordinate] = rule.identity
        policy.tags.update(rule.tags)
        policy.vary.update(rule.vary)
        if rule.private and policy.private_by is None:
            policy.private_by = rule.coordinate
        if rule.source is Source.GUARDED:
            self.refuse(
                Reason.GUARDED,
                rule.coordinate,
                f"{rule.coordinate} has permission classes; query it apart from what is to be cached.",
            )
        elif rule.source is Source.FOREIGN:
            self.refuse(
                Reason.CUSTOM_CODE,
                rule.coordinate,
                f"{rule.coordinate} runs a field extension, or code that is not Strawberry's, which "
                "may decide per request; query it apart from what is to be cached.",
            )
        ttl = self._ttl(rule, is_root=is_root)
        if ttl is not None:
            stale = rule.stale or 0.0
            if policy.ttl is None or ttl < policy.ttl:
                policy.ttl, policy.limited_by = ttl, rule.coordinate
            policy.stale = stale if policy.stale is None else min(policy.stale, stale)

    def _ttl(self, rule: FieldRule, *, is_root: bool) -> float | None:
        """Return the ttl that a field demands; None if it follows its parent or was refused."""
        if rule.inherit and rule.ttl is None and not is_root:
            return None
        if self.default_ttl is not None:
            if rule.ttl is not None:
                return rule.ttl
            if rule.leaf and not is_root:
                return None
            return self.default_ttl if rule.cap is None else min(rule.cap, self.default_ttl)
        opens = rule.hinted or (rule.source is Source.ATTRIBUTE and not is_root)
        if not opens:
            # ttl=0 on the type is the stronger word, but this advice is the one that comes first.
            reason = Reason.ROOT_WITHOUT_HINT if is_root else Reason.RESOLVER_WITHOUT_HINT
            wanted = "cache_control(ttl=...)" if is_root else "cache_control(inherit=True) or a ttl"
            self.refuse(reason, rule.coordinate, f"Put @{wanted} above {rule.coordinate}.")
            return rule.ttl
        if rule.ttl is None and rule.hinted and (is_root or rule.source is not Source.ATTRIBUTE):
            self.refuse(
                Reason.WITHOUT_TTL,
                rule.coordinate,
                f"{rule.coordinate} has a cache_control without a ttl, and not every type that it "
                "can return has one; write cache_control(ttl=...) on the field or on those types.",
            )
        return rule.cap if rule.ttl is None else rule.ttl
