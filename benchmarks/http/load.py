"""Load from the second core: wrk where it is installed, otherwise a generator in Python."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.http.servers import PEERS, body, pinned


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured.

    Attributes:
        per_second: Requests per second.
        p50_ms: The median latency, in milliseconds.
        p99_ms: The 99th percentile, in milliseconds.
        refused: Responses with another status than 200.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int


def loaded(
    port: int, path: str, *, n: int, keys: int, connections: int, seconds: float
) -> Measured:
    """Ask for n books, with some keys in turn.

    Args:
        port: Where the server listens.
        path: On which path.
        n: Books for each response.
        keys: Different requests.
        connections: Connections, each with one request at a time.
        seconds: For how long.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        numbers = [str(each) for each in (port, n, keys, connections, seconds)]
        command = [sys.executable, "-m", "benchmarks.http.load", path, *numbers]
        out = subprocess.run(pinned(1, command), check=True, capture_output=True, text=True).stdout
        per_second, p50, p99, refused = (float(each) for each in out.split())
        return Measured(per_second=per_second, p50_ms=p50, p99_ms=p99, refused=int(refused))
    script, url = str(PEERS / "load.lua"), f"http://127.0.0.1:{port}{path}"
    times = f"{max(1, round(seconds))}s"
    command = [wrk, "-t1", f"-c{connections}", f"-d{times}", "--latency", "-s", script, url]
    environment = {**os.environ, "N": str(n), "KEYS": str(keys)}
    out = subprocess.run(
        pinned(1, command), check=True, capture_output=True, text=True, env=environment
    ).stdout
    others = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return Measured(
        per_second=float(_found(r"Requests/sec: +([\d.]+)", out)),
        p50_ms=_milliseconds(_found(r"\n +50% +(\S+)", out)),
        p99_ms=_milliseconds(_found(r"\n +99% +(\S+)", out)),
        refused=int(others[1]) if others else 0,
    )


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        msg = "wrk printed something unexpected"
        raise RuntimeError(msg)
    return found[1]


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr] # wrk's
    return float(number) * {"us": 0.001, "ms": 1, "s": 1_000, "m": 60_000}[unit]


async def _generate(
    path: str, port: int, *, n: int, keys: int, connections: int, seconds: float
) -> str:
    requests = []
    for key in range(keys):
        sent = body(n, key + 1)
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        requests.append(f"{head}content-length: {len(sent)}\r\n\r\n".encode() + sent)
    times: list[float] = []
    refused = 0
    until = time.perf_counter() + seconds

    async def ask(first: int) -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        number = first
        while time.perf_counter() < until:
            begun = time.perf_counter()
            writer.write(requests[number % keys])
            number += connections
            head = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"(?i)content-length: *(\d+)", head)
            if found is None:
                msg = "the generator reads responses with a length only; install wrk"
                raise RuntimeError(msg)
            await reader.readexactly(int(found[1]))
            refused += b" 200 " not in head[:16]
            times.append(time.perf_counter() - begun)
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(ask(each) for each in range(connections)))
    passed = time.perf_counter() - begun
    times.sort()
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    return f"{len(times) / passed} {p50 * 1000} {p99 * 1000} {refused}"


if __name__ == "__main__":
    _path, _port, _n, _keys, _connections, _seconds = sys.argv[1:]
    print(
        asyncio.run(
            _generate(
                _path,
                int(_port),
                n=int(_n),
                keys=int(_keys),
                connections=int(_connections),
                seconds=float(_seconds),
            )
        )
    )
