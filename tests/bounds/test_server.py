"""What a cache stores in the server is bounded in number and in size, and expires."""

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of

MANY_TAGS = 100_000
KEYS = 1_000


def scripts(raw: Any) -> int:
    """Count the scripts that the server keeps."""
    return int(raw.info("memory")["number_of_cached_scripts"])


async def test_the_number_of_scripts_in_the_server_does_not_grow(
    valkey_cache: ResponseCache, raw_valkey: Any
) -> None:
    """A script with a key, a tag or a number written into it would be another one each time."""

    def fail() -> str:
        raise LookupError

    async def use(number: int) -> None:
        async def generate() -> str:
            return "value"

        tenant = valkey_cache.for_tenant(number)
        tags = [f"{number}:{tag}" for tag in range(number % 7)]
        for _ in range(2):
            await tenant.remember([str(number)], number + 1, generate, stale=number, tags=tags)
        tenant.remember_sync([str(number), "sync"], 60, lambda: "value", tags=tags)
        with pytest.raises(LookupError):
            tenant.remember_sync([str(number), "fails"], 60, fail)
        await tenant.invalidate(*tags, "t")
        await tenant.forget([str(number)])
        await tenant.clear()

    raw_valkey.script_flush()
    await use(0)
    after_one = scripts(raw_valkey)
    for start in range(1, 60, 20):
        await asyncio.gather(*(use(number) for number in range(start, start + 20)))

    assert 0 < after_one <= 10
    assert scripts(raw_valkey) == after_one


async def test_the_tags_of_a_tenant_have_a_bound(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any, face: Any
) -> None:
    cache = new_cache(valkey_url, max_tags=1_000)
    (table,) = tenant_of(cache).keyspace.tag_tables
    await face.remember(cache, ["a"], 600, lambda: "old", tags=["t"])
    fields, size = [], []

    for start in range(0, MANY_TAGS, 500):
        await face.invalidate(cache, *(f"Book:{number}" for number in range(start, start + 500)))
        await face.remember(cache, ["b"], 600, lambda: "other", tags=["t"])
        fields.append(raw_valkey.hlen(table))
        size.append(raw_valkey.memory_usage(table) or 0)

    assert max(fields) <= 1_000 + 8, "the tags, and what else the table holds"
    assert max(size) < 1_000 * 200
    assert raw_valkey.pttl(table) > 0
    assert (await face.remember(cache, ["a"], 600, lambda: "new", tags=["t"])).value == "new"
    assert (await face.remember(cache, ["a"], 600, lambda: "no")).status is CacheStatus.HIT


async def test_values_over_the_limit_leave_nothing_in_the_server(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url, max_entry_bytes=1_000)

    async def generate() -> str:
        return "x" * 1_000

    for start in range(0, KEYS, 500):
        responses = await asyncio.gather(
            *(cache.remember([str(number)], 600, generate) for number in range(start, start + 500))
        )
        assert {response.detail for response in responses} == {CacheDetail.TOO_LARGE}

    assert set(raw_valkey.scan_iter()) <= {
        table.encode() for table in tenant_of(cache).keyspace.tag_tables
    }


@pytest.mark.parametrize("ttl", [1, 3600])
async def test_an_entry_is_not_much_larger_than_its_value(
    valkey_cache: ResponseCache, raw_valkey: Any, face: Any, ttl: int
) -> None:
    await face.remember(valkey_cache, ["a"], ttl, lambda: "x" * 10_000, tags=["t"], stale=ttl)

    assert raw_valkey.strlen(tenant_of(valkey_cache).keys(["a"]).entry) < 10_000 + 300


async def test_a_cache_has_only_entries_and_one_tag_table_in_redis_and_all_expire(
    valkey_cache: ResponseCache, raw_valkey: Any
) -> None:
    async def generate() -> str:
        return "value"

    async def use(number: int) -> None:
        for _ in range(2):
            await valkey_cache.remember([str(number)], 600, generate, tags=[f"Book:{number}"])
        await valkey_cache.invalidate(f"Book:{number // 2}")
        await valkey_cache.remember([str(number // 2)], 600, generate, tags=["t"])

    for start in range(0, KEYS // 4, 50):
        await asyncio.gather(*(use(number) for number in range(start, start + 50)))

    keys = [key.decode() for key in raw_valkey.scan_iter()]
    (table,) = tenant_of(valkey_cache).keyspace.tag_tables
    entries = {tenant_of(valkey_cache).keys([str(number)]).entry for number in range(KEYS // 4)}
    assert set(keys) <= entries | {table}
    lives = raw_valkey.pipeline(transaction=False)
    for key in keys:
        lives.pttl(key)
    assert all(life > 0 for life in lives.execute())


async def test_async_calls_open_no_more_connections_than_max_connections(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url, max_connections=4)
    before = len(raw_valkey.client_list())

    async def generate() -> str:
        await asyncio.sleep(0)
        return "value"

    numbers = itertools.count()
    for _ in range(4):
        await asyncio.gather(
            *(cache.remember([str(next(numbers))], 600, generate) for _ in range(500))
        )

    # One more listens for what other processes tell.
    assert len(raw_valkey.client_list()) - before <= 4 + 1


async def test_later_calls_use_the_connections_that_are_open(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url, max_connections=4)
    before = raw_valkey.info("stats")["total_connections_received"]

    async def generate() -> str:
        return "value"

    for _ in range(30):
        reads = [cache.remember([str(number)], 600, generate, tags=["t"]) for number in range(50)]
        invalidates = [cache.invalidate("t") for _ in range(10)]
        await asyncio.gather(*reads, *invalidates)

    received = raw_valkey.info("stats")["total_connections_received"] - before
    assert received <= 4 + 2 + 1, "for reads, for invalidations, and for what other processes tell"


def test_threads_open_no_more_connections_than_max_connections(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url, max_connections=4)
    before = raw_valkey.info("stats")["total_connections_received"]

    def call(number: int) -> str:
        return cache.remember_sync([str(number % 40)], 600, lambda: "value").value

    with ThreadPoolExecutor(64) as threads:
        assert set(threads.map(call, range(4000))) == {"value"}

    received = raw_valkey.info("stats")["total_connections_received"] - before
    assert received <= 4 + 1, "one more hears what other processes tell"
