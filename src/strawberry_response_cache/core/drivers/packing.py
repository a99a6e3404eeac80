"""Compresses large entries in a thread, so that the event loop goes on meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from strawberry_response_cache.core.protocol import Commit

LARGE: Final = 512 * 1024
"""Bytes that take about 5 ms to compress. Handing them to a thread takes 0.05 to 0.25 ms of the event loop."""


class Packing:
    """The entries of one event loop that are compressed.

    The thread is its own. Those of the event loop may all be taken by resolvers.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._running: set[asyncio.Future[Commit]] = set()

    def pack(self, commit: Commit, then: Callable[[Commit], None]) -> None:
        """Compress what is stored, if it is large, and pass it on.

        Args:
            commit: What is stored.
            then: Called with it. If no thread can be started, it is compressed when it is sent.
        """
        if commit.size <= LARGE:
            then(commit)
            return
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="response-cache-packing")
        try:
            packing = loop.run_in_executor(self._thread, commit.packed)
        except RuntimeError:  # the interpreter ends, or no thread can be started
            then(commit)
            return
        self._running.add(packing)

        def packed(done: asyncio.Future[Commit]) -> None:
            self._running.discard(done)
            # An error of the thread, such as a lack of memory, is met again where the entry is sent.
            then(commit if done.exception() is not None else done.result())

        packing.add_done_callback(packed)

    async def drain(self) -> None:
        """Wait for what is being compressed, and end the thread."""
        if self._running:
            await asyncio.wait(set(self._running))
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None
