"""The messages that scripts publish on the channel of a cache, and their handling.

===============================  =============================================
``t <table> <clock> <tag>,...``  tags were invalidated, at that clock
``k <entry>``                    an entry was invalidated
``c <table>``                    all entries of a tag table were invalidated
``w <lease>``                    a lease for which others wait has ended
===============================  =============================================
"""

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from strawberry_response_cache.core._memory import Memory

_TAGS: Final = re.compile(r"(\S+) (\d+) (\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearers:
    """The receivers of what other processes publish.

    Attributes:
        memory: The local memory, if it is on.
        wake: Called with the key of a lease that has ended.
        outdate: Called for an invalidation with the tag table, the tags or None for all, and the clock if it is known.
    """

    memory: Memory | None
    wake: Callable[[str], None] = field(repr=False)
    outdate: Callable[[str, AbstractSet[str] | None, int | None], object] = field(repr=False)


def hear(message: bytes, hearers: Hearers) -> None:
    """Handle a message. One that is not understood may be an invalidation, so local memory is emptied."""
    memory = hearers.memory
    kind, _, rest = message.decode("ascii", "replace").partition(" ")
    if kind == "w":
        hearers.wake(rest)
    elif kind == "t" and (told := _TAGS.fullmatch(rest)) is not None:
        table, clock, tags = told[1], int(told[2]), frozenset(told[3].split(","))
        hearers.outdate(table, tags, clock)
        if memory is not None:
            memory.invalidate(table, tags)
    elif kind == "c":
        hearers.outdate(rest, None, None)
        if memory is not None:
            memory.clear(rest)
    elif memory is None:
        return
    elif kind == "k":
        memory.forget(rest)
    else:
        memory.drop_all()
