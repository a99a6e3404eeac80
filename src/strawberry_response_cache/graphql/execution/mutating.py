"""The mutation that the current code runs in, which may see what is not committed yet.

It is found by a context variable, and by the context of its request: a thread of an executor has its own
context variables.
"""

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

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
    """Return whether a mutation runs here, or one whose context, or the request in it, this is."""
    if mutation_around() is not None:
        return True
    return any(_running[each] > 0 for each in _ids(context)) if _running else False


@contextmanager
def mutating(notes: RunNotes, context: object) -> Iterator[None]:
    """Run the resolvers of a mutation inside."""
    token = around.set(notes)
    running = _ids(context)
    with _lock:
        _running.update(running)
    try:
        yield
    finally:
        notes.is_over = True
        with _lock:
            _running.subtract(running)
            for each in running:
                if _running[each] <= 0:
                    del _running[each]
        with suppress(ValueError):  # a coroutine that was dropped ends in whatever context
            around.reset(token)


_running: Final[Counter[int]] = Counter()
"""How many mutations run, by the identity of their contexts."""
os.register_at_fork(after_in_child=_running.clear)  # a child runs none of its parent's
_lock = renewed_in_child(sys.modules[__name__], "_lock", threading.Lock)


def _ids(context: object) -> list[int]:
    """Return the identities of a context and of the request in it, which no other request has."""
    found = called(of_context, context, "request")
    own = (context, *(() if type(found) is Raised else (found,)))
    return [id(each) for each in own if called(_is_of_one_request, each) is True]


def _is_of_one_request(value: object) -> bool:
    """Return whether an object may belong to one request; a proxy such as Flask's is that of all."""
    return type(value) not in _SHARED and value.__class__ is type(value)
