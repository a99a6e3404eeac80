"""One operation in one process: `uv run python -m benchmarks.execute --json execute.json`.

Each subject executes the same operation on its own schema, one call after the other, in short rounds that take
turns. `p50` is the median time of a call. `CPU` is the processor time of a call, from the round that had least: what
the code costs when the machine does not stall, without the server's share.
"""

import argparse
import asyncio
import itertools
import json
import logging
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import redis.asyncio
import strawberry
from graphql import ExecutionResult
from pydantic_core import from_json, to_json
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache

from benchmarks.core.server import Server
from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control

BARE = "bare, with ParserCache and ValidationCache"
PRESET = "an extension that presets a result"
DECODED = "the same, and decodes it"
LOCAL = "hit in local memory"
REDIS = "hit in Redis"
MISS = "miss"
UNCACHEABLE = "an operation that cannot be cached"
HINTLESS = "a schema without hints"
GET = "a bare GET of the entry"
NO_CACHE = "bare, the same operation"

_OPERATION = "query Books($count: Int!, $edition: Int!) { %s(count: $count, edition: $edition) { id title price stock } }"
CACHED = _OPERATION % "books"
UNCACHED = _OPERATION % "newest"
_LARGE = 20
"""From so many objects on, a round has fewer calls."""


@strawberry.type
class Book:
    """An object of a list."""

    id: strawberry.ID
    title: str
    price: float
    stock: int


def shelf(count: int, edition: int) -> list[Book]:
    """Return books, as resolvers do that read nothing."""
    return [
        Book(id=strawberry.ID(str(n)), title=f"Book {n}", price=n / 4, stock=edition)
        for n in range(count)
    ]


@strawberry.type
class Query:
    """A field with a hint, and one without."""

    @cache_control(ttl=600)
    @strawberry.field
    def books(self, count: int, edition: int) -> list[Book]:
        """Return books that may be cached."""
        return shelf(count, edition)

    @strawberry.field
    def newest(self, count: int, edition: int) -> list[Book]:
        """Return books that may not."""
        return shelf(count, edition)


@strawberry.type(name="Query")
class Plain:
    """No field with a hint."""

    @strawberry.field
    def newest(self, count: int, edition: int) -> list[Book]:
        """Return books."""
        return shelf(count, edition)


class Preset(SchemaExtension):
    """Answers each operation with one result that is there already."""

    data: ClassVar[dict[str, Any]] = {}

    def on_execute(self) -> Iterator[None]:
        """Set the result, so that Strawberry does not execute."""
        self.execution_context.result = ExecutionResult(self.data, None)
        yield


class Decoded(SchemaExtension):
    """Answers each operation with a result that it decodes."""

    payload: ClassVar[bytes] = b""

    def on_execute(self) -> Iterator[None]:
        """Set the result, so that Strawberry does not execute."""
        data = from_json(self.payload, cache_strings="keys")["data"]
        self.execution_context.result = ExecutionResult(data, None)
        yield


Call = Callable[[], Awaitable[Any]]


@dataclass(slots=True)
class Measured:
    """The samples of one subject, in seconds.

    Attributes:
        calls: One time for each call.
        cpu: The processor time of a call, one for each round.
    """

    calls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """The median time of a call."""
        return statistics.median(self.calls)

    @property
    def least_cpu(self) -> float:
        """The processor time of a call in the round that had least."""
        return min(self.cpu)


def executing(schema: strawberry.Schema, query: str, count: int, editions: Iterator[int]) -> Call:
    """Return a call that executes an operation, with variables of its own as a view has them.

    Args:
        schema: The schema.
        query: The operation.
        count: How many books it asks for.
        editions: Another number for each call that must not be a hit.
    """

    async def call() -> None:
        result = await schema.execute(query, {"count": count, "edition": next(editions)})
        if result.errors is not None or result.data is None:
            msg = f"an execution failed: {result.errors}"
            raise RuntimeError(msg)

    return call


async def measure(subjects: Mapping[str, Call], rounds: int, calls: int) -> dict[str, Measured]:
    """Let all subjects execute in turns.

    Args:
        subjects: What is called, by its name.
        rounds: How many rounds each has.
        calls: How many calls a round has.
    """
    measured = {name: Measured() for name in subjects}
    for call in subjects.values():
        for _ in range(10):
            await call()
    for _ in range(rounds):
        for name, call in subjects.items():
            times = measured[name].calls
            began_cpu = time.process_time()
            for _ in range(calls):
                began = time.perf_counter()
                await call()
                times.append(time.perf_counter() - began)
            measured[name].cpu.append((time.process_time() - began_cpu) / calls)
    return measured


