"""Prints what a request selects of one field: its arguments and the selections below it.

Equal text implies equal answers of the field. Its alias is left out. Conditions are decided, fragments are
printed in place, and variables are printed as the values that were sent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    print_ast,
)

from strawberry_response_cache.core._arguments import NoTextError, text
from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError, print_json
from strawberry_response_cache.graphql.policy.selection import Selected


class Printed(NamedTuple):
    """A printed selection.

    Attributes:
        text: Its digest.
        used: The variables that the selection uses.
    """

    text: str
    used: frozenset[str]


def print_coerced(coerced: Mapping[str, Any]) -> dict[str, str | None]:
    """Print the arguments of a field as graphql-core coerced them; None for what is no JSON, such as an object."""
    printed: dict[str, str | None] = {}
    for name, value in coerced.items():
        try:
            printed[name] = text(value)
        except (NoTextError, CacheConfigurationError):
            printed[name] = None
    return printed


@dataclass(slots=True, repr=False)
class SelectionText:
    """Prints the selections of one request; a selection set that many fields share is printed once.

    Attributes:
        selected: What is selected of the document.
        sent: The values that were sent, by variable name.
        types: The declared types of variables.
        made: What the user's code makes of arguments, by the identity of the field's node.
    """

    selected: Selected
    sent: Mapping[str, Sequence[Any]]
    types: Mapping[str, str]
    made: Mapping[int, str]
    _used: set[str] = field(default_factory=set)
    _known: dict[int, Printed] = field(default_factory=dict)

    def of(self, nodes: Sequence[FieldNode], coerced: Mapping[str, Any]) -> Printed:
        """Print the arguments of a field and the selections below it.

        Args:
            nodes: The nodes that select it; all have the same arguments.
            coerced: Its arguments as graphql-core coerced them for the resolver.

        Raises:
            UnkeyableError: If it selects something that does not exist.
            RecursionError: If it is nested too deeply.
        """
        return self._print(self._parts(nodes, coerced))

    def of_entity(self, node: FieldNode, kind: GraphQLObjectType) -> Printed:
        """Print what ``_entities`` selects of the objects of one type.

        Raises:
            UnkeyableError: If it selects something that does not exist.
            RecursionError: If it is nested too deeply.
        """
        below = () if node.selection_set is None else self._included(node.selection_set)
        return self._print(
            self._selection(each) for each in below if self.selected.is_of(each, kind)
        )

    def _print(self, parts: Iterable[str]) -> Printed:
        """Return the digest of parts, and the variables that are noted while the iterator prints them."""
        self._used = set()
        return Printed(digest([*parts]), frozenset(self._used))

    def _parts(self, nodes: Sequence[FieldNode], coerced: Mapping[str, Any]) -> Iterator[str]:
        yield self._arguments(nodes[0], coerced)
        for node in nodes:
            if node.selection_set:
                yield self._below(node.selection_set)

    # -- The selections below --------------------------------------------------------------------------

    def _below(self, selections: SelectionSetNode) -> str:
        """Return a digest of a selection set, so that a fragment with many spreads is printed once."""
        known = self._known.get(id(selections))
        if known is None:
            around = self._used
            parts = (self._selection(each) for each in self._included(selections))
            known = self._known[id(selections)] = self._print(parts)
            self._used = around
        self._used.update(known.used)
        return known.text

    def _included(self, selections: SelectionSetNode) -> list[Any]:
        return [
            each for each in selections.selections if self.selected.is_included(each.directives)
        ]

    def _selection(self, node: object) -> str:
        match node:
            case FieldNode(name=name, alias=alias, arguments=arguments, selection_set=below):
                given = {each.name.value: self._printed(each.value) for each in arguments or ()}
                called = "" if alias is None else alias.value
                made = self.made.get(id(node))
                return print_json([called, name.value, given, below and self._below(below), made])
            case InlineFragmentNode(type_condition=condition, selection_set=below):
                named = None if condition is None else condition.name.value
                return self._fragment(named, below)
            case FragmentSpreadNode(name=name):
                fragment = self.selected.fragments.get(name.value)
                if fragment is not None:
                    return self._fragment(
                        fragment.type_condition.name.value, fragment.selection_set
                    )
        raise UnkeyableError

    def _fragment(self, condition: str | None, below: SelectionSetNode) -> str:
        return print_json(["...", condition, self._below(below)])

    # -- Arguments ---------------------------------------------------------------------------------------

    def _arguments(self, node: FieldNode, coerced: Mapping[str, Any]) -> str:
        """Print the field's arguments as coerced, or as written if a coerced value is not JSON.

        A coerced value begins with its type and a space; nothing that is printed as written begins so.
        """
        written = {each.name.value: self._printed(each.value) for each in node.arguments or ()}
        # An argument that is not written has the schema's default, which is in the identity.
        return print_json(
            {
                name: written.get(name) if made is None else made
                for name, made in print_coerced(coerced).items()
            }
        )

    def _printed(self, value: ValueNode) -> str:
        """Print an argument as written; a variable by its declared type and the value that was sent."""
        match value:
            case VariableNode(name=name):
                self._used.add(name.value)
                sent = self.sent.get(name.value, ())
                # No literal begins like this, so a list of the same parts prints differently.
                return "$" + print_json([self.types.get(name.value), sent])
            case ListValueNode(values=values):
                return "[" + ",".join(self._printed(each) for each in values) + "]"
            case ObjectValueNode(fields=fields):
                inside = sorted(f"{each.name.value}:{self._printed(each.value)}" for each in fields)
                return "{" + ",".join(inside) + "}"
            case StringValueNode(value=string):
                return print_json(string)
            case _:
                return print_ast(value)
