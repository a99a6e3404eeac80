"""What is known of one selected field, the same for all objects of its type."""

from collections.abc import Sequence
from dataclasses import dataclass

from strawberry_response_cache.graphql.annotations.tag_templates import Template
from strawberry_response_cache.graphql.execution.fields.cached_field import CachedField
from strawberry_response_cache.graphql.policy.above import Above
from strawberry_response_cache.graphql.policy.reasons import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownField:
    """A field of an execution.

    Attributes:
        details: graphql-core's details, kept alive; one for each path without list indexes.
        coordinate: Its coordinate; empty for one that is not known.
        cached_field: The cached field; None if it has no entry of its own.
        problem: Why it has none, if its annotations ask for one; it is noted for each object.
        templates: Its tags with placeholders, which belong to the entry that holds it.
        hands_down: What the fields below inherit from its annotations and those above it.
        is_plain: Whether it is executed in place without any notes.
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
