"""The exhaustive cases can be run in parts, which together are all of them."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.quick import leave_other_parts


class Case:
    def __init__(self, number: int) -> None:
        self.nodeid = f"tests/test_any.py::test_case[{number}]"
        self.is_exhaustive = number % 2 == 0

    def get_closest_marker(self, name: str) -> object:
        return name if name == "exhaustive" and self.is_exhaustive else None


CASES = [Case(number) for number in range(60)]


def taken(part: str, monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """Return the cases that a run with this part takes."""
    monkeypatch.setenv("EXHAUSTIVE", part)
    cases: list[Any] = [*CASES]
    config: Any = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: None))
    leave_other_parts(config, cases)
    return cases


def test_the_parts_of_the_exhaustive_cases_are_all_of_them_and_share_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = [taken(f"{number}/3", monkeypatch) for number in (1, 2, 3)]
    exhaustive = [[case for case in part if case.is_exhaustive] for part in parts]
    assert all(exhaustive)
    assert sorted(case.nodeid for part in exhaustive for case in part) == sorted(
        case.nodeid for case in CASES if case.is_exhaustive
    )
    for part in parts:
        assert [each for each in part if not each.is_exhaustive] == [
            each for each in CASES if not each.is_exhaustive
        ]
    assert taken("all", monkeypatch) == CASES


@pytest.mark.parametrize("part", ["0/3", "4/3", "2", "half"])
def test_a_part_that_there_is_not_is_refused(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.UsageError, match="such as 2/3"):
        taken(part, monkeypatch)
