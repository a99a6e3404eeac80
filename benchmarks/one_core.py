"""What hits cost the server, in microseconds of its processor: `uv run python -m benchmarks.one_core`.

The commands are those that the library sends, made beforehand and sent in pipelines, so that the server has always
something to do. What counts is the processor time that the server itself reports, which is steadier than a clock on a
busy machine; hits per second are what one core gives at that price. With `--port`, a server that runs already is
measured, and emptied; `--json FILE` writes the figures.
"""

import argparse
import asyncio
import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import redis

from benchmarks.core.server import Server
from strawberry_response_cache import ResponseCache
from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.protocol import Lookup, Lookups, StoreCall
from strawberry_response_cache.core.protocol.entry import decode
from strawberry_response_cache.core.protocol.lookups import KnownEntry
from strawberry_response_cache.core.redis.wire import Letter

KEYS: Final = 500
PAYLOAD: Final = 1_000
TAGS: Final = 3
BATCHES: Final = (1, 10, 100)
ROUNDS: Final = 40
_TOGETHER: Final = 10
"""Messages in flight at once."""
_CHUNK: Final = 1 << 20


class Load:
    """A connection that sends the same messages again and again.

    Args:
        port: The port of the server.
        messages: The messages.
    """

    def __init__(self, port: int, messages: Sequence[bytes]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.settimeout(5)
        self._sent = [
            b"".join(messages[at : at + _TOGETHER]) for at in range(0, len(messages), _TOGETHER)
        ]
        self._answers = [self._length(each) for each in self._sent]

    def _length(self, sent: bytes) -> int:
        """Return the length of the answer, which a PING ends."""
        end = b"$18\r\nthe end of answers\r\n"
        self._socket.sendall(sent + b"*2\r\n$4\r\nPING\r\n" + end)
        answer = b""
        while not answer.endswith(end):
            answer += self._socket.recv(_CHUNK)
        assert b"EVALSHA" not in sent or b" fresh " in answer, "these are hits"
        return len(answer) - len(end)

    def run(self) -> None:
        """Send all messages and read their answers."""
        for sent, left in zip(self._sent, self._answers, strict=True):
            self._socket.sendall(sent)
            while left > 0:
                left -= len(self._socket.recv(_CHUNK))  # noqa: PLW2901 - what is left of it

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def processor_seconds(client: redis.Redis) -> float:
    """Return how long the server's processes have run."""
    info: Any = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def known(client: redis.Redis, keys: Sequence[EntryKeys]) -> Bounded[str, KnownEntry]:
    """Return the entries, as a process that has read them knows them."""
    entries: Bounded[str, KnownEntry] = Bounded(1 << 30)
    for each in keys:
        stored: Any = client.get(each.entry)
        clock: Any = client.hget(each.tags, "c")
        entry = KnownEntry(entry=decode(stored, pttl_ms=1), good_at=int(clock))
        entries.put(each.entry, entry, size=1)
    return entries


def hits(
    keys: Sequence[EntryKeys],
    run_id: str,
    batch: int,
    confirmed: Bounded[str, KnownEntry] | None = None,
) -> list[bytes]:
    """Return the messages for hits of these keys, so many in each; those that are known are only confirmed."""
    lookups = [Lookup(each, 10_000, confirmed=confirmed) for each in keys]
    return [
        Letter(Lookups(*lookups[at : at + batch]).calls(), run_id).packed
        for at in range(0, len(lookups), batch)
    ]


def gets(keys: Sequence[EntryKeys], batch: int) -> list[bytes]:
    """Return the messages for plain reads of these keys, so many in each."""
    reads: list[StoreCall] = [("GET", (each.entry,), ()) for each in keys]
    return [Letter(reads[at : at + batch], "").packed for at in range(0, len(reads), batch)]


def measure(port: int, client: redis.Redis, keys: Sequence[EntryKeys]) -> dict[str, float]:
    """Return microseconds of the server for each scene; they take turns, and the lowest counts."""
    info: Any = client.info("server")
    loads = {"plain GET": Load(port, gets(keys, 1))}
    for batch in BATCHES:
        loads[f"hits, {batch} in a batch"] = Load(port, hits(keys, info["run_id"], batch))
        confirmed = known(client, keys)
        loads[f"confirmed hits, {batch} in a batch"] = Load(
            port, hits(keys, info["run_id"], batch, confirmed)
        )
    lowest = dict.fromkeys(loads, float("inf"))
    for _ in range(ROUNDS):
        for name, load in loads.items():
            before = processor_seconds(client)
            load.run()
            taken = (processor_seconds(client) - before) / len(keys) * 1e6
            lowest[name] = min(lowest[name], taken)
    for load in loads.values():
        load.close()
    return lowest


async def fill(url: str, tagged: int) -> list[EntryKeys]:
    """Store the entries, each with so many tags; return their keys. Their clock is not that of the tenant any more."""
    async with ResponseCache.from_url(url, prefix="core", telemetry=False) as cache:
        parts = [[str(number)] for number in range(KEYS)]
        for number, key in enumerate(parts):
            tags = [f"tag {number % 7 + tag}" for tag in range(tagged)]
            await cache.remember(key, 600, _payload, tags=tags)
        await cache.invalidate("another tag")
        return [cache._keyspace.keys(key) for key in parts]  # noqa: SLF001 - the commands that it sends


async def _payload() -> str:
    return "x" * (PAYLOAD - 2)


def show(version: str, figures: dict[str, float], tagged: int) -> None:
    """Print a table."""
    plain = figures["plain GET"]
    print(f"{version}, entries of {PAYLOAD} bytes with {tagged} tags\n")
    print(f"{'':<32}{'µs of the server':>18}{'each second':>14}{'GETs':>8}")
    for name, taken in figures.items():
        print(f"{name:<32}{taken:>18.1f}{1e6 / taken:>14,.0f}{taken / plain:>8.1f}")


def run(
    port: int, client: redis.Redis, version: str, *, tagged: int, json_file: Path | None
) -> None:
    """Fill a server, measure it, print and write the figures."""
    client.flushall()
    keys = asyncio.run(fill(f"redis://127.0.0.1:{port}/0", tagged))
    figures = measure(port, client, keys)
    show(version, figures, tagged)
    if json_file is not None:
        named = {"server": version, "payload": PAYLOAD, "tags": tagged, "microseconds": figures}
        json_file.write_text(json.dumps(named, indent=1), "utf-8")


def main() -> None:
    """Measure a server of one's own, or the one that is named."""
    parser = argparse.ArgumentParser(description="What hits cost the server.")
    parser.add_argument("--port", type=int, help="of a server that runs; everything in it is lost")
    parser.add_argument("--tags", type=int, default=TAGS, help="of each entry")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    asked = parser.parse_args()
    if asked.port is None:
        with Server() as server:
            run(
                server.port,
                server.client,
                server.version,
                tagged=asked.tags,
                json_file=asked.json,
            )
        return
    with redis.Redis(port=asked.port) as client:
        info: Any = client.info("server")
        version = f"Redis {info['redis_version']}"
        run(asked.port, client, version, tagged=asked.tags, json_file=asked.json)


if __name__ == "__main__":
    main()
