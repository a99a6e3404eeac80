"""The judge of the load finds each kind of wrong answer, and nothing else."""

from types import SimpleNamespace
from typing import Any, Final

import pytest

from tests.services.django.judge import Ledger
from tests.services.django.requests import Answer

TRUTH: Final = {
    "books": [{"pk": 1, "version": 3, "stock": 10}, {"pk": 2, "version": 0, "stock": 10}],
    "notes": [{"pk": 7, "version": 2, "owner": 1}, {"pk": 8, "version": 0, "owner": 1}],
}
ALICE: Final[Any] = SimpleNamespace(pk=1, name="alice")
BOOK: Final = {"__typename": "BookType", "pk": 1, "title": "x", "version": 4, "reviewCount": 1}
NOTE: Final = {"__typename": "NoteType", "pk": 7, "version": 2, "ownerId": 1}
RIGHT: Final = {"book": BOOK | {"cover": "new"}}


def judged(data: dict[str, Any]) -> list[str]:
    ledger = Ledger(TRUTH)
    ledger.changed_book(1, 4, "new")
    ledger.reviewed(1)
    ledger.created_note(1, 9)
    ledger.deleted_note(10)
    answer = Answer(results=[{"data": data}], statements=0, login=0)
    return list(ledger.wrong_in(ALICE, answer, ledger.now()))


@pytest.mark.parametrize(
    "data",
    [
        RIGHT,
        {"shelf": {"edges": [{"node": {"__typename": "BookNode", "pk": 1, "version": 5}}]}},
        {"books": [BOOK | {"stock": 9}, BOOK | {"stock": 11}]},
        {"notes": [NOTE, NOTE | {"pk": 8}, NOTE | {"pk": 9}]},
        {"me": {"__typename": "UserType", "pk": 1, "username": "alice"}},
        {"me": None},
    ],
)
def test_the_judge_accepts_right_answers(data: dict[str, Any]) -> None:
    assert judged(data) == []


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"book": BOOK | {"version": 3}}, "stale: version 3"),
        ({"book": BOOK | {"reviewCount": 0}}, "stale: a review"),
        ({"book": BOOK | {"title": "never"}}, "stale: what was rolled back"),
        ({"book": BOOK | {"cover": "old"}}, "stale: another cover"),
        ({"books": [BOOK | {"stock": 9}, BOOK | {"stock": 10}]}, "stale: rows of before and after"),
        ({"notes": [NOTE, NOTE | {"pk": 8}]}, "stale: 1 created notes"),
        ({"node": NOTE | {"version": 1}}, "stale: version of a note"),
        ({"node": NOTE | {"pk": 10}}, "stale: a deleted note"),
        ({"node": NOTE | {"ownerId": 2}}, "foreign: a note"),
        ({"me": {"__typename": "UserType", "pk": 2, "username": "bob"}}, "foreign: a user"),
    ],
)
def test_the_judge_finds_wrong_answers(data: dict[str, Any], what: str) -> None:
    (wrong,) = judged(data)
    assert wrong.startswith(what)
