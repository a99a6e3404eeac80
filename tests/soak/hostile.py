"""What hostile requests cost the ordinary ones, with the cache and without it."""

import asyncio
import itertools
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import strawberry

from strawberry_response_cache.core import ResponseCache
from tests.servers.node import Node
from tests.soak.machine import Standstill
from tests.soak.service import Caller, Report, Source, schema

ORDINARY: Final = 10
HOSTILE: Final = 2
THINKING: Final = 0.02
"""Seconds between two requests of one caller."""


def requests() -> Iterator[dict[str, Any]]:
    """Yield hostile requests, no two alike: documents, variables, tenants and nesting."""
    draw = random.Random(1)  # noqa: S311 - the same ones each time
    for number in itertools.count():
        tenant = "red"
        variables: dict[str, Any] = {"x": number % 100}
        match number % 6:
            case 0:
                query = f"{{ a{number}: now }}"
            case 1:
                fields = " ".join(
                    f"a{alias}: item(x: {alias % 50}) {{ id }}" for alias in range(200)
                )
                query = f"query Q{number} {{ {fields} }}"
            case 2:
                query = "query ($x: Int!) { item(x: $x) { id } }"
                variables["more"] = "x" * 300_000
            case 3:
                query = "query ($x: Int!) { now item(x: $x) { id } }"
                nested: Any = number
                for _ in range(300):
                    nested = [nested]
                variables["more"] = nested
            case 4:
                query = "query ($x: Int!) { item(x: $x) { id } }"
                tenant = f"{number} " + "x" * 5_000
            case _:
                query = "{" * draw.randint(1, 2_000)
        yield {
            "query": query,
            "variable_values": variables,
            "context_value": {"tenant": tenant},
        }


async def in_a_loop(
    service: strawberry.Schema, source: Source, node: Node, seconds: float, *, hostile: bool
) -> Report:
    """Let ordinary callers ask, beside hostile ones or alone."""
    report, standstill, sent = Report(), Standstill(node), requests()
    ends = time.monotonic() + seconds

    async def ordinary(number: int) -> None:
        caller = Caller(source, report, standstill, number)
        while time.monotonic() < ends:
            request = caller.request()
            caller.judge(request, await service.execute(**request.arguments))
            await asyncio.sleep(THINKING)

    async def strange() -> None:
        while time.monotonic() < ends:
            await service.execute(**next(sent))
            report.counted["hostile"] += 1
            await asyncio.sleep(THINKING)

    strangers = [strange() for _ in range(HOSTILE if hostile else 0)]
    await asyncio.gather(*map(ordinary, range(ORDINARY)), *strangers)
    return report


def held() -> str:
    """Return how much memory and how many descriptors this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    size = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return f"{size:.0f} MB, {len([*Path('/proc/self/fd').iterdir()])} descriptors"


def service_over(cache: ResponseCache | None) -> tuple[strawberry.Schema, Source]:
    """Return the service with a cache, or the bare one."""
    source = Source()
    return schema(cache, source, in_threads=False), source
