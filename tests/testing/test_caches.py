"""Empty caches for tests, and all tenants of a cache cleared at once."""

from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheSettings,
    CacheStatus,
    CacheStoreError,
    RedisHandle,
    ResponseCache,
)
from strawberry_response_cache.testing import (
    clear_all_tenants,
    clear_all_tenants_sync,
    memory_cache,
)
from tests.conftest import UNHURRIED, Face, settings_of
from tests.core.test_memory import local

NewCache = Callable[..., ResponseCache]


async def clear(face: Face, cache: ResponseCache) -> None:
    if face.synchronous:
        clear_all_tenants_sync(cache)
    else:
        await clear_all_tenants(cache)


async def status_of(face: Face, cache: ResponseCache) -> CacheStatus:
    return (await face.remember(cache, ["a"], 60, lambda: 1)).status


@pytest.mark.parametrize("slots", [1, 3])
async def test_all_tenants_of_a_prefix_are_cleared_and_no_other_prefix(
    url: str, face: Face, slots: int
) -> None:
    handle = RedisHandle.from_url(url)
    settings = CacheSettings(**UNHURRIED, slots_per_tenant=slots)
    prefixes = ("test", "test2", "test:1", "te")
    cache, *beside = (ResponseCache(handle, prefix=each, settings=settings) for each in prefixes)
    ours = [cache, cache.for_tenant("acme"), cache.for_tenant(1).for_tenant("inner")]
    others = [tenant for each in beside for tenant in (each, each.for_tenant("acme"))]
    for each in [*ours, *others]:
        assert await status_of(face, each) is CacheStatus.MISS
    await clear(face, cache.for_tenant("acme"))  # a tenant stands for its cache
    for each in ours:
        assert await status_of(face, each) is CacheStatus.MISS
    for each in others:
        assert await status_of(face, each) is CacheStatus.HIT
    for each in (cache, *beside):
        await each.aclose()


async def test_more_tenants_than_one_page_of_keys_are_cleared(
    valkey_cache: ResponseCache, raw_valkey: Any
) -> None:
    for number in range(600):
        valkey_cache.for_tenant(number).remember_sync(["a"], 60, lambda: 1)
    assert raw_valkey.dbsize() >= 1200
    clear_all_tenants_sync(valkey_cache)
    for number in range(600):
        answer = valkey_cache.for_tenant(number).remember_sync(["a"], 60, lambda: 2)
        assert answer.value == 2


@pytest.mark.parametrize("has_forgotten", [False, True])
async def test_local_memory_is_emptied_also_where_redis_has_nothing_of_the_tenant(
    valkey_url: str, new_cache: NewCache, raw_valkey: Any, face: Face, has_forgotten: bool
) -> None:
    cache = new_cache(valkey_url, local_bytes=1_000_000)
    tenant = cache.for_tenant("acme")
    await local(tenant, face, ["a"])
    if has_forgotten:
        raw_valkey.delete(*raw_valkey.keys("{test:*"))
    await clear(face, cache)
    assert await status_of(face, tenant) is CacheStatus.MISS


async def test_clearing_all_tenants_raises_if_the_server_does_not_answer(
    new_cache: NewCache, unused_port: int, face: Face
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}", invalidate_deadline=1)
    with pytest.raises(CacheStoreError):
        await clear(face, cache)


async def test_a_cluster_is_cleared_by_the_sync_form_only(
    new_cache: NewCache, unused_port: int
) -> None:
    cache = new_cache(f"redis+cluster://127.0.0.1:{unused_port}", invalidate_deadline=1)
    with pytest.raises(CacheConfigurationError, match="by the sync form only"):
        await clear_all_tenants(cache)
    with pytest.raises(CacheStoreError):
        clear_all_tenants_sync(cache)


def test_each_memory_cache_begins_empty_and_without_early_refresh() -> None:
    with memory_cache() as one, memory_cache() as other:
        assert one.remember_sync(["a"], 60, lambda: 1).status is CacheStatus.MISS
        assert other.remember_sync(["a"], 60, lambda: 1).status is CacheStatus.MISS
        assert settings_of(one).early_refresh == 0
    with memory_cache("shop", early_refresh=2, stale=5) as chosen:
        assert repr(chosen).startswith("<ResponseCache 'shop'")
        assert (settings_of(chosen).early_refresh, settings_of(chosen).stale) == (2, 5)
