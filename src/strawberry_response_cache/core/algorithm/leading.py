"""The flights whose generators the current code runs in: what it reads is a part of their values."""

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.algorithm.flights import Flight, Leading, note_part
from strawberry_response_cache.core.algorithm.parts import unfit_part

leading: contextvars.ContextVar[Leading] = contextvars.ContextVar("leading", default=())
"""The flights whose generators the current code runs in, outermost first."""


def note_unfit_part(*keys: EntryKeys) -> None:
    """Prevent storing of the values whose generators the current code runs in; the keys name the parts."""
    for each in keys:
        note_part(leading.get(), unfit_part(each))


@contextmanager
def leading_flights(*flights: Flight | None) -> Iterator[None]:
    """Mark the code inside as running in the generators of these flights; None is a generator without one."""
    token = leading.set((*leading.get(), *filter(None, flights)))
    try:
        yield
    finally:
        # A dropped coroutine may be collected in another context, which raises ValueError.
        with suppress(ValueError):
            leading.reset(token)
