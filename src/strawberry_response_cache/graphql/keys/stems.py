"""The stems of keys: their parts that depend neither on an object nor on the session, remembered for one plan."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql.keys.operation_key import print_json
from strawberry_response_cache.graphql.keys.selection_text import Printed, SelectionText

_MOST: Final = 64
_SIZE: Final = 200
"""The approximate size of one stem, in bytes."""

Grow: TypeAlias = Callable[[int], bool]
"""Reserves more bytes for something to remember; returns whether they are reserved."""


class Stems:
    """The stems of one plan, by what was sent for the variables that its selection uses.

    Args:
        begin: The first part of its keys: everything in a deployed schema that decides what is stored, and the
            plan's name, if it has one.
        grow: Returns whether a stem may be remembered.
    """

    def __init__(self, begin: Sequence[str], grow: Grow) -> None:
        self._begin = begin
        self._grow = grow
        self._used: tuple[str, ...] | None = None
        self._known: dict[str, str] = {}

    def uses(self, printed: Callable[[], Printed]) -> frozenset[str]:
        """Return the variables that the selection uses."""
        return printed().used if self._used is None else frozenset(self._used)

    def of(self, text: SelectionText, printed: Callable[[], Printed]) -> str:
        """Return the stem for one request."""
        known = self._known.get(_digest_of_sent(text.sent, self._used or ()))
        if known is not None:
            return known
        selected = printed()
        stem = digest([*self._begin, selected.text])
        used = self._used = tuple(sorted(selected.used))
        if len(self._known) < _MOST and self._grow(_SIZE):
            self._known[_digest_of_sent(text.sent, used)] = stem
        return stem


def _digest_of_sent(sent: Mapping[str, Sequence[object]], used: Sequence[str]) -> str:
    """Return a digest of these variables, since a client may send half a megabyte of them."""
    return digest((print_json([sent.get(name, ()) for name in used]),)) if used else ""
