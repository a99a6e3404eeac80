"""What fields by themselves give, and what recording costs: `uv run python -m benchmarks.fields`.

Peers run in turn in one run, on a real Valkey; times are the lowest of many rounds. Both schemas have
Strawberry's own parser and validation caches, so that what is compared is the execution. The table of levels tells the
processor time of this process for each field, without that of the list around it, and what the server counted.
`--json FILE` writes that table.
"""

import argparse
import asyncio
import itertools
import json
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import strawberry
from strawberry.extensions import ParserCache, ValidationCache

from benchmarks.core.server import Server
from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control

OBJECTS = 500
RECORDED = 1_000
ROUNDS = 25


@strawberry.type
class Item:
    """An object of a list."""

    id: strawberry.ID
    name: str
    price: float
    stock: int

    @cache_control(ttl=600)
    @strawberry.field
    async def rating(self) -> float:
        """Answer at once, as if a dataloader had it."""
        return float(self.id) / 2


def items(count: int) -> list[Item]:
    """Return objects."""
    return [
        Item(id=strawberry.ID(str(n)), name=f"item {n}", price=n / 3, stock=n) for n in range(count)
    ]


@strawberry.type
class Query:
    """Fields with and without a hint over the same data."""

    @strawberry.field
    def now(self) -> float:
        """Is never cached."""
        return time.time()

    @cache_control(ttl=600)
    @strawberry.field
    def cached(self, count: int) -> list[Item]:
        """Return objects that may be cached."""
        return items(count)

    @strawberry.field
    def listed(self, count: int) -> list[Item]:
        """Return objects that may not."""
        return items(count)


@strawberry.type
class Thing:
    """An object of a schema without any hint."""

    id: strawberry.ID
    name: str
    price: float
    stock: int


@strawberry.type
class Plain:
    """A schema without any hint."""

    @strawberry.field
    def things(self, count: int) -> list[Thing]:
        """Return objects."""
        return [
            Thing(id=strawberry.ID(str(n)), name=f"item {n}", price=n / 3, stock=n)
            for n in range(count)
        ]


async def lowest(*calls: Callable[[], Awaitable[Any]], rounds: int = ROUNDS) -> list[float]:
    """Return the lowest time of each call, in seconds; they take turns."""
    times = [float("inf")] * len(calls)
    for _ in range(rounds):
        for number, call in enumerate(calls):
            began = time.perf_counter()
            await call()
            times[number] = min(times[number], time.perf_counter() - began)
    return times


def line(what: str, seconds: float, peer: float) -> None:
    """Print a time beside its peer's."""
    print(f"{what:<66}{seconds * 1e3:8.2f} ms {seconds / peer:7.2f} of it")


async def levels(server: Server, cache: ResponseCache) -> dict[str, dict[str, float]]:
    """Return microseconds of this process for a field of a level, and the commands for a level."""
    caches = [ParserCache, ValidationCache]
    bare = strawberry.Schema(Query, extensions=caches)
    ours = strawberry.Schema(
        Query, extensions=[*caches, ResponseCacheExtension(cache, tenant=None)]
    )
    async with ResponseCache.from_url(
        server.url, prefix="local", read_deadline=5, local_bytes=32 << 20
    ) as memory:
        local = strawberry.Schema(
            Query, extensions=[*caches, ResponseCacheExtension(memory, tenant=None)]
        )
        rating = f"{{ listed(count: {OBJECTS}) {{ rating }} }}"
        subjects = {
            "the list alone": (bare, f"{{ listed(count: {OBJECTS}) {{ __typename }} }}"),
            "a trivial async resolver": (bare, rating),
            "a hit in Redis": (ours, rating),
            "a hit in local memory": (local, rating),
        }
        lowest_of = dict.fromkeys(subjects, float("inf"))
        sent: dict[str, dict[str, float]] = {name: {} for name in subjects}
        for _ in range(ROUNDS):
            for name, (schema, query) in subjects.items():
                server.client.config_resetstat()
                began = time.process_time()
                result = await schema.execute(query)
                lowest_of[name] = min(lowest_of[name], time.process_time() - began)
                assert result.errors is None
                stats: Any = server.client.info("commandstats")
                for command in ("evalsha", "mget"):
                    sent[name][command] = stats.get(f"cmdstat_{command}", {}).get("calls", 0)
    alone = lowest_of["the list alone"]
    return {
        name: {"microseconds": (taken - alone) / OBJECTS * 1e6, **sent[name]}
        for name, taken in lowest_of.items()
    }


