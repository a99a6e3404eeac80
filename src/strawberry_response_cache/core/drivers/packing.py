"""Compresses and unpacks large entries in a thread, so that the event loop is not blocked meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from strawberry_response_cache.core.protocol import Commit, Lookups

R = TypeVar("R")

LARGE: Final = 512 * 1024
"""The most bytes that are compressed in the event loop, in about 5 ms. Handing them to a thread takes 0.05 to
0.25 ms."""

AT_ONCE: Final = 256 * 1024
"""The most compressed bytes that are unpacked in the event loop, in about 2 ms: those of 600 kB of JSON."""


class Packing:
    """The entries of one event loop that are compressed or unpacked.

    It has a thread of its own, because resolvers may use all threads of the event loop's executor.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._running: set[asyncio.Future[Any]] = set()

    def pack(self, commit: Commit, then: Callable[[Commit], None]) -> None:
        """Compress the entries of a commit in the thread, if they are large, and pass the commit on.

        Args:
            commit: The commit.
            then: Called with the commit. If no thread can be started, sending it compresses the entries.
        """
        if commit.size <= LARGE or (packing := self._start(commit.packed)) is None:
            then(commit)
            return

        def packed(done: asyncio.Future[Commit]) -> None:
            # After an error in the thread, such as a lack of memory, sending compresses the entries itself.
            then(commit if done.exception() is not None else done.result())

        packing.add_done_callback(packed)

    def unpack(self, lookups: Lookups, then: Callable[[list[Any]], None]) -> None:
        """Unpack entries that were read, in the thread, and pass the answers on.

        Args:
            lookups: The lookups, one of which has found a large entry.
            then: Called with their answers. If no thread can be started, they are unpacked at once.
        """
        unpacking = self._start(lookups.unpacked)
        if unpacking is None:
            then(lookups.unpacked())
            return

        def unpacked(done: asyncio.Future[list[Any]]) -> None:
            error = done.exception()  # such as a lack of memory
            then(done.result() if error is None else lookups.unavailable(error))

        unpacking.add_done_callback(unpacked)

    def _start(self, work: Callable[[], R]) -> "asyncio.Future[R] | None":
        """Call a function in the thread; return None if it cannot be started, or if the interpreter ends."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="response-cache-packing")
        try:
            running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        except RuntimeError:
            return None
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return running

    async def drain(self) -> None:
        """Wait for what is being compressed or unpacked, and end the thread."""
        if self._running:
            await asyncio.wait(set(self._running))
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None
