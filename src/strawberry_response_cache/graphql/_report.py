"""What the cache did for one operation: for responses with ``debug``, and for functions that watch."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, TypeAlias

from graphql import GraphQLSchema, OperationDefinitionNode, is_object_type

from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql.policy.outcome import FieldOutcomes, Outcome
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

When: TypeAlias = Literal["now", "queued", "deferred", "lost"]


@dataclass(frozen=True, slots=True)
class InvalidatedByMutation:
    """What a mutation invalidated.

    Attributes:
        when: ``now``; ``queued`` if Redis has not taken it yet; ``deferred`` to the user's transaction; ``lost``
            if the queue is full.
        tags: What it invalidates.
        everything: Whether it invalidates the whole tenant.
    """

    when: When
    tags: AbstractSet[str]
    everything: bool

    @property
    def kind(self) -> str:
        """What is invalidated, as spans call it: ``tags`` or ``clear``."""
        return "clear" if self.everything else "tags"

    def as_extension(self, schema: GraphQLSchema) -> dict[str, object]:
        """Return what a response tells of the invalidation: types and lists, and never an id or a tag.

        Args:
            schema: The schema whose types may be named; tags of anything else are only counted.
        """
        kinds = {tag.partition(":")[0] for tag in self.tags}
        types = sorted(kind for kind in kinds if is_object_type(schema.get_type(kind)))
        lists = sorted(
            kind
            for kind in kinds
            if kind[:1] == "[" and is_object_type(schema.get_type(kind[1:-1]))
        )
        told: dict[str, object] = {
            "when": self.when,
            "types": types,
            "lists": lists,
            "tags": len(self.tags),
        }
        return told | ({"everything": True} if self.everything else {})


class Report:
    """What the cache does for one operation, noted while it runs.

    It holds nothing of the request, so it may be kept after the request has ended.

    Attributes:
        operation_type: GraphQL's, such as ``query``; empty unless the operation is watched.
        operation_name: The name that the document gives the operation.
        fields: How fields with entries of their own were answered; None if there are none.
        told: What a mutation invalidates; None if that is nothing, or not known yet.
    """

    __slots__ = ("_guard", "_outcome", "fields", "operation_name", "operation_type", "told")

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._outcome: Outcome | Callable[[], Outcome] | None = None
        self.operation_type = ""
        self.operation_name: str | None = None
        self.fields: FieldOutcomes | None = None
        self.told: InvalidatedByMutation | None = None

    def name(self, operation: OperationDefinitionNode) -> None:
        """Note the type and the name of the operation."""
        self.operation_type = operation.operation.value
        self.operation_name = None if operation.name is None else operation.name.value

    def conclude(self, outcome: Outcome | Callable[[], Outcome]) -> None:
        """Note the outcome of the operation.

        Args:
            outcome: The outcome, or a function that returns it when it is needed.
        """
        self._outcome = outcome

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of the operation, or of a fault that interrupted it; None as long as it is not known."""
        if self._guard.is_faulted:
            return Outcome.of(Problem(Reason.of_fault(is_too_deep=self._guard.is_too_deep)))
        if self._outcome is not None and not isinstance(self._outcome, Outcome):
            self._outcome = self._outcome()
        return self._outcome

    def as_extension(
        self, schema: GraphQLSchema, advise: Callable[[str], str | None]
    ) -> dict[str, object] | None:
        """Return the report for ``extensions`` of the response; None as long as the outcome is not known.

        Args:
            schema: As in `InvalidatedByMutation.as_extension`.
            advise: As in `FieldOutcomes.as_extension`.
        """
        if (outcome := self.outcome) is None:
            return None
        said = outcome.as_extension()
        if self.fields is not None and (fields := self.fields.as_extension(advise)):
            said["fields"] = fields
        if self.told is not None:
            said["invalidated"] = self.told.as_extension(schema)
        return said
