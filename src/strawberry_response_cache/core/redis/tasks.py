"""Tasks and timers of an event loop that belong to no request."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

from strawberry_response_cache.core.redis.connections import SLICES


def started(work: Coroutine[Any, Any, None], context: contextvars.Context) -> "asyncio.Task[None]":
    """Start a task in a context, on the next pass of the event loop.

    An eager task factory (Python 3.12) would start it at once. The caller may be running in the same
    context, and a context cannot be entered twice.
    """
    return asyncio.Task(work, loop=asyncio.get_running_loop(), context=context)


class Alarm:
    """A timer that calls a function once; the time in which the event loop is late does not count."""

    __slots__ = ("_context", "_left", "_loop", "_ring", "_slice", "_timer")

    def __init__(
        self, seconds: float, ring: Callable[[], None], context: contextvars.Context
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._slice = seconds / SLICES
        self._left = SLICES
        self._ring = ring
        self._context = context
        self._timer = self._loop.call_later(self._slice, self._slice_is_over, context=context)

    def _slice_is_over(self) -> None:
        self._left -= 1
        if self._left:
            self._timer = self._loop.call_later(
                self._slice, self._slice_is_over, context=self._context
            )
        else:
            self._ring()

    def stop(self) -> None:
        """Stop the timer, so that it does not call its function."""
        self._timer.cancel()
