"""What fields by themselves give, and what recording costs: `uv run python -m benchmarks.fields`.

Peers run in turn in one run, on a real Valkey; times are the lowest of many rounds. Both schemas have
Strawberry's own parser and validation caches, so that what is compared is the execution.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
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


async def main() -> None:
    """Start a server, measure, stop."""
    with Server() as server:
        async with ResponseCache.from_url(server.url, prefix="benchmark", read_deadline=5) as cache:
            await measure(cache)


if __name__ == "__main__":
    asyncio.run(main())
