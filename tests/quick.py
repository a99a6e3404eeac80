"""Which cases of a test the quick run takes: of several parameters, and of examples that are drawn."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

import pytest

COSTLY: Final = ("tests/graphql/", "tests/views/", "tests/with_django/")
"""Where nearly each case makes a schema, and validates documents against it."""
FEW: Final = 6
"""How many cases of one test the quick run takes there."""


def is_quick(config: pytest.Config) -> bool:
    """Whether a run leaves out what is marked as exhaustive."""
    return "not exhaustive" in config.option.markexpr


def draw_all_examples(items: Iterable[pytest.Item]) -> None:
    """Mark as exhaustive what draws examples, of which the quick run draws fewer."""
    for item in items:
        function = getattr(item, "obj", None)
        if getattr(function, "is_hypothesis_test", False) or item.get_closest_marker("examples"):
            item.add_marker(pytest.mark.exhaustive)


def leave_combinations(items: Iterable[pytest.Item]) -> None:
    """Mark as exhaustive what combines values of parameters that other cases show already.

    Of a test with parameters, the quick run takes so many cases that each value of each parameter is
    there, each about as often. A parametrization of several names is one parameter. Where cases are
    costly, it takes a few of these, evenly spread; runs with other versions of packages take all of them.
    A test with the mark `combined` keeps all its cases.
    """
    tests: defaultdict[str, list[pytest.Function]] = defaultdict(list)
    for item in items:
        marked = any(map(item.get_closest_marker, ("combined", "exhaustive")))
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and not marked:
            tests[item.nodeid.partition("[")[0]].append(item)
    for name, cases in tests.items():
        covering = _covering(cases)
        taken = covering
        if name.startswith(COSTLY) and len(covering) > FEW:
            taken = [covering[number * len(covering) // FEW] for number in range(FEW)]
        for case in cases:
            if case not in taken:
                case.add_marker(pytest.mark.exhaustive)
            if case in covering:
                case.add_marker(pytest.mark.versions)


def _covering(cases: list[pytest.Function]) -> list[pytest.Function]:
    """Return cases in which each value of each parameter is there, in their order."""
    # pytest has no public name for the values of one parametrization, of which each case has one.
    left = {case: frozenset(enumerate(case.callspec._idlist)) for case in cases}
    missing = set().union(*left.values())
    taken: Counter[tuple[int, object]] = Counter()
    while missing:
        # The one with most that is missing, and with what was taken least.
        values = {c: (len(v & missing), -sum(taken[e] for e in v)) for c, v in left.items()}
        chosen = left.pop(max(values, key=lambda case: values[case]))
        missing -= chosen
        taken.update(chosen)
    return [case for case in cases if case not in left]
