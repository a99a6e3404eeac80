"""Which varied values are in the key of the entry being generated: an operation inside may vary by more."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final

_around: Final[ContextVar[AbstractSet[str] | None]] = ContextVar("varied_around", default=None)
"""The names of the varied values in the key of the entry that is being generated; None if there is none."""


@contextmanager
def varying(names: AbstractSet[str]) -> Iterator[None]:
    """Mark the code inside the block as generating an entry.

    An outer entry that varies by less is not stored: the caller has checked that with `varies_by_more`.

    Args:
        names: The names of the varied values in the key of the entry.
    """
    token = _around.set(names)
    try:
        yield
    finally:
        with suppress(ValueError):  # a dropped coroutine is closed in another context
            _around.reset(token)


def varies_by_more(names: AbstractSet[str]) -> bool:
    """Whether the current code generates an entry whose key does not have all of these varied values.

    Args:
        names: The names of the varied values by which a part of that entry varies.
    """
    around = _around.get()
    return around is not None and not names <= around