async def sized(server: Server, count: int, rounds: int, calls: int) -> dict[str, Measured]:
    """Measure all subjects with one number of books."""
    caches = [ParserCache, ValidationCache]
    numbers = itertools.count(1)
    same = itertools.repeat(0)
    one = strawberry.Schema(Query, extensions=caches)
    data = (await one.execute(CACHED, {"count": count, "edition": 0})).data
    Preset.data, Decoded.payload = data or {}, to_json({"data": data})
    stored = redis.asyncio.Redis(host="127.0.0.1", port=server.port)
    await stored.set("bare", Decoded.payload)
    near = ResponseCache.from_url(server.url, prefix="near", local_bytes=64_000_000)
    far = ResponseCache.from_url(server.url, prefix="far")

    def ours(cache: ResponseCache, query: type = Query) -> strawberry.Schema:
        return strawberry.Schema(query, extensions=[ResponseCacheExtension(cache, tenant=None)])

    async with near, far:
        subjects = {
            GET: lambda: stored.get("bare"),
            BARE: executing(one, CACHED, count, numbers),
            PRESET: executing(
                strawberry.Schema(Query, extensions=[*caches, Preset]), CACHED, count, same
            ),
            DECODED: executing(
                strawberry.Schema(Query, extensions=[*caches, Decoded]), CACHED, count, same
            ),
            LOCAL: executing(ours(near), CACHED, count, same),
            REDIS: executing(ours(far), CACHED, count, same),
            MISS: executing(ours(far), CACHED, count, numbers),
            NO_CACHE: executing(one, UNCACHED, count, numbers),
            UNCACHEABLE: executing(ours(far), UNCACHED, count, numbers),
            HINTLESS: executing(ours(far, Plain), UNCACHED, count, numbers),
        }
        measured = await measure(subjects, rounds, calls)
    await stored.aclose()
    return measured


@dataclass(frozen=True, slots=True)
class Target:
    """What a subject may cost at most.

    Attributes:
        subject: The subject.
        peers: How often the time of each other subject it may take.
    """

    subject: str
    peers: Mapping[str, float]

    def ratio(self, measured: Mapping[str, Measured]) -> float:
        """Return which part of that it takes: at most 1 where the target is reached."""
        allowed = sum(times * measured[name].p50 for name, times in self.peers.items())
        return measured[self.subject].p50 / allowed


TARGETS = {
    "a local hit is at most 1.4 of an extension that presets a result": Target(
        LOCAL, {PRESET: 1.4}
    ),
    "the same, of one that decodes it": Target(LOCAL, {DECODED: 1.4}),
    "a hit in Redis is at most that and 1.6 bare GETs": Target(REDIS, {PRESET: 1.4, GET: 1.6}),
    "the same, of one that decodes": Target(REDIS, {DECODED: 1.4, GET: 1.6}),
    "a miss is at most 1.08 of bare and 2.5 bare GETs": Target(MISS, {BARE: 1.08, GET: 2.5}),
    "an operation that cannot be cached is as bare": Target(UNCACHEABLE, {NO_CACHE: 1.0}),
    "a schema without hints is as bare": Target(HINTLESS, {NO_CACHE: 1.0}),
}


def show(found: Mapping[int, Mapping[str, Measured]]) -> None:
    """Print both tables."""
    sizes = list(found)
    print("|", " | ".join(["p50 (CPU) of a call, in µs", *(f"n={n}" for n in sizes)]), "|")
    print("| --- |", " | ".join("---" for _ in sizes), "|")
    for name in found[sizes[0]]:
        cells = (
            f"{found[n][name].p50 * 1e6:.0f} ({found[n][name].least_cpu * 1e6:.0f})" for n in sizes
        )
        print(f"| {name} |", " | ".join(cells), "|")
    print("\n|", " | ".join(["of the target", *(f"n={n}" for n in sizes)]), "|")
    print("| --- |", " | ".join("---" for _ in sizes), "|")
    for name, target in TARGETS.items():
        print(f"| {name} |", " | ".join(f"{target.ratio(found[n]):.2f}" for n in sizes), "|")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.execute", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 20, 500], help="books")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path, help="where the figures are written")
    asked = parser.parse_args()
    # One of the schemas has no hints, and the log says so.
    logging.getLogger("strawberry_response_cache").setLevel(logging.ERROR)
    found: dict[int, dict[str, Measured]] = {}
    with Server() as server:
        for count in asked.sizes:
            calls = 40 if count <= _LARGE else 8
            found[count] = asyncio.run(sized(server, count, asked.rounds, calls))
            server.empty()
    show(found)
    if asked.json is not None:
        figures = {
            "subjects": [
                {"n": n, "subject": name, "p50": each.p50, "cpu": each.least_cpu, **asdict(each)}
                for n, measured in found.items()
                for name, each in measured.items()
            ],
            "targets": [
                {"n": n, "target": name, "ratio": target.ratio(measured)}
                for n, measured in found.items()
                for name, target in TARGETS.items()
            ],
        }
        asked.json.write_text(json.dumps(figures, indent=1), "utf-8")


if __name__ == "__main__":
    main()
