"""How deep fields with entries of their own may be nested without overflowing the interpreter's stack.

Each of them takes frames of the stack in addition to graphql-core's. In an event loop too, because the coroutine that
awaits a field has a frame below it. An operation that Strawberry alone can answer must not overflow the stack.
"""

import sys
from typing import Any, Final

_MOST_WITHIN: Final = 8
_FRAMES_OF_A_FIELD: Final = 16
"""Frames of each nested field. Measured: 7 for objects and 13 for lists, and 3 of this package for each."""
_FRAMES_OF_AN_ENTRY: Final = 50
"""Further frames of a field with an entry of its own. Measured: 31 in a thread and 40 in an event loop."""
_FRAMES_OF_RESOLVERS: Final = 100
"""Frames that are reserved for the calls of resolvers."""


def deepest_entry(depth: int) -> int:
    """Return how deep fields with entries of their own may be nested, with the frames that the caller's stack has left.

    Args:
        depth: How deep the fields of the operation are nested.
    """
    # Begin at the caller's frame. A frame that refers to itself would keep all frames below it, and the answer
    # of the request, until the garbage collector runs.
    frames = 1
    here: Any = sys._getframe(1)  # noqa: SLF001 - documented, and the only way to know
    while here is not None:
        frames, here = frames + 1, here.f_back
    taken = frames + _FRAMES_OF_RESOLVERS + _FRAMES_OF_A_FIELD * depth
    return max(0, min(_MOST_WITHIN, (sys.getrecursionlimit() - taken) // _FRAMES_OF_AN_ENTRY))
