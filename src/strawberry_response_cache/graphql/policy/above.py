"""What a field with an entry of its own inherits from the annotations of the fields above it."""

from dataclasses import dataclass, replace

from strawberry_response_cache.graphql.policy.reasons import Problem, Reason
from strawberry_response_cache.graphql.policy.resolver_kind import CustomCode
from strawberry_response_cache.graphql.policy.rules import FieldRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """The annotations that a field inherits from the fields above it.

    It inherits neither a ttl nor the tags of types.

    Attributes:
        private_by: The coordinate of the field above that is PRIVATE; None if there is none.
        vary: The ``vary`` names of all fields above.
        tags: The tags of all fields above.
        custom_code: The coordinate of the topmost field above that runs custom code, and that code; None if
            there is none.
    """

    private_by: str | None = None
    vary: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    custom_code: tuple[str, CustomCode] | None = None

    def below(self, rule: FieldRule) -> "Above":
        """Return what the fields below a field inherit.

        Args:
            rule: The field's rule. Annotations of the type that it returns are in the rules of that
                type's fields.
        """
        said = rule.hands_down
        custom_code = self.custom_code
        if custom_code is None and rule.custom_code is not None:
            custom_code = rule.coordinate, rule.custom_code
        if not (said.private or said.vary or said.tags) and custom_code is self.custom_code:
            return self
        is_first = said.private and self.private_by is None
        return replace(
            self,
            private_by=rule.coordinate if is_first else self.private_by,
            vary=self.vary.union(said.vary),
            tags=self.tags.union(said.tags),
            custom_code=custom_code,
        )

    def problem_of(self, rule: FieldRule) -> Problem | None:
        """Return why a field has no entry of its own below these fields; None if it may have one.

        Custom code above may return an object with other values for each request, so a field below it has none.
        It may have one if its own hint has a scope, which says for whom its value is the same.
        """
        if self.custom_code is None or (rule.hinted and rule.hints[0].scope is not None):
            return None
        coordinate, code = self.custom_code
        trust = (
            f"name {code.trusted} in trusted_extensions if it does not, or " if code.trusted else ""
        )
        return Problem(
            Reason.CUSTOM_CODE,
            rule.coordinate,
            f"{coordinate}, above {rule.coordinate}, runs {code.what}, which may change the object for each request; "
            f"{trust}write scope= in the cache_control of {rule.coordinate}, if its value is the same for everyone "
            "(PUBLIC) or for one session (PRIVATE) all the same.",
        )


NOTHING_ABOVE = Above()
"""What a root field inherits: nothing."""
