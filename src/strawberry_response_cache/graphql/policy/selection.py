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
"""Takes about 30 ms. A query of 20 kB may select 700 fields of each of 100 types at three levels."""


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
        """Whether something was not looked at."""
        return self.left < 0


@dataclass(slots=True)
class Selected:
    """The fields that one request of an operation selects.

    Args:
        schema: The schema against which the document was validated.
        fragments: The fragments of the document.
        variables: The coerced variables; only those of conditions are read.
        allowance: How much of it is looked at.
        problem: Something in the document that keeps it from being cached, once it was met.
        conditions: Each interface or union that a fragment names, each object type that was met there, and
            whether it is one of them.
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
        """Yield the fields that are selected here on a type; fragments are passed to ``add``."""
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
        """Yield the selections that stand here, as far as the allowance goes."""
        for node in selection_set.selections:
            if not self.allowance.spend():
                return
            if self.is_included(node.directives):
                yield node

    def refuse_as_too_large(self) -> None:
        """Refuse the operation, because not all of it was looked at."""
        reason = Reason.SELECTION_TOO_LARGE
        self._refuse(reason, reason.advice)

    def _refuse(self, reason: Reason, advice: str) -> None:
        if self.problem is None:
            self.problem = Problem(reason, None, advice)

    def is_included(self, directives: "tuple[DirectiveNode, ...] | None") -> bool:
        """Whether the conditions select something; any other directive is a problem."""
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
        """Whether something is selected of an object type, whatever its conditions say."""
        match node:
            case InlineFragmentNode(type_condition=condition):
                return self.applies(condition, kind)
            case FragmentSpreadNode(name=name):
                fragment = self.fragments.get(name.value)
                return fragment is None or self.applies(fragment.type_condition, kind)
        return True

    def applies(self, condition: NamedTypeNode | None, parent: GraphQLObjectType) -> bool:
        """Whether what stands under a type condition is selected of an object type."""
        if condition is None or condition.name.value == parent.name:
            return True
        named: GraphQLNamedType | None = self.schema.get_type(condition.name.value)
        if named is None or not is_abstract_type(named):
            return False
        applies = self.schema.is_sub_type(named, parent)
        self.conditions.add((named.name, parent.name, applies))
        return applies
