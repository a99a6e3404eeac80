"""The plan of a field that has an entry of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from graphql import FieldNode, GraphQLError, GraphQLField, get_argument_values
from graphql.execution.values import VariableValues

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql.keys.object_identity import ParentIdentity
from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError, print_json
from strawberry_response_cache.graphql.keys.selection_text import SelectionText
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.rules import FieldRule

_MOST_STEMS: Final = 64
_SIZE_OF_STEM: Final = 200
"""About what one takes, in bytes."""

Grow: TypeAlias = Callable[[int], bool]
"""Asks whether something may be remembered that takes so many more bytes."""


class FieldPlan:
    """A field with an entry of its own, at one place of an operation.

    Args:
        rule: The field's rule.
        definition: The field's definition of graphql-core.
        nodes: The nodes that select it; graphql-core merges them.
        policy: How long it is cached, and for whom.
        begin: The first part of its keys: everything in a deployed schema that decides what is stored.
        parent_key: Identifies the parent object; None for a root field.
        inherited: The tags that it inherits from the annotations of the fields above it.
        grow: Asks whether its keys may be remembered.

    Attributes:
        rule: The field's rule.
        policy: How long it is cached, and for whom.
        parent_key: As given.
        inherited: As given.
        inherited_digest: The digest of these tags in its keys.
    """

    def __init__(
        self,
        rule: FieldRule,
        definition: GraphQLField,
        nodes: Sequence[FieldNode],
        *,
        policy: Policy,
        begin: Sequence[str],
        parent_key: ParentIdentity | None,
        inherited: frozenset[str],
        grow: Grow,
    ) -> None:
        self.rule = rule
        self.policy = policy
        self.parent_key = parent_key
        self.inherited = inherited
        self.inherited_digest = digest_of_tags(inherited)
        self._definition = definition
        self._nodes = nodes
        self._begin = begin
        self._grow = grow
        self._used: tuple[str, ...] | None = None
        self._stems: dict[str, str] = {}

    def stem(self, text: SelectionText, variables: VariableValues) -> str:
        """Return a digest of the part of its keys that depends neither on the parent nor on the session.

        Args:
            text: Prints what the request selects, see `Plan.text`.
            variables: The values that were sent, coerced by graphql-core.

        Raises:
            UnkeyableError: If the selection cannot be printed, or an argument has no value.
        """
        if self._used is not None:
            known = self._stems.get(digest_of_sent(text.sent, self._used))
            if known is not None:
                return known
        try:
            coerced = get_argument_values(self._definition, self._nodes[0], variables)
        except GraphQLError:  # graphql-core raises it again when it executes the field
            raise UnkeyableError from None
        printed = text.of(self._definition, self._nodes, coerced)
        stem = digest([*self._begin, self.rule.coordinate, printed.text])
        used = self._used = tuple(sorted(printed.used))
        if len(self._stems) < _MOST_STEMS and self._grow(_SIZE_OF_STEM):
            self._stems[digest_of_sent(text.sent, used)] = stem
        return stem


def digest_of_sent(sent: Mapping[str, Sequence[Any]], used: Sequence[str]) -> str:
    """Return a digest of these variables, since a client may send half a megabyte of them."""
    return digest((print_json([sent.get(name, ()) for name in used]),)) if used else ""


def digest_of_tags(tags: frozenset[str]) -> str:
    """Return the digest of inherited tags in a key; empty if there are none."""
    return digest(sorted(tags)) if tags else ""
