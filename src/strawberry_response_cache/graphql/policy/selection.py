"""Which fields an operation selects, as its ``@skip`` and ``@include`` turn out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

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
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
)

from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

Add: TypeAlias = Callable[[SelectionSetNode, GraphQLObjectType], None]

_CONDITIONS = frozenset({"skip", "include"})


@dataclass(slots=True)
class Selected:
    """The fields that one request of an operation selects.

    Args:
        schema: The schema that the document was validated against.
        fragments: The fragments of the document.
        variables: The coerced variables; only those of conditions are read.
        problem: Something in the document that may change values per request, once it was met.
    """

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    problem: Problem | None = None

    def fields(
        self, selection_set: SelectionSetNode, parent: GraphQLObjectType, add: Add
    ) -> Iterator[FieldNode]:
        """Yield the fields that stand here for this type; fragments are handed to `add`."""
        for node in selection_set.selections:
            if not self.is_included(node.directives):
                continue
            match node:
                case FieldNode():
                    yield node
                case InlineFragmentNode(type_condition=condition, selection_set=nested):
                    if self._applies(condition, parent):
                        add(nested, parent)
                case FragmentSpreadNode(name=name):
                    fragment = self.fragments.get(name.value)
                    if fragment is None or getattr(fragment, "variable_definitions", None):
                        self._refuse("Fragment arguments are not cached.")
                    elif self._applies(fragment.type_condition, parent):
                        if fragment.directives:
                            self._refuse("Remove the fragment's directive.")
                        add(fragment.selection_set, parent)

    def _refuse(self, advice: str) -> None:
        if self.problem is None:
            self.problem = Problem(Reason.DIRECTIVE, None, advice)

    def is_included(self, directives: "tuple[DirectiveNode, ...] | None") -> bool:
        """Whether conditions let something stand; another directive is a problem."""
        included = True
        names = [directive.name.value for directive in directives or ()]
        if len(set(names)) < len(names):  # only in a document that was never validated
            self._refuse("A directive stands twice on one field.")
        for directive in directives or ():
            name = directive.name.value
            if name not in _CONDITIONS:
                self._refuse(
                    f"@{name} may change values per request; only @skip and @include are cached."
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
                self._refuse("A condition needs exactly its 'if'.")
                return True

    def _applies(self, condition: NamedTypeNode | None, parent: GraphQLObjectType) -> bool:
        if condition is None or condition.name.value == parent.name:
            return True
        named: GraphQLNamedType | None = self.schema.get_type(condition.name.value)
        return (
            named is not None and is_abstract_type(named) and self.schema.is_sub_type(named, parent)
        )
