"""The mutation that the current code runs in, which may see what is not committed yet."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final

from strawberry_response_cache.graphql.annotations.run_notes import RunNotes


class _Mutating:
    """A mutation whose resolvers run.

    Args:
        notes: What they say.

    Attributes:
        notes: As given.
        is_over: Whether they have ended; tasks that they started may go on.
    """

    def __init__(self, notes: RunNotes) -> None:
        self.notes = notes
        self.is_over = False


_around: Final[ContextVar[_Mutating | None]] = ContextVar("mutation_around", default=None)


def mutation_around() -> RunNotes | None:
    """Return what the resolvers of the mutation say that the current code runs in; None outside of any."""
    around = _around.get()
    return None if around is None or around.is_over else around.notes


@contextmanager
def mutating(notes: RunNotes) -> Iterator[None]:
    """Run the resolvers of a mutation inside.

    Args:
        notes: What they say.
    """
    around = _Mutating(notes)
    token = _around.set(around)
    try:
        yield
    finally:
        around.is_over = True
        with suppress(ValueError):  # a coroutine that was dropped ends in whatever context
            _around.reset(token)
