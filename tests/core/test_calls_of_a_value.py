"""How many functions of this package a call runs: a cost that does not depend on how busy the machine is.

The bounds are a little above what was counted. A value that needs more is slower than before.
"""

from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import CacheStatus, ResponseCache
from tests.counted_calls import counted


def rows(number: int) -> list[dict[str, Any]]:
    return [{"id": each, "name": "rent", "paid": [1.5, None, True]} for each in range(number)]


async def remember(cache: ResponseCache, key: str, value: object, *, is_sync: bool) -> CacheStatus:
    async def generate() -> object:
        return value

    if is_sync:
        return cache.remember_sync([key], 60, lambda: value).status
    return (await cache.remember([key], 60, generate)).status


@pytest.mark.parametrize("is_sync", [False, True])
async def test_a_miss_calls_few_functions(
    new_cache: Callable[..., ResponseCache], *, is_sync: bool
) -> None:
    cache = new_cache("memory://")
    await remember(cache, "before", rows(1), is_sync=is_sync)

    with counted() as calls:
        status = await remember(cache, "key", rows(1), is_sync=is_sync)

    assert status is CacheStatus.MISS
    assert calls.total() <= 240, calls.most_common()
    assert calls["measured"] == 1, "a value is walked once"


async def test_no_function_is_called_for_each_item_of_a_value(memory_cache: ResponseCache) -> None:
    await remember(memory_cache, "before", rows(1), is_sync=False)

    with counted() as small:
        await remember(memory_cache, "small", rows(1), is_sync=False)
    with counted() as large:
        await remember(memory_cache, "large", rows(1000), is_sync=False)

    assert large == small
