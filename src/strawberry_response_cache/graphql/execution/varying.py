"""By what the entries vary that the current code generates: a resolver may execute an operation that varies by more."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final

_around: Final[ContextVar[AbstractSet[str] | None]] = ContextVar("varied_around", default=None)
"""The varied values that the key of the entry around has; None if none is generated."""


@contextmanager
def varying(names: AbstractSet[str]) -> Iterator[None]:
    """Generate an entry inside.

    If it varies by more than the entry around it, that entry was kept from being stored before this.

    Args:
        names: The varied values that its key has.
    """
    token = _around.set(names)
    try:
        yield
    finally:
        with suppress(ValueError):  # a coroutine that was dropped ends in whatever context
            _around.reset(token)


def varies_by_more(names: AbstractSet[str]) -> bool:
    """Whether an entry is generated around the current code whose key has not all of these.

    Args:
        names: The varied values by which a part of it varies.
    """
    around = _around.get()
    return around is not None and not names <= around
