"""Values that functions capture: different ones are described differently, and the same ones alike in every process."""

import functools
import operator
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from strawberry_response_cache.graphql.keys.captured_values import describe


class Rows(list[int]):
    pass


class Colour(Enum):
    RED = 1
    BLUE = 2


Pair = namedtuple("Pair", "one other")  # noqa: PYI024 - as users have it


class Plain:
    pass


class OtherPlain:
    pass


class Caller:
    """A callable object with a state."""

    def __init__(self, state: object = None) -> None:
        self.state = state

    def __call__(self) -> object:
        return self.state

    def method(self) -> object:
        return self.state


class OtherCaller(Caller):
    pass


class Odd:
    """A callable object whose attributes raise."""

    def __call__(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def one(*_: object, **__: object) -> None:
    pass


def other() -> None:
    pass


def capturing(*values: Any) -> Callable[[], Any]:
    first, last = values[0], values[-1]

    def captures() -> Any:
        return first, last

    return captures


def defaulting(value: Any) -> Callable[..., Any]:
    def defaults(given: Any = value) -> Any:
        return given

    return defaults


def keyword_defaulting(value: Any) -> Callable[..., Any]:
    def defaults(*, given: Any = value) -> Any:
        return given

    return defaults


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper() -> Any:
        return function()

    return wrapper


def wrapping_without_a_closure(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper() -> None:
        pass

    return functools.update_wrapper(wrapper, function)


def nested(depth: int, leaf: object = 1) -> Any:
    for _ in range(depth):
        leaf = [leaf]
    return leaf


def taking(size: int, last: int = 0) -> list[int]:
    return [*range(size - 1), last]


def unassigned() -> Callable[[], Any]:
    """Return a function that captures a variable without a value."""
    value = 1

    def captures() -> Any:
        return value  # noqa: F821 - it is deleted below, and that is what is tested

    del value
    return captures


SCALARS: list[Any] = [
    *(1, 2, 1.0, "1", b"1", True, None, "", b"", Decimal(1), date(2026, 1, 1), UUID(int=1)),
    *(Colour.RED, Colour.BLUE, "x" * 200, "x" * 201, b"x" * 201, "x" * 200 + "y", "\ud800" * 201),
    *("x" * 1_000_000, "y" * 1_000_000, "x" * 1_000_001, "x" * 1_000_002, b"x" * 1_000_001),
]
COLLECTIONS: list[Any] = [
    *([], (), {}, set(), frozenset()),
    *([1], (1,), {1}, frozenset({1}), {1: 1}, Rows([1]), OrderedDict({1: 1})),
    *((one,), (other,), {one}, {other}, {1: one}, {1: other}, {one: 1}, {other: 1}),
    *(
        frozenset({one}),
        frozenset({other}),
        (2, 1),
        Plain(),
        OtherPlain(),
    ),
    *([1, 2], [2, 1], ["1"], [[1]], [[1], 2], [[1, 2]], [1, 1], Pair(1, 2), (1, 2)),
    *({1: 2}, {2: 1}, {1: [1]}, {1: 1, 2: 2}, {1, 2}),
    *(nested(50, 1), nested(50, 2), taking(999, 1), taking(999, 2), [one], [other]),
]
FUNCTIONS: list[Any] = [
    *(one, other, Caller, OtherCaller, Caller(), OtherCaller(), Caller().method, len, Odd()),
    *(capturing(1), capturing(2), capturing(1, 2), capturing([1]), capturing(one)),
    *(capturing(other), capturing(capturing(1)), capturing(capturing(2))),
    *(defaulting(1), defaulting(2), keyword_defaulting(1), keyword_defaulting(2)),
    *(wrapping(one), wrapping(other), wrapping(capturing(1)), wrapping(capturing(2))),
    *(wrapping_without_a_closure(capturing(3)), wrapping_without_a_closure(capturing(4))),
    *(functools.partial(one), functools.partial(other), functools.partial(one, 1)),
    *(functools.partial(one, 2), functools.partial(one, a=1), functools.partial(one, a=2)),
    *(functools.partial(one, b=1), functools.partial(one, 1, 2), functools.partial(one, 2, 1)),
    *(operator.attrgetter("a"), operator.attrgetter("b"), operator.itemgetter("a")),
    *(operator.itemgetter("b"),),
    *(operator.methodcaller("a"), operator.methodcaller("a", 1)),
    *(capturing(taking(999, 1), taking(999, 1)), capturing(taking(999, 1), taking(999, 2))),
]


def test_different_values_are_described_differently() -> None:
    values = [*SCALARS, *COLLECTIONS, *FUNCTIONS]
    descriptions = [describe(each) for each in values]
    alike = [
        (at, before)
        for at, each in enumerate(descriptions)
        for before in range(at)
        if descriptions[before] == each
    ]
    assert not alike, [(repr(values[at])[:80], repr(values[before])[:80]) for at, before in alike]
    assert [describe(each) for each in values] == descriptions


ALIKE: list[tuple[Any, Any]] = [
    ({1, 2, 300}, {300, 2, 1}),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ([1, [2]], [1, [2]]),
    ([["x"]] * 2, [["x"], ["x"]]),
    (capturing([1]), capturing([1])),
    (Caller(1), Caller(2)),
    (Caller(1).method, Caller(2).method),
    (object(), object()),
    (timedelta.resolution, timedelta.resolution),
    (functools.partial(one, a=1, b=2), functools.partial(one, b=2, a=1)),
    (unassigned(), unassigned()),
    (taking(1_000, 1), taking(1_000, 2)),
    ([taking(600, 1), taking(600, 1)], [taking(600, 1), taking(600, 2)]),
    *(
        (within(taking(600, 1), taking(600, 1)), within(taking(600, 1), taking(600, 2)))
        for within in (
            lambda *values: capturing(capturing(*values)),
            lambda *values: [capturing(*values)],
        )
    ),
    (nested(51, 1), nested(51, 2)),
    (nested(100_000, 1), nested(100_000, 2)),
    ("x" * 1_000_001, "y" * 1_000_001),
]


def test_values_that_differ_only_in_what_is_not_read_have_equal_descriptions() -> None:
    """State that may differ between processes, the order of sets and dictionaries, and what is too large."""
    for at, (first, second) in enumerate(ALIKE):
        assert describe(first) == describe(second), at


def test_a_value_that_refers_to_itself_can_be_described() -> None:
    around: list[Any] = [1]
    around.append(around)
    other_around: list[Any] = [2]
    other_around.append(other_around)
    assert describe(around) != describe(other_around)
    vars(one)["__wrapped__"] = one
    try:
        assert describe(one) == f"{__name__}:one"
    finally:
        del vars(one)["__wrapped__"]


def test_a_value_that_is_referred_to_twice_counts_once_towards_the_bound() -> None:
    shared = taking(600)
    assert describe([shared, shared, 1]) != describe([shared, shared, 2])
    assert describe([shared, shared]) != describe([shared, taking(300)])


def test_a_description_is_short() -> None:
    assert max(len(describe(each)) for each in [*COLLECTIONS, *FUNCTIONS]) <= 200


def test_a_large_value_is_described_by_its_class_only() -> None:
    assert describe(taking(1_000)) == "builtins:list()"
    assert describe(Rows(taking(1_000))) == f"{__name__}:Rows()"
