"""The notes that resolvers make about their execution while it runs."""

import sys
import threading
from contextvars import ContextVar
from typing import Any, Final

from graphql import GraphQLResolveInfo

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._fork import renewed_in_child


class RunNotes:
    """The notes of the resolvers of one execution.

    Attributes:
        ttl: The lowest ttl of a `restrict_cache`, in seconds.
        limited_by: The coordinate of the field whose resolver set `ttl`.
        private: Whether a resolver made the response PRIVATE.
        is_skipped: Whether a resolver called `skip_cache` or ``restrict_cache(ttl=0)``.
        tags: The tags that resolvers added.
        held_back: The `info` of each execution of a field whose permission classes have not let it
            through to the resolver, by identity.
        invalidated: The tags to invalidate at the end.
        invalidates_everything: Whether to invalidate the whole tenant at the end.
        cache: The tenant's cache, if it is known before resolvers run.
        is_of_mutation: Whether the operation is a mutation, at whose end the noted tags are invalidated.
        is_over: Whether the resolvers of a mutation have ended; tasks that they started may still run.
    """

    __slots__ = (
        "__weakref__",
        "cache",
        "held_back",
        "invalidated",
        "invalidates_everything",
        "is_of_mutation",
        "is_over",
        "is_skipped",
        "limited_by",
        "private",
        "tags",
        "ttl",
    )

    def __init__(self, cache: ResponseCache | None = None) -> None:
        self.ttl: float | None = None
        self.limited_by: str | None = None
        self.private = False
        self.is_skipped = False
        self.tags: set[str] = set()
        self.held_back: dict[int, object] = {}
        self.invalidated: set[str] = set()
        self.invalidates_everything = False
        self.cache = cache
        self.is_of_mutation = False
        self.is_over = False

    def restrict(
        self, ttl: float | None, tags: tuple[str, ...], *, private: bool, coordinate: str
    ) -> None:
        """Note what one call of `restrict_cache` restricts."""
        if ttl == 0:
            self.is_skipped = True
        elif ttl is not None and (self.ttl is None or ttl < self.ttl):
            self.ttl, self.limited_by = ttl, coordinate
        self.private = self.private or private
        self.tags.update(tags)


# By the variables in `info`: each execution has its own object, and a reference keeps it alive, so that
# no other object has the same id. A context variable would be lost in threads that resolvers start.
_noted: Final[dict[int, tuple[object, RunNotes]]] = {}
_lock = renewed_in_child(sys.modules[__name__], "_lock", threading.Lock)


def take_notes(notes: RunNotes, *variables: object) -> None:
    """Register the notes, so that resolvers find them by any of these objects."""
    with _lock:
        _noted.update({id(each): (each, notes) for each in variables})


def end_notes(*variables: object) -> None:
    """Unregister the notes."""
    with _lock:
        for each in variables:
            _noted.pop(id(each), None)


def notes_by(variables: object) -> RunNotes | None:
    """Return the notes of the execution with these variables; None if it has none."""
    _, notes = _noted.get(id(variables), (None, None))
    return notes


def notes_of_run(info: GraphQLResolveInfo[Any]) -> RunNotes | None:
    """Return the notes of the execution of a resolver; None if it has none."""
    return notes_by(info.variable_values)


around: Final[ContextVar[RunNotes | None]] = ContextVar("mutation_around", default=None)
"""The notes of the mutation whose resolvers run the current code."""


def mutation_around() -> RunNotes | None:
    """Return the notes of the mutation that runs the current code; None without one, or if its resolvers have ended."""
    notes = around.get()
    return None if notes is None or notes.is_over else notes


def note_guarded(info: GraphQLResolveInfo[Any]) -> None:
    """Note that the execution of a field with permission classes has started."""
    if (notes := notes_of_run(info)) is not None:
        notes.held_back[id(info)] = info


def note_let_through(info: GraphQLResolveInfo[Any]) -> None:
    """Note that the permission classes of a field let its resolver be called."""
    if (notes := notes_of_run(info)) is not None:
        notes.held_back.pop(id(info), None)
