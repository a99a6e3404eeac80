"""Each assertion passes for its own status, and otherwise says what happened, why, and what to change."""

from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache import CacheScope, Reason
from strawberry_response_cache.testing import (
    RecordedField,
    RecordedOperation,
    assert_bypass,
    assert_hit,
    assert_invalidated,
    assert_miss,
    assert_stale,
)

ASSERTIONS: dict[str, Callable[[Any], None]] = {
    "hit": assert_hit,
    "stale": assert_stale,
    "miss": assert_miss,
    "bypass": assert_bypass,
}


def operation(status: Any, **more: Any) -> RecordedOperation:
    return RecordedOperation(operation_type="query", operation_name="Books", status=status, **more)


def mutation(*tags: str, when: Any = "now") -> RecordedOperation:
    return RecordedOperation(
        operation_type="mutation",
        operation_name="Rename",
        status="bypass",
        reason=Reason.MUTATION,
        invalidated=frozenset(tags),
        invalidates=when,
    )


def message_of(assertion: Callable[..., None], *arguments: Any, **named: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        assertion(*arguments, **named)
    return str(caught.value)


@pytest.mark.parametrize("wanted", ASSERTIONS)
@pytest.mark.parametrize("status", ASSERTIONS)
def test_an_assertion_passes_for_its_own_status_only(wanted: str, status: Any) -> None:
    for recorded in (operation(status), RecordedField(coordinate="A.b", count=1, status=status)):
        if wanted == status:
            ASSERTIONS[wanted](recorded)
        else:
            assert "not" in message_of(ASSERTIONS[wanted], recorded)


def test_the_message_of_a_failed_assertion_says_reason_advice_and_statuses_of_fields() -> None:
    fields = (
        RecordedField(coordinate="Query.a", count=1, status="hit"),
        RecordedField(coordinate="Query.b", count=2, status="bypass", reason=Reason.ERRORS),
    )
    recorded = operation(
        "bypass", reason=Reason.ROOT_WITHOUT_HINT, advice="Put a hint above Query.c.", fields=fields
    )
    assert message_of(assert_hit, recorded) == (
        "query Books was a bypass, not a hit.\n"
        "Reason: root_without_hint.\n"
        "Advice: Put a hint above Query.c.\n"
        "Fields with entries of their own: Query.a hit, Query.b bypass (errors)."
    )


def test_the_message_of_a_failed_assertion_describes_the_entry() -> None:
    recorded = operation(
        "hit", age=2.4, ttl=27.6, scope=CacheScope.PRIVATE, limited_by="Query.books"
    )
    assert message_of(assert_miss, recorded) == (
        "query Books was a hit, not a miss.\n"
        "Entry: PRIVATE, stored 2 s ago, 28 s left, set by Query.books."
    )


def test_assert_miss_fails_for_a_miss_that_was_not_stored() -> None:
    recorded = operation("miss", reason=Reason.TOO_LARGE, advice=Reason.TOO_LARGE.advice)
    assert message_of(assert_miss, recorded) == (
        "query Books was a miss, but it was not stored.\n"
        "Reason: too_large.\n"
        "Advice: Raise max_entry_bytes, or select less."
    )


def test_assert_bypass_fails_for_another_reason() -> None:
    recorded = operation("bypass", reason=Reason.ERRORS)
    assert_bypass(recorded, reason=Reason.ERRORS)
    said = message_of(assert_bypass, recorded, reason=Reason.GUARDED)
    assert said == "query Books was a bypass, but not because of guarded.\nReason: errors."


def test_assert_bypass_takes_the_text_of_a_reason() -> None:
    recorded = operation("bypass", reason=Reason.ERRORS)
    assert_bypass(recorded, reason="errors")  # type: ignore[arg-type] # as responses show it
    said = message_of(assert_bypass, recorded, reason="error")
    assert said == "query Books was a bypass, but not because of error.\nReason: errors."


@pytest.mark.parametrize("tag", ["Book:42", "[Book]", "Book:*", "*", "Book"])
def test_assert_invalidated_passes_for_a_tag_that_was_invalidated(tag: str) -> None:
    assert_invalidated(mutation(tag), tag)


@pytest.mark.parametrize(
    ("invalidated", "tag"), [("Book:*", "Book:42"), ("Book", "[Book]"), ("*", "a"), ("*", "a:b")]
)
def test_assert_invalidated_passes_for_a_tag_that_a_wider_tag_covers(
    invalidated: str, tag: str
) -> None:
    assert_invalidated(mutation(invalidated), tag)


@pytest.mark.parametrize(
    ("invalidated", "tag"),
    [("Book:4", "Book:42"), ("Book", "Book:42"), ("[Book]", "Book"), ("Books:*", "Book:42")],
)
def test_assert_invalidated_fails_for_a_tag_that_no_invalidated_tag_covers(
    invalidated: str, tag: str
) -> None:
    said = message_of(assert_invalidated, mutation(invalidated), tag)
    assert said == (f"mutation Rename did not invalidate {tag}.\nIt invalidated: {invalidated}.")


def test_the_message_of_assert_invalidated_names_20_of_many_tags() -> None:
    many = mutation(*(f"Book:{n:02}" for n in range(30)))
    said = message_of(assert_invalidated, many, "Book:00", "Author:1")
    assert said.startswith("mutation Rename did not invalidate Author:1.\nIt invalidated: Book:00,")
    assert said.endswith("Book:19 and 10 more.")
    assert message_of(assert_invalidated, mutation(when=None), "a").endswith(
        "invalidated: nothing."
    )


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("deferred", "on_commit has not run the invalidation yet"),
        ("queued", "Redis did not take the invalidation yet"),
        ("lost", "the queue is full"),
    ],
)
def test_assert_invalidated_says_why_a_tag_is_not_invalidated_yet(when: str, why: str) -> None:
    said = message_of(assert_invalidated, mutation("a", when=when), "a")
    assert said.startswith("mutation Rename has not invalidated a.\n")
    assert why in said


def test_assert_invalidated_without_tags_is_refused() -> None:
    with pytest.raises(TypeError, match="takes tags"):
        assert_invalidated(mutation("a"))
