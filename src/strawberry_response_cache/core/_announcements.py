"""Calls the user's function `on_invalidate` for each invalidation that Redis has taken.

No caller waits for that function, or gets an exception of it. If it raises, it is called up to two times more. A
crash loses the calls that were not made.
"""

import asyncio
import contextvars
import inspect
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._invalidated_tags import InvalidatedTags
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._user_code import Raised, awaited, called, is_async
from strawberry_response_cache.core.drivers.driving import running_loop

PAUSES: Final = (0.1, 0.5)
"""Seconds before the second and the third call of a function that raised."""
MOST_WAITING: Final = 10_000
"""How many invalidations may wait for their call of the function. Further ones count as lost."""
_LONGEST_DRAIN: Final = 10.0
"""Seconds that closing a cache waits for the function."""
_IDLE: Final = 1.0
"""Seconds without an invalidation after which the thread ends."""


OnInvalidate: TypeAlias = Callable[[InvalidatedTags], Awaitable[object] | object]


class Announcements:
    """The invalidations for which `on_invalidate` is called, or still has to be.

    An async function runs as a task of the event loop that invalidated, so that it can use what belongs to that
    loop. Everything else runs in one thread, started when it is first needed.

    Args:
        function: The user's `on_invalidate`, or None.
        name: The cache's, for the log.

    Attributes:
        is_wanted: Whether there is such a function.
        lost: For how many invalidations the function raised each time, or could not be called.
    """

    def __init__(self, function: OnInvalidate | None, name: str) -> None:
        self._function = function
        self._name = name
        self._is_async = is_async(function)
        self._changed = renewed_in_child(self, "_changed", threading.Condition)
        self._log = Interval()
        self.is_wanted = function is not None
        self.lost = 0
        self.after_fork()

    def after_fork(self) -> None:
        """Drop all waiting invalidations in a forked child: the parent calls the function for them."""
        self._waiting: deque[InvalidatedTags] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_running = self._is_draining = False

    def announce(self, tags: InvalidatedTags) -> None:
        """Call the function for an invalidation, in the background. If too many wait, this one counts as lost."""
        if not self.is_wanted or not tags:
            return
        if len(self._waiting) + len(self._tasks) >= MOST_WAITING:
            self._note_lost("too many wait")
        elif self._is_async and (loop := running_loop()) is not None:
            task = loop.create_task(self._tell_async(tags), context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(lambda task: self._end(task, tags))
        else:
            self._take(tags)

    # -- In an event loop --------------------------------------------------------------------------

    async def _tell_async(self, tags: InvalidatedTags) -> None:
        for pause in (*PAUSES, None):
            answer = called(self._call, tags)
            if type(answer) is not Raised:
                answer = await awaited(answer)
            if type(answer) is not Raised:
                return
            if pause is None:
                self._note_lost(answer.kind)
            elif not self._is_draining:
                await asyncio.sleep(pause)

    def _end(self, task: "asyncio.Task[None]", tags: InvalidatedTags) -> None:
        self._tasks.discard(task)
        if task.cancelled():  # its loop ends
            self._take(tags)

    async def drain_async(self) -> None:
        """Wait until this loop and the thread have made all calls; further tries follow without pauses."""
        self._is_draining = True
        try:
            loop = asyncio.get_running_loop()
            if ours := {task for task in self._tasks if task.get_loop() is loop}:
                await asyncio.wait(ours, timeout=_LONGEST_DRAIN)
            if self._is_running:
                await asyncio.to_thread(self.drain)
        finally:
            self._is_draining = False

    # -- In a thread -------------------------------------------------------------------------------

    def _take(self, tags: InvalidatedTags) -> None:
        with self._changed:
            if not self._is_running:
                thread = threading.Thread(
                    target=self._run, name="response-cache-on-invalidate", daemon=True
                )
                with suppress(RuntimeError):  # no thread can be had
                    thread.start()
                    self._is_running = True
            if self._is_running:
                self._waiting.append(tags)
                self._changed.notify_all()
                return
        self._note_lost("no thread")

    def _run(self) -> None:
        try:
            while (tags := self._next()) is not None:
                self._tell(tags)
                self._advance()
        except BaseException:  # such as a `SystemExit` of the user's
            self._advance(is_running=False)
            raise

    def _advance(self, *, is_running: bool = True) -> None:
        with self._changed:
            self._waiting.popleft()
            self._is_running = is_running
            self._changed.notify_all()

    def _next(self) -> InvalidatedTags | None:
        """Wait for an invalidation and return it. If none comes for a while, return None: the thread ends."""
        with self._changed:
            if not self._waiting:
                self._changed.wait_for(lambda: self._waiting or self._is_draining, _IDLE)
            if self._waiting:
                return self._waiting[0]
            self._is_running = False  # whoever comes now starts another thread
            self._changed.notify_all()
            return None

    def _tell(self, tags: InvalidatedTags) -> None:
        for pause in (*PAUSES, None):
            answer = called(self._call, tags)
            if type(answer) is not Raised and inspect.isawaitable(answer):
                answer = asyncio.run(_awaited(answer))
            if type(answer) is not Raised:
                return
            if pause is None:
                self._note_lost(answer.kind)
            elif not self._is_draining:
                time.sleep(pause)

    def drain(self) -> None:
        """Wait until the thread has made all its calls; further tries follow without pauses."""
        with self._changed:
            self._is_draining = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_running, _LONGEST_DRAIN)
            self._is_draining = False

    # -- For both ----------------------------------------------------------------------------------

    def _call(self, tags: InvalidatedTags) -> Any:  # noqa: ANN401 - what the user's function returns
        return self._function(tags)  # type: ignore[misc] # it is wanted

    def _note_lost(self, error: str) -> None:
        with self._changed:
            self.lost += 1
        if (count := self._log.counted()) is not None:
            logger.error(
                "The on_invalidate of cache %r failed (%s%s); it is not told of that invalidation again.",
                self._name,
                error,
                count.words,
                extra={
                    "response_cache.name": self._name,
                    "response_cache.failures": count.number,
                    "error.type": error,
                },
            )


async def _awaited(value: Awaitable[object]) -> object:
    return await awaited(value)
