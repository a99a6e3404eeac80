"""Assertions on what the cache did. Each message says what happened instead, why, and what to change."""

from typing import Final

from strawberry_response_cache.core._families import EVERYTHING_TAGGED, family_of
from strawberry_response_cache.graphql import Reason
from strawberry_response_cache.graphql.policy.outcome import Status
from strawberry_response_cache.testing._recording import RecordedField, RecordedOperation

_MOST_TAGS: Final = 20
_NOT_YET: Final = {
    "queued": "Redis did not take the invalidation yet; it is queued.",
    "deferred": (
        "on_commit has not run the invalidation yet. Commit the transaction of the test, and read the recording again."
    ),
    "lost": "Redis did not take the invalidation, and the queue is full.",
}


def assert_hit(operation: RecordedOperation | RecordedField) -> None:
    """Assert that an operation, or a field, was answered from a fresh entry.

    Args:
        operation: The operation, such as ``recording.last``, or one of its fields.

    Raises:
        AssertionError: If it was not. The message has the reason and the advice.

    Example:
        >>> assert_hit(RecordedOperation(operation_type="query", operation_name="Books", status="hit"))
    """
    __tracebackhide__ = True  # pytest shows the caller's line
    _assert_status(operation, "hit")


def assert_stale(operation: RecordedOperation | RecordedField) -> None:
    """Assert that an operation, or a field, was answered from an entry within its stale window.

    Args:
        operation: As in `assert_hit`.

    Raises:
        AssertionError: If it was not.

    Example:
        >>> assert_stale(RecordedOperation(operation_type="query", operation_name="Books", status="stale"))
    """
    __tracebackhide__ = True  # as above
    _assert_status(operation, "stale")


def assert_miss(operation: RecordedOperation | RecordedField) -> None:
    """Assert that an operation, or a field, was not in the cache and has been stored.

    Args:
        operation: As in `assert_hit`.

    Raises:
        AssertionError: If it was in the cache, or if it was not stored.

    Example:
        >>> assert_miss(RecordedOperation(operation_type="query", operation_name="Books", status="miss"))
    """
    __tracebackhide__ = True  # as above
    _assert_status(operation, "miss")
    if operation.reason is not None:
        raise AssertionError(_message_about(operation, "was a miss, but it was not stored"))


def assert_bypass(
    operation: RecordedOperation | RecordedField, *, reason: Reason | None = None
) -> None:
    """Assert that an operation, or a field, ran without the cache.

    Args:
        operation: As in `assert_hit`.
        reason: Why, such as ``Reason.ROOT_WITHOUT_HINT``; None, the default, for any reason.

    Raises:
        AssertionError: If it did not, or for another reason.

    Example:
        >>> from strawberry_response_cache import Reason
        >>> rename = RecordedOperation(
        ...     operation_type="mutation", operation_name="Rename", status="bypass", reason=Reason.MUTATION)
        >>> assert_bypass(rename, reason=Reason.MUTATION)
    """
    __tracebackhide__ = True  # as above
    _assert_status(operation, "bypass")
    if reason is not None and operation.reason != reason:
        raise AssertionError(
            _message_about(operation, f"was a bypass, but not because of {reason}")
        )


def assert_invalidated(operation: RecordedOperation, *tags: str) -> None:
    """Assert that a mutation has invalidated tags.

    A tag is covered by its family, its type and everything: ``Book:*`` covers ``Book:42``, ``Book`` covers
    ``[Book]``, and ``*`` covers every tag.

    Args:
        operation: The operation, such as ``recording.last``.
        *tags: The tags, such as ``"Book:42"``.

    Raises:
        AssertionError: If one was not invalidated, or not yet. The message names the tags that were.
        TypeError: If no tag is given.

    Example:
        >>> rename = RecordedOperation(
        ...     operation_type="mutation", operation_name="Rename", status="bypass",
        ...     invalidated=frozenset({"Book:42", "[Book]"}), invalidates="now")
        >>> assert_invalidated(rename, "Book:42")
    """
    __tracebackhide__ = True  # as above
    if not tags:
        msg = 'assert_invalidated takes tags: assert_invalidated(recording.last, "Book:42")'
        raise TypeError(msg)
    missing = [tag for tag in tags if not _covering(tag) & operation.invalidated]
    if missing:
        names = sorted(operation.invalidated)
        more = f" and {len(names) - _MOST_TAGS} more" if len(names) > _MOST_TAGS else ""
        what = (", ".join(names[:_MOST_TAGS]) or "nothing") + more
        msg = f"{operation} did not invalidate {', '.join(missing)}.\nIt invalidated: {what}."
        raise AssertionError(msg)
    if operation.invalidates in _NOT_YET:
        why = _NOT_YET[operation.invalidates]
        msg = f"{operation} has not invalidated {', '.join(tags)}.\n{why}"
        raise AssertionError(msg)


def _covering(tag: str) -> set[str]:
    """Return the tags whose invalidation reaches every entry with this tag."""
    family = family_of(tag)
    kind = tag[1:-1] if tag.startswith("[") and tag.endswith("]") else tag
    return {tag, kind, EVERYTHING_TAGGED} | ({family} if family is not None else set())


def _assert_status(operation: RecordedOperation | RecordedField, wanted: Status) -> None:
    __tracebackhide__ = True  # as above
    if operation.status != wanted:
        raise AssertionError(
            _message_about(
                operation,
                f"was {_status_in_words(operation.status)}, not {_status_in_words(wanted)}",
            )
        )


def _status_in_words(status: Status) -> str:
    return "stale" if status == "stale" else f"a {status}"


def _message_about(operation: RecordedOperation | RecordedField, what: str) -> str:
    """Return a message: what happened, why, what is stored, and what became of the fields."""
    lines = [f"{operation} {what}."]
    if operation.reason is not None:
        lines.append(f"Reason: {operation.reason.value}.")
    if operation.advice:
        lines.append(f"Advice: {operation.advice}")
    if operation.reason is None and operation.ttl is not None and operation.scope is not None:
        limited = "" if operation.limited_by is None else f", set by {operation.limited_by}"
        age = f"stored {operation.age or 0:.0f} s ago"
        lines.append(f"Entry: {operation.scope.value}, {age}, {operation.ttl:.0f} s left{limited}.")
    if isinstance(operation, RecordedOperation) and operation.fields:
        fields = (
            f"{each} {each.status}" + ("" if each.reason is None else f" ({each.reason.value})")
            for each in operation.fields
        )
        lines.append(f"Fields with entries of their own: {', '.join(fields)}.")
    return "\n".join(lines)
