"""What the cache did for the operations of a schema, recorded without changing their responses."""

import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, cast

from strawberry.schema import BaseSchema

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._families import EVERYTHING_TAGGED, shown
from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.graphql import CacheScope, Reason
from strawberry_response_cache.graphql._options import all_options_of
from strawberry_response_cache.graphql._report import InvalidatedByMutation, Report, When
from strawberry_response_cache.graphql.policy.outcome import Outcome, Status

_lock = renewed_in_child(sys.modules[__name__], "_lock", threading.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedField:
    """What the cache did for a field with entries of its own, in one operation.

    Attributes:
        coordinate: The field, such as ``Query.books``.
        count: For how many objects the operation asked for it. The other attributes are those of the worst of these.
        status: ``hit``, ``stale``, ``miss`` or ``bypass``.
        reason: Why it was not stored; None if it was.
        advice: What to change; empty if there is nothing to change.
        age: Seconds since it was stored; None without an entry.
        ttl: Seconds until it expires; None without an entry.
        scope: Who shares the entry; None without an entry.
        limited_by: The coordinate of the field that set the ttl; None if that is not known.

    Example:
        >>> from strawberry_response_cache import Reason
        >>> me = RecordedField(coordinate="Query.me", count=1, status="bypass", reason=Reason.ERRORS)
        >>> print(me, me.status)
        Query.me bypass
    """

    coordinate: str
    count: int
    status: Status
    reason: Reason | None = None
    advice: str = ""
    age: float | None = None
    ttl: float | None = None
    scope: CacheScope | None = None
    limited_by: str | None = None

    def __str__(self) -> str:
        """Return the coordinate, as assertions show it."""
        return self.coordinate


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOperation:
    """What the cache did for one operation. It holds no variable, no key and nothing of the session.

    Attributes:
        operation_type: ``query``, ``mutation`` or ``subscription``.
        operation_name: The name that the document gives the operation; None without one.
        status: ``hit``, ``stale``, ``miss`` or ``bypass``.
        reason: Why it was not stored; None if it was.
        advice: What to change; empty if there is nothing to change.
        age: Seconds since it was stored; None without an entry.
        ttl: Seconds until it expires; None without an entry.
        scope: Who shares the entry; None without an entry.
        limited_by: The coordinate of the field that set the ttl; None if that is not known.
        fields: What the cache did for each field with entries of its own.
        invalidated: The tags that a mutation invalidates, as ``on_invalidate`` gets them: ``shelf:*`` for a whole
            family, and ``*`` for everything. The repr leaves them out.
        invalidates: ``now``; ``queued`` if Redis did not take it yet; ``deferred`` to ``on_commit``; ``lost`` if
            Redis did not take it and the queue is full. None if nothing is invalidated.

    Example:
        >>> operation = RecordedOperation(operation_type="query", operation_name="Books", status="hit")
        >>> print(operation, operation.status)
        query Books hit
    """

    operation_type: Literal["query", "mutation", "subscription"]
    operation_name: str | None
    status: Status
    reason: Reason | None = None
    advice: str = ""
    age: float | None = None
    ttl: float | None = None
    scope: CacheScope | None = None
    limited_by: str | None = None
    fields: tuple[RecordedField, ...] = ()
    invalidated: frozenset[str] = field(default=frozenset(), repr=False)
    invalidates: When | None = None

    def __str__(self) -> str:
        """Return its type and name, as assertions show it."""
        return f"{self.operation_type} {self.operation_name or '(without a name)'}"

    def of_field(self, coordinate: str) -> RecordedField:
        """Return what the cache did for a field with entries of its own.

        Args:
            coordinate: The field, such as ``Query.books``.

        Returns:
            The field, which `assert_hit` and the others take too.

        Raises:
            AssertionError: If the field was not looked up by itself.

        Example:
            >>> books = RecordedField(coordinate="Query.books", count=1, status="hit")
            >>> operation = RecordedOperation(
            ...     operation_type="query", operation_name=None, status="bypass", fields=(books,))
            >>> operation.of_field("Query.books").status
            'hit'
        """
        __tracebackhide__ = True  # pytest shows the caller's line
        for each in self.fields:
            if each.coordinate == coordinate:
                return each
        names = ", ".join(each.coordinate for each in self.fields) or "none"
        msg = f"{self}: {coordinate} was not looked up by itself. Fields that were: {names}."
        raise AssertionError(msg)


class Recording:
    """The operations of a schema that `record` recorded.

    Args:
        limit: How many operations are kept.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import ResponseCacheExtension, cache_control
        >>> from strawberry_response_cache.testing import memory_cache
        >>> @strawberry.type
        ... class Query:
        ...     @cache_control(ttl=60)
        ...     @strawberry.field
        ...     def motto(self) -> str:
        ...         return "once"
        >>> extension = ResponseCacheExtension(memory_cache(), tenant=None)
        >>> schema = strawberry.Schema(Query, extensions=[extension])
        >>> with record(schema) as recording:
        ...     for _ in range(2):
        ...         result = schema.execute_sync("{ motto }")
        >>> [operation.status for operation in recording.operations]
        ['miss', 'hit']
        >>> recording.last.limited_by
        'Query.motto'
    """

    def __init__(self, limit: int) -> None:
        self._reports: deque[Report] = deque(maxlen=limit)

    def __repr__(self) -> str:
        """Return the number of operations."""
        return f"<Recording of {len(self._reports)} operations>"

    @property
    def operations(self) -> tuple[RecordedOperation, ...]:
        """The operations, in the order in which they began, without those whose outcome is not known yet.

        An operation that is not valid is not executed, so it is not recorded.
        """
        found = (_recorded(report) for report in [*self._reports])
        return tuple(operation for operation in found if operation is not None)

    @property
    def last(self) -> RecordedOperation:
        """The operation that began last.

        Raises:
            AssertionError: If there is none.
        """
        __tracebackhide__ = True  # pytest shows the caller's line
        operations = self.operations
        if not operations:
            msg = (
                "No operation was recorded. This schema executed none, or it was not valid, or the cache does not "
                "fit the installed Strawberry, which the log says."
            )
            raise AssertionError(msg)
        return operations[-1]

    def clear(self) -> None:
        """Remove the operations that were recorded so far.

        Example:
            >>> recording = Recording(100)
            >>> recording.clear()
            >>> recording.operations
            ()
        """
        self._reports.clear()

    def add(self, report: Report) -> None:
        """Add an operation that begins; the extension calls it."""
        self._reports.append(report)


@contextmanager
def record(schema: BaseSchema, *, limit: int = 1000) -> Iterator[Recording]:
    """Record what the cache does for the operations of a schema, in this process.

    Responses stay as they are, and ``debug`` need not be on. Outside of the ``with`` block nothing is recorded.

    Args:
        schema: A schema with a ``ResponseCacheExtension``.
        limit: How many operations are kept: the latest 1,000 by default.

    Returns:
        A context manager that gives the `Recording`.

    Raises:
        CacheConfigurationError: If the schema has no ``ResponseCacheExtension``.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import ResponseCacheExtension
        >>> from strawberry_response_cache.testing import memory_cache
        >>> @strawberry.type
        ... class Query:
        ...     @strawberry.field
        ...     def now(self) -> int:
        ...         return 12
        >>> extension = ResponseCacheExtension(memory_cache(), tenant=None)
        >>> schema = strawberry.Schema(Query, extensions=[extension])
        >>> with record(schema) as recording:
        ...     result = schema.execute_sync("{ now }")
        >>> print(recording.last.status, recording.last.reason)
        bypass root_without_hint
    """
    found = all_options_of(schema)
    if not found:
        msg = "The schema has no ResponseCacheExtension; register it in extensions=[...]."
        raise CacheConfigurationError(msg)
    recording = Recording(limit)
    watcher = recording.add
    with _lock:
        for options in found:
            options.watchers += (watcher,)
    try:
        yield recording
    finally:
        with _lock:
            for options in found:
                options.watchers = tuple(w for w in options.watchers if w is not watcher)


def _recorded(report: Report) -> RecordedOperation | None:
    outcome = report.outcome
    if outcome is None:
        return None
    lines = [] if report.fields is None else report.fields.items()
    told = report.told
    return RecordedOperation(
        operation_type=cast("Literal['query', 'mutation', 'subscription']", report.operation_type),
        operation_name=report.operation_name,
        status=outcome.status,
        reason=outcome.reason,
        advice=outcome.advice,
        age=outcome.age,
        ttl=outcome.ttl,
        scope=_scope(outcome),
        limited_by=outcome.limited_by,
        fields=tuple(_recorded_field(*line) for line in lines),
        invalidated=frozenset() if told is None else _tags(told),
        invalidates=None if told is None else told.when,
    )


def _recorded_field(coordinate: str, outcome: Outcome, count: int) -> RecordedField:
    return RecordedField(
        coordinate=coordinate,
        count=count,
        status=outcome.status,
        reason=outcome.reason,
        advice=outcome.advice,
        age=outcome.age,
        ttl=outcome.ttl,
        scope=_scope(outcome),
        limited_by=outcome.limited_by,
    )


def _scope(outcome: Outcome) -> CacheScope | None:
    return None if outcome.scope is None else CacheScope(outcome.scope)


def _tags(told: InvalidatedByMutation) -> frozenset[str]:
    everything = (EVERYTHING_TAGGED,) if told.everything else ()
    return frozenset((*shown(told.tags), *everything))
