"""The policy of an operation: how long, for whom, and if not at all, why and what to write.

What a field demands does not depend on where it was met, so the walk visits each pair of selection
set and type once, and a document of any depth costs its size.
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
)

from strawberry_response_cache.graphql.policy.above import NOTHING_ABOVE, Above
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason
from strawberry_response_cache.graphql.policy.resolver_kind import ResolverKind
from strawberry_response_cache.graphql.policy.rules import FieldRule, SchemaRules, WrittenAs
from strawberry_response_cache.graphql.policy.selection import Selected

_SIZE: Final = 2_000
_SIZE_OF_NAME: Final = 100
_SIZE_OF_LIFE: Final = 100


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the extension's configuration says of every field.

    Attributes:
        ttl: The extension's ``default_ttl``, in seconds.
        guarded_is_private: Whether what a guarded field below another one says may be stored for
            the session that it was said to.
    """

    ttl: float | None = None
    guarded_is_private: bool = True


@dataclass(frozen=True, slots=True)
class Demand:
    """What one selected field demands of whatever holds it.

    Attributes:
        ttl: Seconds; None if it follows its parent.
        stale: Seconds; counts where there is a ttl.
        private: Whether it is of one session.
        problem: Why nothing that holds it can be cached.
    """

    ttl: float | None
    stale: float
    private: bool
    problem: Problem | None


class Life(NamedTuple):
    """How long something is kept, its stale window included, and for whom.

    Attributes:
        seconds: How long.
        private: Whether for one session only.
    """

    seconds: float
    private: bool

    def outlives(self, whole: "Life") -> bool:
        """Whether an entry of its own serves somebody whom one of the whole does not.

        What is PRIVATE by the path alone is part of a PUBLIC whole: its own entry would make that PRIVATE.
        """
        if self.private and not whole.private:
            return False
        return self.seconds > whole.seconds or (whole.private and not self.private)


@dataclass(slots=True)
class Policy:
    """What the selected fields come to.

    Attributes:
        ttl: Seconds; None if no field names one.
        limited_by: The coordinate that set the ttl.
        private_by: The coordinate that made the operation PRIVATE; None if it is PUBLIC.
        stale: Seconds; the lowest.
        tags: The union.
        type_tags: Those of the types that can stand in it, and of lists of them.
        vary: The union.
        touched: The rule of each field that is selected, in order.
        never_stored: Names of the object types which, where one is completed in a position that
            could have held another, keep the response from being stored.
        lives: How long each field that may have an entry of its own would live, and whether it is
            PRIVATE.
        has_templates: Whether tags with placeholders are to be filled when it is executed.
        exact: Whether all selected leaves are of GraphQL's own scalars and of enums, whose results are
            JSON as they stand.
        problem: Why it cannot be cached, the first that was met.
    """

    ttl: float | None = None
    limited_by: str | None = None
    private_by: str | None = None
    stale: float | None = None
    tags: set[str] = field(default_factory=set)
    type_tags: set[str] = field(default_factory=set)
    vary: set[str] = field(default_factory=set)
    touched: dict[str, FieldRule] = field(default_factory=dict)
    never_stored: set[str] = field(default_factory=set)
    lives: list["Life"] = field(default_factory=list)
    has_templates: bool = False
    exact: bool = True
    problem: Problem | None = None

    @property
    def types(self) -> frozenset[str]:
        """The names of the types that can stand in it."""
        return frozenset(tag for tag in self.type_tags if not tag.startswith("["))

    @property
    def size(self) -> int:
        """About what it takes in bytes, where it is remembered."""
        names = len(self.tags) + len(self.type_tags) + len(self.vary) + len(self.never_stored)
        return _SIZE + _SIZE_OF_NAME * (names + len(self.touched)) + _SIZE_OF_LIFE * len(self.lives)

    @property
    def life(self) -> "Life":
        """How long it lives, its stale window included, and for whom."""
        return Life((self.ttl or 0.0) + (self.stale or 0.0), self.private_by is not None)

    def fold(self, rule: FieldRule, demand: Demand) -> None:
        """Take in what one selected field demands: the lowest ttl, the strictest scope."""
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

    def fold_parent(self, rule: FieldRule) -> None:
        """Take in what the object says that a field is of: part of the answer, and invalidated with it."""
        parent, of = rule.coordinate.partition(".")[0], rule.of
        self.type_tags.add(parent)
        self.tags.update(of.tags)
        self.vary.update(of.vary)
        if of.private and not rule.public and self.private_by is None:
            self.private_by = parent
        if of.ttl == 0:
            self.ttl, self.limited_by = 0.0, parent

    def fold_above(self, above: Above, *, is_public: bool) -> None:
        """Take in what the fields above a field hand down to an entry of its own.

        Args:
            above: What they hand down.
            is_public: Whether the field's own hint says PUBLIC, which is stronger than PRIVATE above it.
        """
        self.tags.update(above.tags)
        self.vary.update(above.vary)
        if not is_public and self.private_by is None:
            self.private_by = above.private_by

    def conclude(self) -> None:
        """Say what is wrong with a policy into which everything was folded."""
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


