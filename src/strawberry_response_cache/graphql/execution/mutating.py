"""The mutation that the current code runs in, which may see what is not committed yet.

It is found by a context variable, and by the context of its request: a thread of an executor has its own
context variables.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from weakref import WeakKeyDictionary

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.graphql.annotations.run_notes import (
    RunNotes,
    around,
    mutation_around,
)
from strawberry_response_cache.graphql.http.messages import of_context

_SHARED: Final = frozenset({str, bytes, int, float, bool, tuple, frozenset, type(None)})
"""Types of which requests that have nothing to do with each other may have one object."""


def is_of_mutation(context: object) -> bool:
    """Return whether the current code runs in a mutation, or a context, or the request in it, is that of a running one.

    A mutation with that context counts until what it changed is invalidated: a query of the same batch may begin before.
    """
    if mutation_around() is not None:
        return True
    return _is_known(_identities_of_request(context)) if _running else False


def _is_known(ids: list[int]) -> bool:
    with _lock:
        return any(not known.isdisjoint(ids) for known in _running.values())


@contextmanager
def mutating(notes: RunNotes, context: object) -> Iterator[None]:
    """Run the resolvers of a mutation inside; see `end_mutation`."""
    token = around.set(notes)
    ids = frozenset(_identities_of_request(context))
    with _lock:
        _running[notes] = ids
    try:
        yield
    finally:
        notes.is_over = True
        with suppress(ValueError):  # a coroutine that was dropped ends in whatever context
            around.reset(token)


def end_mutation(notes: RunNotes) -> None:
    """Note that what a mutation changed is invalidated."""
    with _lock:
        _running.pop(notes, None)


# Weakly: a request that was dropped midway ends nothing.
_running: Final[WeakKeyDictionary[RunNotes, frozenset[int]]] = WeakKeyDictionary()
"""For each mutation that is not over, the identities of its context and of the request in it."""
os.register_at_fork(after_in_child=_running.clear)  # a child runs none of its parent's
_lock = renewed_in_child(sys.modules[__name__], "_lock", threading.Lock)


def _identities_of_request(context: object) -> list[int]:
    """Return the identities of a context and of the request in it, which no other request has."""
    found = called(of_context, context, "request")
    own = (context, *(() if type(found) is Raised else (found,)))
    return [id(each) for each in own if called(_is_of_one_request, each) is True]


def _is_of_one_request(value: object) -> bool:
    """Return whether an object may belong to one request; a proxy such as Flask's is that of all."""
    return type(value) not in _SHARED and value.__class__ is type(value)
