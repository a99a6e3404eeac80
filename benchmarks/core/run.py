"""All scenes, one after the other, and the table of what they measured."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Sequence

from benchmarks.core import crowds, hits, invalidations, local_memory, misses, processes
from benchmarks.core.machine import description
from benchmarks.core.server import Server
from benchmarks.core.table import Row, render

Scene = Callable[[Server], Sequence[Row]]


def main() -> None:
    """Run the scenes that were asked for and print the table."""
    arguments = _arguments()
    # Asked to end, it stops its server on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rounds = 3 if arguments.quick else 30
    sizes = {10: 5, 10_000: 2} if arguments.quick else {10: 20, 10_000: 5, 1_000_000: 1}
    scenes: dict[str, Scene] = {
        "hits": lambda server: [
            *asyncio.run(hits.asynchronous(server, rounds * 10)),
            *hits.synchronous(server, rounds * 10),
        ],
        "misses": lambda server: [
            *asyncio.run(misses.asynchronous(server, rounds * 5)),
            *misses.synchronous(server, rounds * 5),
        ],
        "crowds": lambda server: [
            *asyncio.run(crowds.asynchronous(server, rounds // 3)),
            *crowds.synchronous(server, rounds // 3),
        ],
        "processes": lambda server: processes.scene(server, max(2, rounds // 6)),
        "local": lambda server: [
            *asyncio.run(local_memory.asynchronous(server, rounds)),
            *local_memory.synchronous(server, rounds),
        ],
        "invalidations": lambda server: asyncio.run(invalidations.scene(server, sizes)),
    }
    rows: list[Row] = []
    with Server() as server:
        for name, scene in scenes.items():
            if name in (arguments.scenes or scenes):
                print(f"{name} ...", file=sys.stderr)
                server.empty()
                started = time.monotonic()
                rows += scene(server)
                print(f"  {time.monotonic() - started:.0f} s", file=sys.stderr)
        print(f"{description(server)}\n\n{render(rows)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.core")
    parser.add_argument("--quick", action="store_true", help="few rounds, and no million entries")
    parser.add_argument(
        "scenes",
        nargs="*",
        metavar="scene",
        help="hits, misses, crowds, processes, local, invalidations; all of them if none is named",
    )
    return parser.parse_args()
