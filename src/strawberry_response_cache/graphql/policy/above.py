"""The path counts: what a field with an entry of its own inherits from the fields above it."""

from dataclasses import dataclass, replace

from strawberry_response_cache.graphql.policy.rules import FieldRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """What the annotations of the fields above a field come to.

    A ttl is not handed down, and neither are the names of types.

    Attributes:
        private_by: The coordinate of the field that makes what is below it PRIVATE; None if nothing does.
        vary: The union of what they vary by.
        tags: The union of their tags.
    """

    private_by: str | None = None
    vary: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def below(self, rule: FieldRule) -> "Above":
        """Return what the fields below a field inherit.

        Args:
            rule: The field's. What the type of the object it returns says, that object's fields know.
        """
        said = rule.hands_down
        if not (said.private or said.vary or said.tags):
            return self
        is_first = said.private and self.private_by is None
        return replace(
            self,
            private_by=rule.coordinate if is_first else self.private_by,
            vary=self.vary.union(said.vary),
            tags=self.tags.union(said.tags),
        )


NOTHING_ABOVE = Above()
"""What a root field inherits."""
