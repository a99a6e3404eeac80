"""What an answer of Redis means for its caller, and for other callers that share the lookup."""

import pytest

from strawberry_response_cache.core.protocol.answers import (
    Fresh,
    Granted,
    Held,
    Lease,
    LookupAnswer,
    Moved,
    NoLease,
    NotAskedError,
    NotSentError,
    Stale,
    Unavailable,
    Unreadable,
    failure,
    for_another,
)
from strawberry_response_cache.core.protocol.entry import Entry, ValueRecording
from strawberry_response_cache.core.protocol.troubles import Trouble

LEASE = Lease("token", "epoch", 1)
ENTRY = Entry(ValueRecording(b"1", 60_000), "write", "epoch", 1, 60_000)
SENT = Unavailable("x")


@pytest.mark.parametrize(
    ("answer", "another"),
    [
        (Granted(LEASE), Held()),
        (Stale(ENTRY, LEASE), Stale(ENTRY, None)),
        (SENT, Unavailable("x", sent=False)),
        *((same, same) for same in (Fresh(ENTRY), Held(), NoLease(), Unreadable("w"), Moved())),
    ],
)
def test_only_one_of_the_callers_that_share_a_lookup_gets_the_lease(
    answer: LookupAnswer, another: LookupAnswer
) -> None:
    assert for_another(answer) == another


def caused(error: Exception, cause: Exception | None) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError("secret"), Unavailable("TimeoutError")),
        (
            caused(OSError("secret"), ValueError("secret")),
            Unavailable("OSError"),
        ),
        (
            caused(NotSentError("secret"), OSError("secret")),
            Unavailable("OSError", sent=False),
        ),
        (
            NotSentError("secret"),
            Unavailable("strawberry_response_cache.core.protocol.answers.NotSentError"),
        ),
        (
            NotAskedError("secret"),
            Unavailable(
                "strawberry_response_cache.core.protocol.answers.NotAskedError", False, False
            ),
        ),
    ],
)
def test_a_failure_says_the_type_of_its_error_and_whether_the_server_was_asked(
    error: Exception, expected: Unavailable
) -> None:
    assert failure(error) == expected
    assert "secret" not in repr(failure(error))
    assert failure(error).error_name == expected.error_type.split(".")[-1]


def test_the_trouble_of_a_failure_does_not_count_for_equality() -> None:
    assert Unavailable("x", trouble=Trouble.SLOW) == SENT
    assert NoLease(Trouble.FULL) == NoLease()
