"""What the cache takes in the server and in the process: `uv run python -m benchmarks.memory`.

Sizes in the server are its own (``MEMORY USAGE``), each key's share of its tables included. Local memory counts bytes of
its own, and Python's (``tracemalloc``) are told beside them. The growth is that of one process over many distinct
requests: the same operation with other variables, and the same text with another alias. `--json FILE` writes the figures.
"""

import argparse
import asyncio
import gc
import json
import logging
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import redis
import strawberry

from benchmarks.core.server import Server
from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.core._cache import tenant_of

if TYPE_CHECKING:
    from collections.abc import Callable

PAYLOAD: Final = 1000
MANY: Final = 10_000
STEP: Final = 1000
REQUESTS: Final = 100_000
LOCAL_BYTES: Final = 8 << 20
"""The bound of local memory, less than what the requests would take."""


@strawberry.type
class Query:
    """One field that may be cached."""

    @cache_control(ttl=600)
    @strawberry.field
    def page(self, number: int) -> str:
        """Return a text."""
        return f"{number:{PAYLOAD}d}"


def in_the_server(server: Server) -> dict[str, float]:
    """Return bytes of the keys of the server, for each kind."""
    raw, figures = server.client, dict[str, float]()

    def size(key: str) -> int:
        return int(raw.memory_usage(key, samples=0) or 0)

    with ResponseCache.from_url(server.url, prefix="sizes", telemetry=False) as cache:
        for tags in (0, 10):
            parts, names = [f"with {tags}"], [f"tag {number}" for number in range(tags)]
            cache.remember_sync(parts, 600, lambda: "x" * (PAYLOAD - 2), tags=names)
            taken = size(cache._keyspace.keys(parts).entry) - PAYLOAD  # noqa: SLF001 - whose key is asked for
            figures[f"server: an entry with {tags} tags, beside its payload"] = taken
        before = used(raw)
        for number in range(MANY):
            cache.remember_sync([str(number)], 600, lambda: "x" * (PAYLOAD - 2))
        each = (used(raw) - before) / MANY - PAYLOAD
        figures["server: an entry without tags, its share of all tables included"] = each
        (table,) = cache._keyspace.tag_tables  # noqa: SLF001 - as above
        figures["server: a tenant's tag table"] = size(table)
        for begin in range(0, MANY, STEP):
            cache.invalidate_sync(*(f"tag {number}" for number in range(begin, begin + STEP)))
        figures["server: each invalidated tag in it"] = size(table) / MANY
    return figures


def used(raw: redis.Redis) -> int:
    """Return the bytes that the server uses."""
    info: Any = raw.info("memory")
    return int(info["used_memory"])


async def in_local_memory(server: Server) -> dict[str, float]:
    """Return bytes of local memory for each entry: counted by it, and taken from Python."""
    async with ResponseCache.from_url(
        server.url, prefix="local", telemetry=False, local_bytes=1 << 30
    ) as cache:

        async def payload() -> str:
            return "x" * (PAYLOAD - 2)

        await cache.remember(["warm"], 600, payload)
        memory: Any = tenant_of(cache).engine.async_driver().memory
        while not memory._is_trusted():  # noqa: SLF001, ASYNC110 - nothing tells it
            await asyncio.sleep(0.01)
        gc.collect()
        before, counted, number = tracemalloc.get_traced_memory()[0], memory.size, len(memory)
        for at in range(MANY):
            await cache.remember([str(at)], 600, payload, tags=["Page", f"Page:{at}"])
        gc.collect()
        kept = len(memory) - number
        taken = (tracemalloc.get_traced_memory()[0] - before) / kept - PAYLOAD
        return {
            "local memory: an entry with 2 tags, as it counts, beside its payload": (
                memory.size - counted
            )
            / kept
            - PAYLOAD,
            "local memory: the same, as Python counts": taken,
        }


async def growth(server: Server, requests: int) -> dict[str, float]:
    """Return by how many bytes a process grew over distinct requests, for each kind of them."""
    figures: dict[str, float] = {}
    async with ResponseCache.from_url(
        server.url, prefix="growth", telemetry=False, local_bytes=LOCAL_BYTES
    ) as cache:
        schema = strawberry.Schema(
            Query, extensions=[ResponseCacheExtension(cache, tenant=None, store_after=2)]
        )
        kinds: dict[str, Callable[[int], tuple[str, dict[str, Any] | None]]] = {
            "other variables": lambda at: ("query ($n: Int!) { page(number: $n) }", {"n": at}),
            "another alias": lambda at: (f"{{ a{at}: page(number: 1) }}", None),
        }
        for kind, ask in kinds.items():
            halves: list[int] = []
            for half in range(2):
                for at in range(half * requests // 2, (half + 1) * requests // 2):
                    query, variables = ask(at)
                    await schema.execute(query, variable_values=variables)
                gc.collect()
                halves.append(tracemalloc.get_traced_memory()[0])
            figures[f"process: all that Python holds after {requests // 2} requests, {kind}"] = (
                halves[0]
            )
            figures[f"process: growth over the next {requests // 2}, {kind}"] = (
                halves[1] - halves[0]
            )
    return figures


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks.memory", description="What the cache takes.")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="distinct requests")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    asked = parser.parse_args()
    logging.getLogger("strawberry_response_cache").setLevel(logging.ERROR)
    with Server() as server:
        figures = in_the_server(server)
        server.empty()
        tracemalloc.start()
        figures |= asyncio.run(in_local_memory(server))
        server.empty()
        figures |= asyncio.run(growth(server, asked.requests))
    print("| what | bytes |\n| --- | --- |")
    for what, size in figures.items():
        print(f"| {what} | {size:,.0f} |")
    if asked.json is not None:
        asked.json.write_text(json.dumps({"bytes": figures}, indent=1), "utf-8")


if __name__ == "__main__":
    main()
