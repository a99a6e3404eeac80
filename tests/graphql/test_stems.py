"""Stems of keys: each part tells them apart, and what was printed once is remembered as far as there is room."""

from typing import Any, cast

import pytest

from strawberry_response_cache.graphql.keys.selection_text import Printed, SelectionText
from strawberry_response_cache.graphql.keys.stems import Stems


class Prints:
    """Asks one `Stems`, and counts how often a selection is printed.

    Args:
        begin: What its keys begin with.
        room: Whether there is room to remember them.
    """

    def __init__(self, *begin: str, room: bool = True) -> None:
        self._stems = Stems(begin, lambda _: room)
        self.prints = 0

    def stem(self, selected: str = "selected", used: str = "", **sent: Any) -> str:
        """Return the stem of a selection that uses these variables, where these were sent."""

        def printed() -> Printed:
            self.prints += 1
            taken = [repr(sent.get(name, "absent")) for name in used]
            return Printed(" ".join([selected, *taken]), frozenset(used))

        of_request = {name: (value,) for name, value in sent.items()}
        text = SelectionText(cast("Any", None), sent=of_request, types={}, made={})
        return self._stems.of(text, printed)


BEGINNINGS = [("one",), ("two",), ("one", "two"), ("two", "one"), ("onetwo",)]


def test_stems_differ_if_any_part_differs() -> None:
    stems = {
        Prints(*begin).stem(selected) for begin in BEGINNINGS for selected in ("{ a }", "{ b }")
    }
    assert len(stems) == 2 * len(BEGINNINGS)


@pytest.mark.parametrize("room", [True, False])
def test_what_was_sent_for_each_variable_that_is_used_tells_stems_apart(*, room: bool) -> None:
    asked = Prints("begin", room=room)
    sent: list[dict[str, Any]] = [
        {"a": 1, "b": 2},
        {"a": 2, "b": 1},
        {"a": "1", "b": 2},
        {"a": 1},
        {"b": 1},
        {"a": None},
        {},
    ]
    first = [asked.stem(used="ab", **each) for each in sent]
    assert len(set(first)) == len(first)
    assert [asked.stem(used="ab", **each) for each in sent] == first


def test_a_stem_is_printed_once_for_the_variables_that_it_uses() -> None:
    asked = Prints("begin")
    for other in range(3):
        for used in (1, 2):
            asked.stem(used="a", a=used, other=other)
    assert asked.prints == 2
    plain = Prints("begin")
    for other in range(3):
        plain.stem(other=other)
    assert plain.prints == 1


def test_without_memory_left_a_stem_is_printed_each_time() -> None:
    asked = Prints("begin", room=False)
    assert len({asked.stem(used="a", a=1) for _ in range(3)}) == 1
    assert asked.prints == 3
