"""What `explain` returns, and how it is printed."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from strawberry_response_cache.graphql.annotations.hints import CacheScope
from strawberry_response_cache.graphql.policy.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedField:
    """What one selected field demands of the operation.

    Attributes:
        name: Its name in the response.
        coordinate: Its coordinate, such as ``Account.balance``. A field of an abstract type has one line for
            each object type that can be returned there; for a type with ``ttl=0`` only if it, or a field below
            it, has an entry of its own.
        ttl: The ttl that it demands, in seconds; None if it inherits its parent's.
        scope: Its own scope.
        reason: Why no response that holds it can be cached; None if it can.
        advice: What to write to change that; empty if there is nothing to change.
        never_stored: Types with ``ttl=0`` that it can return besides others. A response with such an object
            is not stored.
        own_ttl: The ttl of its own entry, in seconds; None if it has no entry of its own here.
        own_scope: The scope of that entry; None if it has none.
        fields: The fields that are selected below it.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import cache_control, explain
        >>> @strawberry.type
        ... class Query:
        ...     @cache_control(ttl=60)
        ...     @strawberry.field
        ...     def motto(self) -> str:
        ...         return "once"
        >>> (field,) = explain(strawberry.Schema(Query), "{ motto }").fields
        >>> field.coordinate, field.ttl, field.reason
        ('Query.motto', 60.0, None)
    """

    name: str
    coordinate: str
    ttl: float | None
    scope: CacheScope
    reason: Reason | None
    advice: str
    never_stored: tuple[str, ...] = ()
    own_ttl: float | None = None
    own_scope: CacheScope | None = None
    fields: "tuple[ExplainedField, ...]" = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Whether and how an operation is cached; ``str()`` and ``print`` show a tree of its fields.

    Attributes:
        cacheable: Whether a response may be stored.
        ttl: How long, in seconds; None if it is not cacheable.
        scope: For whom; None if it is not cacheable.
        reason: Why it is not cacheable; None if it is.
        limited_by: The coordinate of the field that sets the ttl, or that is the reason; None if it is no
            single field.
        advice: What to write to change that; empty if there is nothing to change.
        fields: The fields that are selected at the root.
        notes: What keeps the schema, or fields of this operation, from being cached as their annotations
            say. `ResponseCacheExtension.check` returns all notes on a schema.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import explain
        >>> @strawberry.type
        ... class Query:
        ...     @strawberry.field
        ...     def motto(self) -> str:
        ...         return "once"
        >>> explanation = explain(strawberry.Schema(Query), "{ motto }")
        >>> explanation.cacheable, explanation.reason.value
        (False, 'root_without_hint')
        >>> print(explanation.verdict)
        Not cached: root_without_hint by Query.motto. Put @cache_control(ttl=...) above Query.motto.
    """

    cacheable: bool
    ttl: float | None
    scope: CacheScope | None
    reason: Reason | None
    limited_by: str | None
    advice: str
    fields: tuple[ExplainedField, ...] = field(repr=False)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the verdict, the tree of fields and the notes as text."""
        notes = [f"Note: {note}" for note in self.notes]
        return "\n".join([self.verdict, *_lines_of_fields(self.fields, "  "), *notes])

    @property
    def verdict(self) -> str:
        """The result in one sentence, and what to write to change it."""
        by = f" by {self.limited_by}" if self.limited_by else ""
        if self.reason is None:
            scope = "" if self.scope is None else self.scope.value
            return f"Cached for {_seconds(self.ttl)}, {scope}; limited{by}."
        return f"Not cached: {self.reason.value}{by}. {self.advice}".rstrip()


def _lines_of_fields(fields: tuple[ExplainedField, ...], indent: str) -> Iterator[str]:
    for each in fields:
        yield f"{indent}{each.name}: {line_of(each)}"
        yield from _lines_of_fields(each.fields, indent + "  ")


def line_of(explained: ExplainedField) -> str:
    """Return the explanation of one field as one line."""
    said = [explained.coordinate]
    if explained.reason is not None:
        said.append(explained.reason.value)
    else:
        said.append("as its parent" if explained.ttl is None else _seconds(explained.ttl))
    if explained.scope is CacheScope.PRIVATE:
        said.append("PRIVATE")
    elif explained.own_scope is CacheScope.PRIVATE and explained.reason is None:
        said.append("PRIVATE by what is above it")
    said.extend(f"never stored with a {name}" for name in explained.never_stored)
    if explained.reason is not None and explained.own_ttl is not None:
        scope = ", PRIVATE" if explained.own_scope is CacheScope.PRIVATE else ""
        said.append(f"but with an entry of its own for {_seconds(explained.own_ttl)}{scope}")
    return ", ".join(said)


def _seconds(ttl: float | None) -> str:
    return f"{ttl or 0:g} s"