# -- What one field demands ------------------------------------------------------------------------


def demand_of(
    rule: FieldRule, defaults: Defaults, *, is_root: bool, by_itself: bool = False
) -> Demand:
    """Return what a selected field demands of what holds it, or of an entry of its own.

    Args:
        rule: The field's.
        defaults: What the extension's configuration says of every field.
        is_root: Whether it is a field of the query type.
        by_itself: Whether it is an entry of its own, which its guards check on every request.
    """
    ttl, silent = _ttl(rule, defaults.ttl, is_root=is_root)
    if by_itself:
        private = rule.private or (rule.guarded and not rule.public)
        return Demand(ttl, rule.stale or 0.0, private, _custom_code(rule) or silent)
    # A decision of a guard below holds for the session that it was made for.
    private = rule.private or (rule.guarded and not is_root)
    guarded = _guarded(rule, defaults, is_root=is_root)
    return Demand(ttl, rule.stale or 0.0, private, guarded or _custom_code(rule) or silent)


def _guarded(rule: FieldRule, defaults: Defaults, *, is_root: bool) -> Problem | None:
    if not rule.guarded:
        return None
    if is_root:
        advice = (
            f"The permission classes of {rule.coordinate} run on every request, so the operation is not "
            "stored as a whole; its root fields have entries of their own, see 'fields'."
        )
    elif defaults.guarded_is_private:
        return None
    else:
        advice = (
            f"{rule.coordinate} has permission classes, and the extension says "
            "guarded='uncacheable'; query it apart from what is to be cached, or say 'private'."
        )
    return Problem(Reason.GUARDED, rule.coordinate, advice)


def _custom_code(rule: FieldRule) -> Problem | None:
    if rule.source is not ResolverKind.CUSTOM:
        return None
    return Problem(
        Reason.CUSTOM_CODE,
        rule.coordinate,
        f"{rule.coordinate} runs {rule.custom_code}, which may decide per request; name its class in "
        "trusted_extensions if it does not, or query the field apart.",
    )


def _ttl(
    rule: FieldRule, default_ttl: float | None, *, is_root: bool
) -> tuple[float | None, Problem | None]:
    """Return the ttl that a field demands, None if it follows its parent; and why it has none."""
    if rule.inherit and rule.ttl is None and not is_root:
        return None, None
    if default_ttl is not None:
        return _ttl_by_default(rule, default_ttl, is_root=is_root), None
    opens = rule.hinted or (rule.source is ResolverKind.ATTRIBUTE and not is_root)
    if not opens:
        # ttl=0 on the type is the stronger word, but this advice is the one that comes first.
        reason = Reason.ROOT_WITHOUT_HINT if is_root else Reason.RESOLVER_WITHOUT_HINT
        return rule.ttl, Problem(reason, rule.coordinate, _hint_to_write(rule, is_root=is_root))
    if rule.ttl is None and rule.hinted and (is_root or rule.source is not ResolverKind.ATTRIBUTE):
        return rule.cap, Problem(
            Reason.WITHOUT_TTL,
            rule.coordinate,
            f"{rule.coordinate} has a cache_control without a ttl, and not every type that it "
            "can return has one; write cache_control(ttl=...) on the field or on those types.",
        )
    return (rule.cap if rule.ttl is None else rule.ttl), None


