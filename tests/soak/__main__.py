"""Minutes of load with outages: ``python -m tests.soak --minutes 10``.

Rounds take turns: callers in an event loop or in threads, local memory off or on, a server with snapshots or
without. In each the server is restarted, paused, flushed or made to evict every few seconds. Each answer is
checked. The end is 1 if a request failed or an answer was stale, or if a query took longer than the read deadline,
its resolvers and 50 ms without having stood still for as long: for the machine, or for the garbage collector.

With ``--hostile`` there are no outages. Rounds take turns: with the cache or without it, and with hostile requests
beside the ordinary ones or without.
"""

import argparse
import asyncio
import itertools
import logging
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from strawberry_response_cache.core import ResponseCache
from tests.servers.valkey import valkey_node
from tests.soak.hostile import held, service_over
from tests.soak.hostile import in_a_loop as in_a_loop_beside
from tests.soak.machine import Standstill
from tests.soak.outages import Outages
from tests.soak.service import GENERATION, Caller, Report, Source, schema

CALLERS: Final = 10
THINKING: Final = 0.02
"""Seconds between two requests of one caller."""
ROUND: Final = 30
READ_DEADLINE: Final = 0.1
BOUND: Final = READ_DEADLINE + 2 * GENERATION + 0.05
_WITH_SNAPSHOTS: Final = {"save": "1 1"}


async def in_a_loop(
    cache: ResponseCache, report: Report, standstill: Standstill, seconds: float
) -> None:
    """Let the callers be tasks."""
    source = Source()
    service = schema(cache, source, in_threads=False)
    ends = time.monotonic() + seconds

    async def call(number: int) -> None:
        caller = Caller(source, report, standstill, number)
        while time.monotonic() < ends:
            request = caller.request()
            caller.judge(request, await service.execute(**request.arguments))
            await asyncio.sleep(THINKING)

    await asyncio.gather(*map(call, range(CALLERS)))
    await cache.aclose()


def in_threads(
    cache: ResponseCache, report: Report, standstill: Standstill, seconds: float
) -> None:
    """Let the callers be threads."""
    source = Source()
    service = schema(cache, source, in_threads=True)
    ends = time.monotonic() + seconds

    def call(number: int) -> None:
        caller = Caller(source, report, standstill, number)
        while time.monotonic() < ends:
            request = caller.request()
            caller.judge(request, service.execute_sync(**request.arguments))
            time.sleep(THINKING)

    with ThreadPoolExecutor(CALLERS) as pool:
        for future in [pool.submit(call, number) for number in range(CALLERS)]:
            future.result()
    cache.close()


def longest(times: Sequence[tuple[float, float, float]]) -> str:
    """Return median, 99th percentile and maximum in words."""
    took = sorted(seconds for _, seconds, _ in times)
    points = took[len(took) // 2], took[len(took) * 99 // 100], took[-1]
    return "/".join(f"{point * 1000:.1f}" for point in points) + " ms"


def one_round(number: int, seconds: float) -> Report:
    """Run one round and print its line."""
    threads, local, snapshots = number & 1, number >> 1 & 1, number >> 2 & 1
    report = Report()
    with valkey_node(_WITH_SNAPSHOTS if snapshots else None) as node:
        cache = ResponseCache.from_url(
            f"redis://{node.address}",
            prefix="soak",
            telemetry=False,
            read_deadline=READ_DEADLINE,
            local_bytes=10_000_000 if local else 0,
        )
        outages = Outages(node, seconds, number)
        outages.start()
        if threads:
            in_threads(cache, report, Standstill(node), seconds)
        else:
            asyncio.run(in_a_loop(cache, report, Standstill(node), seconds))
        outages.join()
    slow = [query for query in report.queries if query[1] > BOUND]
    late = [(ended, took) for ended, took, still in slow if took - still > BOUND]
    status = " ".join(f"{name} {count}" for name, count in report.counted.items())
    print(
        f"{'threads' if threads else 'loop':8}{'local' if local else '':6}"
        f"{'snapshots' if snapshots else '':10}{len(outages.happened):3} outages, "
        f"{len(report.queries)} queries {longest(report.queries)} ({status}), "
        f"{len(report.mutations)} mutations {longest(report.mutations)}, "
        f"{len(late)} late, longest {max((took for _, took in late), default=0) * 1000:.0f} ms, "
        f"{len(slow) - len(late)} late since the machine or the interpreter stood still, "
        f"{len(report.wrong)} failed or stale",
        flush=True,
    )
    report.wrong += [
        f"late: a query of {took * 1000:.0f} ms; {outages.last_before(ended)} its end"
        for ended, took in late
    ]
    return report


async def hostile_rounds(minutes: float) -> list[str]:
    """Run the rounds with and without hostile requests, on one server, and print a line for each."""
    ends = time.monotonic() + minutes * 60
    wrong: list[str] = []
    with valkey_node() as node:
        cache = ResponseCache.from_url(f"redis://{node.address}", prefix="soak", telemetry=False)
        services = [("cache", *service_over(cache)), ("bare", *service_over(None))]
        for hostile, (name, service, source) in itertools.cycle(
            itertools.product((False, True), services)
        ):
            seconds = min(ROUND, ends - time.monotonic())
            if seconds < 1:
                break
            report = await in_a_loop_beside(service, source, node, seconds, hostile=hostile)
            wrong += report.wrong
            print(
                f"{name:6}{'hostile' if hostile else 'calm':8}"
                f"{len(report.queries)} queries {longest(report.queries)}, "
                f"{report.counted['hostile']} hostile, {held()}, {len(report.wrong)} failed or stale",
                flush=True,
            )
        await cache.aclose()
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run rounds until time is up, and print what was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--hostile", action="store_true", help="hostile requests, no outages")
    chosen = parser.parse_args(arguments)
    minutes: float = chosen.minutes
    logging.disable()
    if chosen.hostile:
        wrong = asyncio.run(hostile_rounds(minutes))
        print(*wrong[:20], sep="\n")
        return bool(wrong)
    ends = time.monotonic() + minutes * 60
    wrong = []
    for number in itertools.count():
        seconds = min(ROUND, ends - time.monotonic())
        if seconds < 1:
            break
        wrong += one_round(number, seconds).wrong
    print(*wrong[:20], sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
