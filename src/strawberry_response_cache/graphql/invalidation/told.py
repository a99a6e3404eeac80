"""What a debugged mutation tells of its invalidation: types and lists, and never an id or a tag."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, TypeAlias

from graphql import GraphQLSchema, is_object_type

When: TypeAlias = Literal["now", "queued", "deferred", "lost"]


@dataclass(frozen=True, slots=True)
class Told:
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
        """Return it as it stands in a response.

        Args:
            schema: Whose types may be named; other tags are counted alone.
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
