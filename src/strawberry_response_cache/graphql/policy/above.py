"""What a field with an entry of its own inherits from the annotations of the fields above it."""

from dataclasses import dataclass, replace

from strawberry_response_cache.graphql.policy.rules import FieldRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """The annotations that a field inherits from the fields above it.

    It inherits neither a ttl nor the tags of types.

    Attributes:
        private_by: The coordinate of the field above that is PRIVATE; None if there is none.
        vary: The ``vary`` names of all fields above.
        tags: The tags of all fields above.
    """

    private_by: str | None = None
    vary: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def below(self, rule: FieldRule) -> "Above":
        """Return what the fields below a field inherit.

        Args:
            rule: The field's rule. Annotations of the type that it returns are in the rules of that
                type's fields.
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
"""What a root field inherits: nothing."""
