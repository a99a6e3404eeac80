"""What is known of one selected field, the same for all objects of its type."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLObjectType
from graphql.execution import Executor
from graphql.pyutils import Path

from strawberry_response_cache.graphql.annotations.tag_templates import Template
from strawberry_response_cache.graphql.execution.fields.cached_field import CachedField, Fields
from strawberry_response_cache.graphql.execution.fields.inherited import known_above
from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError
from strawberry_response_cache.graphql.policy.above import Above
from strawberry_response_cache.graphql.policy.policy import Life
from strawberry_response_cache.graphql.policy.reasons import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownField:
    """A field of an execution.

    Attributes:
        details: graphql-core's details, kept alive; the items of a list share them.
        coordinate: Its schema coordinate; empty for a field that is not known.
        cached_field: The cached field; None if it has no entry of its own.
        problem: Why it has no entry of its own, if its annotations ask for one; it is noted for each object.
        templates: Its tags with placeholders, which belong to the entry that contains it.
        hands_down: What the fields below inherit from its annotations and from those above it.
        is_plain: Whether it is executed in place: it has neither an entry of its own nor tags to fill.
        can_be_left_out: Whether it may be executed in place although it has an entry of its own.
    """

    details: object
    coordinate: str
    cached_field: CachedField | None
    problem: Problem | None
    templates: Sequence[Template]
    hands_down: Above | None
    is_plain: bool
    can_be_left_out: bool


class KnownFields:
    """The fields of one executor; ``around`` is the life of the entry that contains its result.

    Attributes:
        by_details: The fields so far, by the identity of their details; each object is kept alive, so that its
            identity is not used again.
    """

    __slots__ = ("_around", "_executor", "_fields", "_has_entries", "by_details")

    def __init__(
        self, fields: Fields, executor: Executor[Any], around: Life | None, *, has_entries: bool
    ) -> None:
        self._fields = fields
        self._executor = executor
        self._around = around
        self._has_entries = has_entries
        self.by_details: dict[int, KnownField] = {}

    def of(self, parent: GraphQLObjectType, details: Any, path: Path) -> KnownField:  # noqa: ANN401 - graphql-core's own
        """Return what is known of a field; it is worked out once for all objects."""
        known = self.by_details.get(id(details))
        if known is None:
            known = self.by_details[id(details)] = self._learn(parent, details, path)
        return known

    def _learn(self, parent: GraphQLObjectType, details: Any, path: Path) -> KnownField:  # noqa: ANN401 - graphql-core's own
        rule = self._fields.rule(parent, details)
        templates = () if rule is None else rule.templates
        above = known_above(path)
        try:
            found = (
                None
                if above is None or not self._has_entries
                else self._fields.cached_field(self._executor, parent, details, above)
            )
        except (RecursionError, UnkeyableError):
            found = None  # nested too deeply to be printed
        problem = found if isinstance(found, Problem) else None
        cached_field = None if isinstance(found, Problem) else found
        if cached_field is not None and self._around is not None:
            cached_field = (
                cached_field if cached_field.plan.policy.life.outlives(self._around) else None
            )
        return KnownField(
            details=details,
            coordinate="" if rule is None else rule.coordinate,
            cached_field=cached_field,
            problem=problem,
            templates=templates,
            hands_down=above if above is None or rule is None else above.below(rule),
            is_plain=cached_field is None and not templates,
            can_be_left_out=cached_field is not None and not templates,
        )
