"""Tells whether the current code runs in a mutation, which may see changes that are not committed yet.

A mutation is found by a context variable, or by the context of its request, because a thread of a thread pool has its
own context variables.
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
"""Types whose objects unrelated requests may share, such as an empty string."""


def is_of_mutation(context: object) -> bool:
    """Return whether the current code runs in a mutation, or whether a context or its request belongs to one.

    A mutation counts until its invalidations are done, because a query of the same batch may begin before that.
    """
    if mutation_around() is not None:
        return True
    return _is_known(_identities_of_request(context)) if _running else False


def _is_known(ids: list[int]) -> bool:
    with _lock:
        return any(not known.isdisjoint(ids) for known in _running.values())


@contextmanager
def mutating(notes: RunNotes, context: object) -> Iterator[None]:
    """Mark the code inside the block, and a context until `end_mutation`, as those of a mutation."""
    token = around.set(notes)
    ids = frozenset(_identities_of_request(context))
    with _lock:
        _running[notes] = ids
    try:
        yield
    finally:
        notes.is_over = True
        with suppress(ValueError):  # a dropped coroutine is closed in another context
            around.reset(token)


def end_mutation(notes: RunNotes) -> None:
    """Note that the invalidations of a mutation are done: its context is no longer marked."""
    with _lock:
        _running.pop(notes, None)


# Weak keys: for a request that was dropped midway, nobody calls `end_mutation`.
_running: Final[WeakKeyDictionary[RunNotes, frozenset[int]]] = WeakKeyDictionary()
"""For each mutation that is not over, the ids of its context and of the request in it."""
# A forked child runs none of its parent's mutations.
os.register_at_fork(after_in_child=_running.clear)
_lock = renewed_in_child(sys.modules[__name__], "_lock", threading.Lock)


def _identities_of_request(context: object) -> list[int]:
    """Return the ids of a context and of the request in it, as far as only one request has the object."""
    found = called(of_context, context, "request")
    own = (context, *(() if type(found) is Raised else (found,)))
    return [id(each) for each in own if called(_is_of_one_request, each) is True]


def _is_of_one_request(value: object) -> bool:
    """Return whether an object can belong to one request only; all requests share Flask's proxy ``request``."""
    return type(value) not in _SHARED and value.__class__ is type(value)
