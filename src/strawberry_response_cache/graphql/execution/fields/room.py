"""How many fields with entries of their own may stand within each other, before the interpreter's stack ends.

Each of them takes frames of the stack beside those of graphql-core, in an event loop as well: what awaits a
field stands below it. An operation that bare Strawberry answers is to be answered.
"""

import sys
from typing import Any, Final

_MOST_WITHIN: Final = 8
_FRAMES_OF_A_FIELD: Final = 16
"""That each level takes; 7 for objects and 13 for lists were measured, and 3 of ours above each."""
_FRAMES_OF_AN_ENTRY: Final = 50
"""That a field with an entry of its own takes beside; 31 in a thread and 40 in an event loop were measured."""
_FRAMES_OF_RESOLVERS: Final = 100
"""Left for what resolvers call."""


def deepest_entry(depth: int) -> int:
    """Return how many fields with entries of their own may stand within each other here and now.

    Args:
        depth: How many fields of the operation stand within each other.
    """
    # The frame of the caller: one that refers to itself keeps all below it, and the answer of the request, until
    # the garbage collector comes by.
    frames = 1
    here: Any = sys._getframe(1)  # noqa: SLF001 - documented, and the only way to know
    while here is not None:
        frames, here = frames + 1, here.f_back
    taken = frames + _FRAMES_OF_RESOLVERS + _FRAMES_OF_A_FIELD * depth
    return max(0, min(_MOST_WITHIN, (sys.getrecursionlimit() - taken) // _FRAMES_OF_AN_ENTRY))
