"""What one operation uses of its document, read once for its plan."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)


class UsedParts(Visitor):
    """The fragments that an operation uses, the variables of its conditions, and how deeply it is nested.

    Attributes:
        fragments: The used fragments, by name, sorted.
        conditions: The variables that decide an ``@skip`` or ``@include``, sorted.
        depth: How many levels of fields are nested, fragments included.
    """

    def __init__(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        super().__init__()
        self._conditions: set[str] = set()
        self._deepest: dict[str, int] = {}
        self._spreads: dict[str, dict[str, int]] = {}
        self._read("", operation)
        pending = {*self._spreads[""]}
        while pending:
            name = pending.pop()
            if name in fragments and name not in self._spreads:
                self._read(name, fragments[name])
                pending |= self._spreads[name].keys()
        used = sorted(name for name in self._spreads if name)
        self.fragments = {name: fragments[name] for name in used}
        self.conditions = tuple(sorted(self._conditions))
        self.depth = self._depth_below("", {})

    def _read(
        self, name: str, definition: OperationDefinitionNode | FragmentDefinitionNode
    ) -> None:
        self._level, self._name = 0, name
        self._deepest[name], self._spreads[name] = 0, {}
        visit(definition, self)

    def _depth_below(self, name: str, known: dict[str, int]) -> int:
        """Return the depth of a definition; fragments that spread each other, which is not valid, count once."""
        if name not in known:
            known[name] = self._deepest.get(name, 0)
            spreads = self._spreads.get(name, {}).items()
            below = [at + self._depth_below(spread, known) for spread, at in spreads]
            known[name] = max(known[name], *below) if below else known[name]
        return known[name]

    # -- What graphql-core calls by name -----------------------------------------------------------

    def enter_field(self, *_: Any) -> None:
        """Note how deeply a field is nested."""
        self._level += 1
        self._deepest[self._name] = max(self._deepest[self._name], self._level)

    def leave_field(self, *_: Any) -> None:
        """Go back to the level above the field."""
        self._level -= 1

    def enter_fragment_spread(self, node: Any, *_: Any) -> None:  # noqa: ANN401 - graphql-core's
        """Note a fragment, and how deeply it is nested."""
        spreads = self._spreads[self._name]
        spreads[node.name.value] = max(spreads.get(node.name.value, 0), self._level)

    def enter_directive(self, node: Any, *_: Any) -> None:  # noqa: ANN401 - graphql-core's
        """Note the variables of an ``@skip`` or ``@include``."""
        if node.name.value in {"skip", "include"}:
            for argument in node.arguments or ():
                if isinstance(argument.value, VariableNode):
                    self._conditions.add(argument.value.name.value)
