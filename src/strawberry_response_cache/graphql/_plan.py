"""Plans: what is known of an operation before its request's variables, worked out once.

A plan belongs to the very document that is executed, by identity: an extension may have exchanged
the document that the query's text stood for.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    print_ast,
    visit,
)

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql._policy import Policy, work_out_policy
from strawberry_response_cache.graphql._rules import SchemaRules

_MOST_PLANS: Final = 512
_MOST_VARIANTS: Final = 64
_LONGEST_DOCUMENT: Final = 100_000
"""Characters; the plan of a longer document is not kept."""


@dataclass(slots=True)
class Plan:
    """One operation of one document against one schema.

    Attributes:
        canonical: Digest of the operation and its fragments as printed: whitespace, commas and
            comments do not matter.
        conditions: The variables that decide an ``@skip`` or ``@include``, sorted.
    """

    schema: GraphQLSchema
    rules: SchemaRules
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    default_ttl: float | None
    canonical: str
    conditions: tuple[str, ...]
    _policies: dict[tuple[bool, ...], Policy] = field(default_factory=dict)

    def policy(self, variables: Mapping[str, Any]) -> Policy:
        """Return the policy, as the conditions turn out with these coerced variables."""
        variant = tuple(bool(variables.get(name)) for name in self.conditions)
        policy = self._policies.get(variant)
        if policy is None:
            policy = work_out_policy(
                self.schema,
                self.rules,
                self.operation,
                self.fragments,
                variables=variables,
                default_ttl=self.default_ttl,
            )
            if len(self._policies) < _MOST_VARIANTS:
                self._policies[variant] = policy
        return policy


class Plans:
    """The plans of one schema: a bounded memory, the least recently used goes first.

    Args:
        schema: The executable schema.
        rules: Its rules.
        default_ttl: The extension's ``default_ttl``.
    """

    def __init__(
        self, schema: GraphQLSchema, rules: SchemaRules, default_ttl: float | None
    ) -> None:
        self._schema = schema
        self._rules = rules
        self._default_ttl = default_ttl
        self._lock = threading.Lock()
        # The document is held with its plan, so that its id is not given to another.
        self._plans: OrderedDict[tuple[int, int], tuple[DocumentNode, Plan]] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of plans."""
        return len(self._plans)

    def plan(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> Plan:
        """Return the plan of an operation, compiled now if need be."""
        key = (id(document), id(operation))
        with self._lock:
            known = self._plans.get(key)
            if known is not None:
                self._plans.move_to_end(key)
                return known[1]
        plan = self._compile(operation, fragments)
        if document.loc is not None and document.loc.end <= _LONGEST_DOCUMENT:
            with self._lock:
                self._plans[key] = (document, plan)
                while len(self._plans) > _MOST_PLANS:
                    self._plans.popitem(last=False)
        return plan

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
            self._schema,
            self._rules,
            operation,
            used,
            self._default_ttl,
            digest(printed),
            tuple(sorted(reader.conditions)),
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
