"""The types of the objects inside the items of a list: creating such an object may add an item to the list."""

from collections import deque
from dataclasses import replace
from functools import partial
from typing import Final

from graphql import GraphQLObjectType, SelectionSetNode

from strawberry_response_cache.graphql.policy.rules import FieldRule, SchemaRules
from strawberry_response_cache.graphql.policy.selection import Allowance, Selected

DEEPEST: Final = 3
"""How many levels of objects inside an item count."""


class HeldInLists:
    """Collects the tag ``[Type]`` for each type of the selected objects inside list items.

    A selection set is walked once for each type and depth, so it costs no more than `DEEPEST` times its size.
    """

    def __init__(self, rules: SchemaRules, selected: Selected) -> None:
        self.tags: set[str] = set()
        self._rules = rules
        # An allowance of its own: what is too large does not depend on how much of it is in lists.
        allowance = Allowance(DEEPEST * selected.allowance.left)
        self._selected = replace(selected, allowance=allowance)
        self._left: dict[tuple[int, str], int] = {}

    @property
    def is_cut_short(self) -> bool:
        """Whether the allowance was spent before everything was looked at."""
        return self._selected.allowance.is_spent

    def note(self, rule: FieldRule, selection_set: SelectionSetNode) -> None:
        """Add the tags of the objects inside the items of a field, if it returns a list of objects."""
        if not _returns_list(rule):
            return
        pending: deque[tuple[SelectionSetNode, GraphQLObjectType, int]] = deque()

        def add(nested: SelectionSetNode, parent: GraphQLObjectType, left: int) -> None:
            visit = (id(nested), parent.name)
            if self._left.get(visit, 0) < left and self._selected.allowance.spend():
                self._left[visit] = left
                pending.append((nested, parent, left))

        for kind in rule.possible_types:
            add(selection_set, kind, DEEPEST)
        while pending:  # nothing is added once the allowance is spent
            current, parent, left = pending.popleft()
            add_nested = partial(add, left=left)
            for node in self._selected.fields(current, parent, add_nested):
                held = self._rules.field(parent, node.name.value)
                if held is None or _returns_list(held):  # noted by its own call
                    continue
                self.tags.update(f"[{tag}]" for tag in held.type_tags)
                if node.selection_set is not None:
                    for kind in held.possible_types:
                        add(node.selection_set, kind, left - 1)


def _returns_list(rule: FieldRule) -> bool:
    return any(tag.startswith("[") for tag in rule.type_tags)
