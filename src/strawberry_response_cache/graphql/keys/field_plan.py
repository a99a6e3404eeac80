"""The plan of a field that has an entry of its own."""

from collections.abc import Sequence
from functools import partial

from graphql import FieldNode, GraphQLError, GraphQLField, get_argument_values
from graphql.execution.values import VariableValues

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql.keys.object_identity import ParentIdentity
from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError
from strawberry_response_cache.graphql.keys.selection_text import Printed, SelectionText
from strawberry_response_cache.graphql.keys.shared_defaults import SharedDefault
from strawberry_response_cache.graphql.keys.stems import Grow, Stems
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.rules import FieldRule


class FieldPlan:
    """A field with an entry of its own, at one place of an operation.

    Args:
        rule: The field's rule.
        definition: The field's definition of graphql-core.
        nodes: The nodes that select it; graphql-core merges them.
        policy: How long it is cached, and for whom.
        begin: The first part of its keys: everything in a deployed schema that decides what is stored, the
            field itself first.
        parent_key: Identifies the parent object; None for a root field.
        inherited: The tags that it inherits from the annotations of the fields above it.
        defaults: The default values that its resolvers may change.
        grow: Asks whether its keys may be remembered.

    Attributes:
        rule: The field's rule.
        policy: How long it is cached, and for whom.
        inherited_digest: The digest of the inherited tags, for its keys.
        defaults: The default values that its resolvers may change.
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
        defaults: tuple[SharedDefault, ...],
        grow: Grow,
    ) -> None:
        self.rule = rule
        self.policy = policy
        self.parent_key = parent_key
        self.inherited = inherited
        self.inherited_digest = digest_of_tags(inherited)
        self.defaults = defaults
        self._definition = definition
        self._nodes = nodes
        self._stems = Stems(begin, grow)

    def stem(self, text: SelectionText, variables: VariableValues) -> str:
        """Return a digest of the part of its keys that depends neither on the parent nor on the session.

        Raises:
            UnkeyableError: If the selection cannot be printed, or an argument has no value.
        """
        return self._stems.of(text, partial(self._printed, text, variables))

    def uses(self, text: SelectionText, variables: VariableValues) -> frozenset[str]:
        """Return the variables that its selection uses.

        Raises:
            UnkeyableError: If the selection cannot be printed, or an argument has no value.
        """
        return self._stems.uses(partial(self._printed, text, variables))

    def _printed(self, text: SelectionText, variables: VariableValues) -> Printed:
        try:
            coerced = get_argument_values(self._definition, self._nodes[0], variables)
        except GraphQLError:  # graphql-core raises it again when it executes the field
            raise UnkeyableError from None
        return text.of(self._nodes, coerced)


def digest_of_tags(tags: frozenset[str]) -> str:
    """Return the digest of inherited tags in a key."""
    return digest(sorted(tags))
