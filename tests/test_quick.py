"""The quick run makes only the cases that it takes, and the parts of the exhaustive run have all cases."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.quick import leave_combinations, leave_other_parts


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


def test_each_exhaustive_case_is_in_exactly_one_part(
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
def test_a_part_that_does_not_exist_is_refused(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.UsageError, match="such as 2/3"):
        taken(part, monkeypatch)


def cases(
    *,
    marks: str,
    arguments: tuple[str, ...] = (),
    mark: str | None = None,
    folder: str = "core",
    values: str = "abcd",
    kept: tuple[str, ...] = (),
) -> list[Any]:
    """Return the cases that are made of a test with two parameters, in a run with these marks."""
    made = [
        SimpleNamespace(
            id=f"{a}-{b}",
            _idlist=[a, b],
            marks=[pytest.mark.quick.mark] if f"{a}-{b}" in kept else [],
        )
        for a in values
        for b in "xyz"
    ]
    test = SimpleNamespace(
        nodeid=f"tests/{folder}/test_any.py::test_any",
        get_closest_marker=lambda name: name if name == mark else None,
    )
    config = SimpleNamespace(
        option=SimpleNamespace(markexpr=marks),
        args=arguments,
        getini={"norecursedirs": ["frameworks"]}.__getitem__,
    )
    asked: Any = SimpleNamespace(definition=test, config=config, _calls=made)
    leave_combinations(asked)
    return made


def test_the_quick_run_makes_only_the_cases_that_it_takes() -> None:
    everything = cases(marks="")
    assert len(everything) == 12
    quick = [case.id for case in everything if "exhaustive" not in {m.name for m in case.marks}]
    assert {each for name in quick for each in name.split("-")} == {*"abcd", *"xyz"}
    assert len(quick) < 12

    assert [case.id for case in cases(marks="not exhaustive")] == quick


def test_the_quick_run_takes_a_case_with_the_mark_quick_in_addition_to_its_own() -> None:
    without = [case.id for case in cases(marks="not exhaustive")]
    left_out = next(case.id for case in cases(marks="") if case.id not in without)
    made = [case.id for case in cases(marks="not exhaustive", kept=(left_out,))]
    assert sorted(made) == sorted([*without, left_out])


def test_a_folder_that_the_quick_run_does_not_enter_keeps_each_value() -> None:
    """Each value there is a framework, a server or a package, which no other run tests."""

    def values_in(folder: str) -> int:
        made = cases(marks="not exhaustive", folder=folder, values="abcdefgh")
        return len({case.id.split("-")[0] for case in made})

    assert values_in("frameworks") == 8
    assert values_in("core") == 6


@pytest.mark.parametrize(
    ("marks", "arguments"),
    [("not exhaustive or versions", ()), ("not exhaustive", ("test_any.py::test_any[b-y]",))],
    ids=["other versions", "a case that is named"],
)
def test_a_run_with_other_marks_or_with_a_named_case_makes_every_case(
    marks: str, arguments: tuple[str, ...]
) -> None:
    assert len(cases(marks=marks, arguments=arguments)) == 12


def test_the_quick_run_makes_one_case_of_an_exhaustive_test_to_tell_that_it_was_left_out() -> None:
    assert len(cases(marks="not exhaustive", mark="exhaustive")) == 1
    assert len(cases(marks="not exhaustive", mark="combined")) == 12