def _hint_to_write(rule: FieldRule, *, is_root: bool) -> str:
    """Return what to write so that a field has a hint, at a place where it can be written."""
    match rule.written:
        case WrittenAs.NOWHERE:
            return (
                f"{rule.coordinate} is not written by you, so it cannot carry a hint; query it apart from "
                "what is to be cached."
            )
        case WrittenAs.ANNOTATION:
            hint = "cache_control(ttl=...)" if is_root else "cache_control(inherit=True)"
            return (
                f"{rule.coordinate} is an annotation; write "
                f"{rule.python_name}: ... = strawberry.field(directives=[{hint}]) in its class."
            )
        case WrittenAs.RESOLVER:
            wanted = "cache_control(ttl=...)" if is_root else "cache_control(inherit=True) or a ttl"
            return f"Put @{wanted} above {rule.place}."


def _ttl_by_default(rule: FieldRule, default_ttl: float, *, is_root: bool) -> float | None:
    """Return the ttl by Apollo's rule; scalars below the root follow their parent."""
    if rule.ttl is not None:
        return rule.ttl
    if rule.leaf and not is_root:
        return None
    return default_ttl if rule.cap is None else min(rule.cap, default_ttl)


# -- What an operation comes to --------------------------------------------------------------------


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
    """Return the policy of an operation, as its ``@skip`` and ``@include`` turn out.

    Args:
        schema: The schema that it was validated against.
        rules: The rules of that schema.
        operation: The operation.
        fragments: The fragments of its document.
        variables: The coerced variables; only those of conditions are read.
        defaults: What the extension's configuration says of every field.
        root: The type that it begins with; None for the schema's query type.
    """
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
    _Walk(rules, selected, defaults, policy).run(operation.selection_set, root)
    if selected.problem is not None:
        policy.lives.clear()  # a directive may act on more than what it stands at
    if (
        selected.allowance.is_spent
    ):  # a mutation that is cut off may have changed what was not looked at
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
    """Return the policy of a field that has an entry of its own.

    Args:
        rules: The rules of the schema.
        rule: The field's.
        nodes: Where the operation selects it; they are answered as one.
        selected: The conditions of the request.
        defaults: What the extension's configuration says of every field.
        is_root: Whether it is a field of the query type.
        above: What the fields above it hand down.
    """
    policy = Policy()
    policy.fold(rule, demand_of(rule, defaults, is_root=is_root, by_itself=True))
    if not is_root:
        policy.fold_parent(rule)
    walk = _Walk(rules, selected, defaults, policy)
    for node in nodes:
        if selected.is_included(node.directives) and node.selection_set is not None:
            for possible in rule.possible_types:
                walk.run(node.selection_set, possible, is_root=False)
    if policy.problem is None:
        policy.problem = selected.problem
    policy.fold_above(above, is_public=rule.public)
    policy.conclude()
    return policy


@dataclass(slots=True)
class _Walk:
    rules: SchemaRules
    selected: Selected
    defaults: Defaults
    policy: Policy
    _pending: deque[tuple[SelectionSetNode, GraphQLObjectType]] = field(default_factory=deque)
    _seen: set[tuple[int, str]] = field(default_factory=set)
    _folded: set[tuple[str, bool]] = field(default_factory=set)

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
        if self.selected.allowance.is_spent:
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
        if folded not in self._folded:  # it demands the same wherever it is met
            self._folded.add(folded)
            self._fold(rule, is_root=is_root)
        if node.selection_set is not None:
            for possible in rule.possible_types:
                self._add(node.selection_set, possible)

    def _fold(self, rule: FieldRule, *, is_root: bool) -> None:
        self.policy.fold(rule, demand_of(rule, self.defaults, is_root=is_root))
        if rule.by_itself:
            own = demand_of(rule, self.defaults, is_root=is_root, by_itself=True)
            if own.problem is None and own.ttl:
                private = own.private or (rule.of.private and not is_root and not rule.public)
                self.policy.lives.append(Life(own.ttl + own.stale, private))


def problem_of_unknown(parent: GraphQLObjectType, name: str) -> Problem:
    """Return what is wrong with a field that has no rule."""
    if name.startswith("__"):
        return Problem(Reason.INTROSPECTION, None, "Introspection is never cached.")
    # Only in a document that was never validated.
    return Problem(Reason.CUSTOM_CODE, f"{parent.name}.{name}", "The field does not exist.")
