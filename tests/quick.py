"""Which cases of a test the quick run takes, and which of the others a run takes that is given a part of them."""

from __future__ import annotations

import os
import sys
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.python import CallSpec

COSTLY: Final = ("tests/graphql/", "tests/middleware/", "tests/views/", "tests/with_django/")
"""Where nearly each case makes a schema, and validates documents against it."""
FEW: Final = 2
"""How many cases of one test the quick run takes there."""
MANY: Final = 6
"""How many it takes elsewhere."""


def is_quick(config: pytest.Config) -> bool:
    """Whether a run leaves out what is marked as exhaustive."""
    return "not exhaustive" in config.option.markexpr


def draw_all_examples(items: Iterable[pytest.Item]) -> None:
    """Mark as exhaustive what draws examples, of which the quick run draws fewer."""
    for item in items:
        function = getattr(item, "obj", None)
        if getattr(function, "is_hypothesis_test", False) or item.get_closest_marker("examples"):
            item.add_marker(pytest.mark.exhaustive)


def leave_other_parts(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take one part of what is exhaustive, if ``EXHAUSTIVE=2/3`` asks for the second of three.

    A case is always in the same part: runs with each part take all of them.
    """
    chosen = os.environ.get("EXHAUSTIVE", "all")
    if chosen == "all":
        return
    part, _, parts = chosen.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        message = f"EXHAUSTIVE={chosen}: a part and how many there are, such as 2/3, or all"
        raise pytest.UsageError(message)
    others = {
        item
        for item in items
        if item.get_closest_marker("exhaustive")
        and zlib.crc32(item.nodeid.encode()) % int(parts) != int(part) - 1
    }
    config.hook.pytest_deselected(items=[*others])
    items[:] = [item for item in items if item not in others]


def leave_combinations(metafunc: pytest.Metafunc) -> None:
    """Mark as exhaustive what combines values of parameters that other cases show already.

    Of a test with parameters, the quick run takes so many cases that each value of each parameter is
    there, each about as often. A parametrization of several names is one parameter. Of more than six of
    these, or two where cases are costly, it takes so many, evenly spread; runs with other versions of
    packages take all of them, and so does a run of a folder that `pytest` alone does not enter: there
    each value is a framework, a server or a package. A test with the mark `combined` keeps all its cases,
    and any test keeps the cases with the mark `quick`.

    Cases that a run of all tests leaves out are not made at all: they are twice as many as those that it
    takes. One of a test is, so that the test is counted among those that were left out.
    """
    # pytest has no public name for the cases of a test, before it makes an item of each.
    cases = metafunc._calls
    test = metafunc.definition
    marked = any(map(test.get_closest_marker, ("combined", "exhaustive")))
    unmarked = [] if marked else [case for case in cases if not _is_exhaustive(case)]
    covering = _covering(unmarked)
    most = min(len(covering), _most(test.nodeid, metafunc.config))
    taken = {covering[number * len(covering) // most] for number in range(most)}
    taken |= {number for number, case in enumerate(unmarked) if _has_mark(case, "quick")}
    for number, case in enumerate(unmarked):
        if number not in taken:
            case.marks.append(pytest.mark.exhaustive.mark)
        if number in covering:
            case.marks.append(pytest.mark.versions.mark)
    if _takes_all_quick_cases(metafunc.config):
        everything = bool(test.get_closest_marker("exhaustive"))
        kept = [case for case in cases if not (everything or _is_exhaustive(case))]
        cases[:] = kept or cases[:1]


def _most(nodeid: str, config: pytest.Config) -> int:
    """Return how many cases of a test the quick run takes."""
    entered_by_name = tuple(f"tests/{folder}/" for folder in config.getini("norecursedirs"))
    if nodeid.startswith(entered_by_name):
        return sys.maxsize
    return FEW if nodeid.startswith(COSTLY) else MANY


def _is_exhaustive(case: CallSpec) -> bool:
    return _has_mark(case, "exhaustive")


def _has_mark(case: CallSpec, name: str) -> bool:
    return any(mark.name == name for mark in case.marks)


def _takes_all_quick_cases(config: pytest.Config) -> bool:
    """Whether a run takes what is not exhaustive and nothing else, and names no case."""
    named = any("::" in argument for argument in config.args)
    return config.option.markexpr == "not exhaustive" and not named


def _covering(cases: list[CallSpec]) -> list[int]:
    """Return the numbers of cases in which each value of each parameter is there, in their order."""
    # pytest has no public name for the values of one parametrization, of which each case has one.
    left = {number: frozenset(enumerate(case._idlist)) for number, case in enumerate(cases)}
    missing = set().union(*left.values())
    taken: Counter[tuple[int, object]] = Counter()
    while missing:
        # The one with most that is missing, and with what was taken least.
        values = {c: (len(v & missing), -sum(taken[e] for e in v)) for c, v in left.items()}
        chosen = left.pop(max(values, key=lambda case: values[case]))
        missing -= chosen
        taken.update(chosen)
    return [number for number in range(len(cases)) if number not in left]