def show_levels(found: dict[str, dict[str, float]]) -> None:
    """Print the table of levels."""
    print(f"\n{f'a level of {OBJECTS} fields':<40}{'µs a field':>12}{'scripts':>9}{'MGETs':>7}")
    for name, each in found.items():
        print(f"{name:<40}{each['microseconds']:>12.1f}{each['evalsha']:>9.0f}{each['mget']:>7.0f}")


async def measure(cache: ResponseCache) -> None:
    """Measure and print."""
    extension = ResponseCacheExtension(cache, tenant=None)
    caches = [ParserCache, ValidationCache]
    ours = strawberry.Schema(Query, extensions=[*caches, extension])
    bare = strawberry.Schema(Query, extensions=caches)

    def asking(schema: strawberry.Schema, query: str) -> Callable[[], Awaitable[Any]]:
        async def ask() -> None:
            result = await schema.execute(query)
            assert result.errors is None

        return ask

    beside = f"{{ now cached(count: {OBJECTS}) {{ id name price stock }} }}"
    peer, own = await lowest(asking(bare, beside), asking(ours, beside))
    print(
        f"{f'an uncached field beside a list of {OBJECTS}, without a cache':<66}{peer * 1e3:8.2f} ms"
    )
    line("  the list from its entry", own, peer)

    level = f"{{ listed(count: {OBJECTS}) {{ rating }} }}"
    peer, own = await lowest(asking(bare, level), asking(ours, level))
    print(f"{f'a level of {OBJECTS} nested fields, resolved':<66}{peer * 1e3:8.2f} ms")
    line("  each from its entry, in one round trip", own, peer)

    whole = f"{{ cached(count: {RECORDED}) {{ id name price stock }} }}"
    recorded = asking(ours, whole)

    times = [float("inf")] * 2
    peer_ask = asking(bare, whole)
    for _ in range(ROUNDS):
        await cache.clear()
        for number, ask in enumerate((peer_ask, recorded)):
            began = time.perf_counter()
            await ask()
            times[number] = min(times[number], time.perf_counter() - began)
    text = json.dumps((await bare.execute(whole)).data)

    async def give() -> str:
        return text

    numbers = itertools.count()
    (alone,) = await lowest(lambda: cache.remember([f"{next(numbers)}"], 600, give))
    print(f"{f'a list of {RECORDED} objects, executed':<66}{times[0] * 1e3:8.2f} ms")
    line("  a recorded miss of it, serialised and stored (target 1.08)", times[1], times[0])
    line(f"    of which: two round trips that store {len(text)} bytes", alone, times[0])

    plain = f"{{ things(count: {RECORDED}) {{ id name price stock }} }}"
    without = strawberry.Schema(Plain, extensions=caches)
    extended = strawberry.Schema(
        Plain, extensions=[*caches, ResponseCacheExtension(cache, tenant=None)]
    )
    peer, own = await lowest(asking(without, plain), asking(extended, plain))
    print(f"{f'{RECORDED} objects of a schema without hints, bare':<66}{peer * 1e3:8.2f} ms")
    line("  with the extension", own, peer)


async def run() -> dict[str, dict[str, float]]:
    """Start a server, measure, stop; return the table of levels."""
    with Server() as server:
        async with ResponseCache.from_url(server.url, prefix="benchmark", read_deadline=5) as cache:
            await measure(cache)
            return await levels(server, cache)


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks.fields", description="What fields give.")
    parser.add_argument("--json", type=Path, help="where the table of levels is written")
    asked = parser.parse_args()
    # One of the schemas has no hints, and the log says so.
    logging.getLogger("strawberry_response_cache").setLevel(logging.ERROR)
    found = asyncio.run(run())
    show_levels(found)
    if asked.json is not None:
        asked.json.write_text(json.dumps({"levels": found}, indent=1), "utf-8")


if __name__ == "__main__":
    main()
