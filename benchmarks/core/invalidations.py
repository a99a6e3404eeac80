"""Invalidation by tag, with ten, ten thousand and a million entries that carry the tag.

The first entry is written through the library, tag included. The others are clones of it: the same bytes
under the keys that the library would use for them, written by a script, since a million calls would take
minutes. Before each invalidation some are read through the library and have to be hits, and after it misses.
Entries are small, for a million of 16 kB would be 16 GB. aiocache and dogpile.cache have no tags.
"""

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from cashews import Cache as Cashews

from benchmarks.core.rounds import LONG, within_budget
from benchmarks.core.server import Server
from benchmarks.core.table import Row
from benchmarks.core.work import PATIENCE, TTL, Work
from strawberry_response_cache import ResponseCache

TAG = "ledger"
BATCH = 5_000

CLONE = """
for i = 1, #KEYS do redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[2]) end
"""
TAGGED_CLONE = """
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[2])
  redis.call('SADD', KEYS[1], KEYS[i])
end
"""


class Tagged(Protocol):
    """A cache with tags."""

    work: Work

    async def get(self, number: int) -> object:
        """Return an entry that carries the tag."""
        ...

    def clone(self, count: int) -> None:
        """Clone the entry of number 0 until there are so many."""
        ...

    async def invalidate(self, tag: str) -> None:
        """Invalidate what carries the tag."""
        ...

    async def aclose(self) -> None:
        """Disconnect."""
        ...


class OursTagged:
    """`ResponseCache.invalidate`."""

    def __init__(self, server: Server) -> None:
        self.work = Work(["small"])
        self._server = server
        self._cache = ResponseCache.from_url(server.url, prefix="benchmark", read_deadline=PATIENCE)

    async def get(self, number: int) -> object:
        """Remember an entry."""
        parts = [str(number)]
        return await self._cache.remember(parts, TTL, self.work.generate, tags=[TAG])

    def clone(self, count: int) -> None:
        """Clone the entry of number 0; its bytes say nothing of its key."""
        entry = self._server.stored(self._key(0))
        for keys in _batches(self._key(number) for number in range(1, count)):
            self._server.client.eval(CLONE, len(keys), *keys, entry, TTL * 1000)

    def _key(self, number: int) -> str:
        return self._cache._keyspace.keys([str(number)]).entry  # noqa: SLF001 - to write as it does

    async def invalidate(self, tag: str) -> None:
        """Invalidate a tag."""
        await self._cache.invalidate(tag)

    async def aclose(self) -> None:
        """Disconnect."""
        await self._cache.aclose()


class CashewsTagged:
    """``Cache.delete_tags``."""

    def __init__(self, server: Server) -> None:
        self.work = work = Work(["small"])
        self._server = server
        self._cache = Cashews()
        self._cache.setup(server.url, socket_timeout=PATIENCE)

        async def generate(number: int) -> object:  # noqa: ARG001 - it is in the key
            return await work.generate()

        self._decorated = self._cache(ttl=TTL, key="entry:{number}", tags=[TAG])(generate)

    async def get(self, number: int) -> object:
        """Call the decorated function."""
        return await self._decorated(number)

    def clone(self, count: int) -> None:
        """Clone the entry of number 0, and name each clone in the set of the tag."""
        entry = self._server.stored("entry:0")
        for keys in _batches(f"entry:{number}" for number in range(1, count)):
            self._server.client.eval(
                TAGGED_CLONE, len(keys) + 1, f"_tag:{TAG}", *keys, entry, TTL * 1000
            )

    async def invalidate(self, tag: str) -> None:
        """Delete what carries a tag."""
        await self._cache.delete_tags(tag)

    async def aclose(self) -> None:
        """Disconnect."""
        await self._cache.close()


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    stream = iter(keys)
    while batch := list(itertools.islice(stream, BATCH)):
        yield batch


async def scene(server: Server, sizes: Mapping[int, int]) -> list[Row]:
    """Measure invalidates, with up to so many rounds for each size; each round fills anew."""
    rows = []
    candidates: dict[str, Tagged] = {"ours": OursTagged(server), "cashews": CashewsTagged(server)}
    for size, rounds in sizes.items():
        samples: dict[str, list[float]] = {name: [] for name in candidates}
        for _ in within_budget(rounds):
            for name, candidate in candidates.items():
                if not samples[name] or samples[name][-1] < LONG:
                    samples[name].append(await _invalidate(server, candidate, size))
        what = f"invalidate a tag of {size:,} entries"
        rows += [Row(what, name, seconds) for name, seconds in samples.items()]
    for candidate in candidates.values():
        await candidate.aclose()
    return rows


async def _invalidate(server: Server, candidate: Tagged, size: int) -> float:
    server.empty()
    await candidate.get(0)
    candidate.clone(size)
    await candidate.invalidate(
        "another tag"
    )  # so that connecting and loading scripts is not measured
    assert await _runs(candidate, size) == 0, "an entry was not there before the invalidation"
    started = time.perf_counter()
    await candidate.invalidate(TAG)
    seconds = time.perf_counter() - started
    assert await _runs(candidate, size) == len(_sample(size)), "an entry outlived the invalidation"
    return seconds


async def _runs(candidate: Tagged, size: int) -> int:
    """Read some entries and return how many of them were generated."""
    before = candidate.work.runs
    for number in _sample(size):
        await candidate.get(number)
    return candidate.work.runs - before


def _sample(size: int) -> range:
    """Ten numbers from first to last."""
    return range(0, size, size // 10)
