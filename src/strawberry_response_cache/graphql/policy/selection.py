"""The fields that an operation selects, with its ``@skip`` and ``@include`` decided."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

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
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
)

from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

Add: TypeAlias = Callable[[SelectionSetNode, GraphQLObjectType], None]

_CONDITIONS = frozenset({"skip", "include"})
_MOST_VISITS: Final = 20_000
"""The most selections that are looked at, in about 30 ms. A query of 20 kB may select 700 fields of 100 types each."""


@dataclass(slots=True)
class Allowance:
    """How much of a document is looked at before it counts as too large to be cached.

    Attributes:
        left: How many selections, each for one type, may still be looked at.
    """

    left: int = _MOST_VISITS

    def spend(self) -> bool:
        """Count one selection; return whether it may still be looked at."""
        self.left -= 1
        return self.left >= 0

    @property
    def is_spent(self) -> bool:
        """Whether there were more selections than may be looked at."""
        return self.left < 0


@dataclass(slots=True)
class Selected:
    """The fields that one request of an operation selects.

    Args:
        schema: The schema against which the document was validated.
        fragments: The fragments of the document.
        variables: The coerced variables; only those of ``@skip`` and ``@include`` are read.
        allowance: How much of the document is looked at.
        problem: The first problem in the document that was found; it keeps the operation from being cached.
        conditions: An interface or union that a fragment names, an object type that was compared with it, and
            whether the object type belongs to it.
    """

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    allowance: Allowance = field(default_factory=Allowance)
    problem: Problem | None = None
    conditions: set[tuple[str, str, bool]] = field(default_factory=set)

    def fields(
        self, selection_set: SelectionSetNode, parent: GraphQLObjectType, add: Add
    ) -> Iterator[FieldNode]:
        """Yield the fields that a selection set selects on a type; pass the fragments that apply to ``add``."""
        for node in self._included(selection_set):
            match node:
                case FieldNode():
                    yield node
                case InlineFragmentNode(type_condition=condition, selection_set=nested):
                    if self.applies(condition, parent):
                        add(nested, parent)
                case FragmentSpreadNode(name=name):
                    fragment = self.fragments.get(name.value)
                    if fragment is None or getattr(fragment, "variable_definitions", None):
                        self._refuse(Reason.DIRECTIVE, "Fragment arguments are not cached.")
                    elif self.applies(fragment.type_condition, parent):
                        if fragment.directives:
                            self._refuse(Reason.DIRECTIVE, "Remove the fragment's directive.")
                        add(fragment.selection_set, parent)

    def _included(self, selection_set: SelectionSetNode) -> Iterator[SelectionNode]:
        """Yield the selections that ``@skip`` and ``@include`` keep, until the allowance is spent."""
        for node in selection_set.selections:
            if not self.allowance.spend():
                return
            if self.is_included(node.directives):
                yield node

    def refuse_as_too_large(self) -> None:
        """Set the problem, if there is none yet: not all of the operation was looked at."""
        reason = Reason.SELECTION_TOO_LARGE
        self._refuse(reason, reason.advice)

    def _refuse(self, reason: Reason, advice: str) -> None:
        if self.problem is None:
            self.problem = Problem(reason, None, advice)

    def is_included(self, directives: "tuple[DirectiveNode, ...] | None") -> bool:
        """Whether ``@skip`` and ``@include`` keep a selection; any other directive becomes the problem."""
        included = True
        names = [directive.name.value for directive in directives or ()]
        if len(set(names)) < len(names):  # only in a document that was never validated
            self._refuse(Reason.DIRECTIVE, "A directive stands twice on one field.")
        for directive in directives or ():
            name = directive.name.value
            if name not in _CONDITIONS:
                self._refuse(
                    Reason.DIRECTIVE,
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
                self._refuse(Reason.DIRECTIVE, "A condition needs exactly its 'if'.")
                return True

    def is_of(self, node: SelectionNode, kind: GraphQLObjectType) -> bool:
        """Whether a selection can apply to an object type; ``@skip`` and ``@include`` are ignored."""
        match node:
            case InlineFragmentNode(type_condition=condition):
                return self.applies(condition, kind)
            case FragmentSpreadNode(name=name):
                fragment = self.fragments.get(name.value)
                return fragment is None or self.applies(fragment.type_condition, kind)
        return True

    def applies(self, condition: NamedTypeNode | None, parent: GraphQLObjectType) -> bool:
        """Whether a fragment with a type condition applies to an object type; note a condition on an abstract type."""
        if condition is None or condition.name.value == parent.name:
            return True
        named: GraphQLNamedType | None = self.schema.get_type(condition.name.value)
        if named is None or not is_abstract_type(named):
            return False
        applies = self.schema.is_sub_type(named, parent)
        self.conditions.add((named.name, parent.name, applies))
        return applies
