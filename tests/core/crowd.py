"""Callers of every kind at once in one process: threads, and tasks of two event loops."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from strawberry_response_cache.core import ResponseCache

THREADS = 64
LOOPS = 2
TASKS = 16
"""Callers in each event loop."""
EVERYONE = THREADS + LOOPS * TASKS
PATIENCE = 120


class Crowd:
    """A crowd that asks one cache.

    Args:
        cache: What they ask.
        runs: The file in which each run of a generator leaves a line, from whatever process.
    """

    def __init__(self, cache: ResponseCache, runs: Path) -> None:
        self._cache = cache
        self._tenant = runs
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="crowd")
        self._loops = [asyncio.new_event_loop() for _ in range(LOOPS)]
        self._threads = [threading.Thread(target=loop.run_forever) for loop in self._loops]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for loop, thread in zip(self._loops, self._threads, strict=True):
            asyncio.run_coroutine_threadsafe(self._cache.aclose(), loop).result(PATIENCE)
            asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(
                PATIENCE
            )
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE)
            loop.close()
        self._pool.shutdown()

    def ask(self, key: str, value: str) -> list[str]:
        """Let everyone ask for a key at once, and return what they get.

        Whichever generator runs ends only when everyone has asked.
        """
        begun = threading.Semaphore(0)
        callers: list[Future[str]] = [
            self._pool.submit(self._remember_sync, key, begun, self._generator(value, begun))
            for _ in range(THREADS)
        ]
        callers += [
            asyncio.run_coroutine_threadsafe(
                self._remember(key, begun, self._generator(value, begun)), loop
            )
            for loop in self._loops
            for _ in range(TASKS)
        ]
        return [caller.result(PATIENCE) for caller in callers]

    def _generator(self, value: str, begun: threading.Semaphore) -> Callable[[], str]:
        def generate() -> str:
            for _ in range(EVERYONE):
                assert begun.acquire(timeout=PATIENCE)
            with self._tenant.open("a") as runs:
                runs.write(f"{value}\n")
            return value

        return generate

    def _remember_sync(
        self, key: str, begun: threading.Semaphore, generate: Callable[[], str]
    ) -> str:
        begun.release()
        return self._cache.remember_sync([key], 60, generate, tags=["t"]).value

    async def _remember(
        self, key: str, begun: threading.Semaphore, generate: Callable[[], str]
    ) -> str:
        async def generate_async() -> str:
            return await asyncio.to_thread(generate)

        begun.release()
        return (await self._cache.remember([key], 60, generate_async, tags=["t"])).value
