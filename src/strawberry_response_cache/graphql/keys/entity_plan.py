"""The plan of the objects of one type that a gateway of Apollo Federation asks for."""

from collections.abc import Sequence
from functools import partial

from graphql import FieldNode, GraphQLObjectType

from strawberry_response_cache.graphql.keys.selection_text import SelectionText
from strawberry_response_cache.graphql.keys.stems import Grow, Stems
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.rules import FieldRule


class EntityPlan:
    """The objects of one type, at `_entities` of an operation.

    Attributes:
        name: Their name in keys and in reports, such as ``Query._entities: Book``.
    """

    def __init__(
        self,
        rule: FieldRule,
        kind: GraphQLObjectType,
        node: FieldNode,
        *,
        policy: Policy,
        begin: Sequence[str],
        grow: Grow,
    ) -> None:
        self.kind = kind
        self.policy = policy
        self.name = f"{rule.coordinate}: {kind.name}"
        self._node = node
        self._stems = Stems([*begin, self.name], grow)

    def stem(self, text: SelectionText) -> str:
        """Return a digest of the part of their keys that depends neither on the object nor on the session.

        Raises:
            UnkeyableError: If the selection cannot be printed.
        """
        return self._stems.of(text, partial(text.of_entity, self._node, self.kind))
