"""Whatever byte of an answer is flipped: no exception, no wrong value, no connection out of step.

What the bytes of an entry come to when one is flipped is told in ``tests/core/test_entries.py``.
"""

from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import CacheStatus, CacheStoreError, ResponseCache
from tests.conftest import Eventually
from tests.faults.callers import Callers, giving
from tests.faults.proxy import Proxy
from tests.faults.wire import Corrupt

MASKS = [0x01, 0x02]
"""Digits become other digits, so that lengths are wrong; types become other types."""


@pytest.fixture
def cache(new_hurried: Callable[..., ResponseCache]) -> ResponseCache:
    """A cache that waits little for what a wrong length promises, and never stops trying."""
    return new_hurried(read_deadline=0.1, breaker_failures=10_000, confirmed_bytes=0)


@pytest.mark.parametrize("mask", MASKS)
async def test_a_hit_with_a_flipped_byte_and_the_calls_after_it_return_right_values(
    proxy: Proxy,
    direct: ResponseCache,
    cache: ResponseCache,
    callers: Callers,
    mask: int,
) -> None:
    """What is left of a corrupted answer must not be taken for the beginning of the next one."""
    for key in ("a", "b"):
        await callers.remember(direct, [key], 600, giving(f"of {key}"), tags=["t"])
    await callers.warm_up(cache, ["a"], 600, "of a")
    before = proxy.answered
    await callers.warm_up(cache, ["a"], 600, "of a")
    length = proxy.answered - before
    assert 150 < length < 1000

    wrong, out_of_step = [], []
    for offset in range(length):
        proxy.replies(Corrupt(offset, mask, once=True))
        # A noisy machine may miss some deadlines; a cache that is out of step is so from then on.
        for key in ("a", "b", "a", "b", "a", "b"):
            response = await callers.remember(cache, [key], 600, lambda: "generated")
            if response.value not in {f"of {key}", "generated"}:
                wrong.append((offset, key, response.value))
            if key == "b" and response.status is CacheStatus.HIT:
                break
        else:
            out_of_step.append(offset)

    assert (wrong, out_of_step) == ([], [])


@pytest.mark.parametrize("mask", MASKS)
async def test_a_miss_with_a_flipped_byte_returns_what_was_generated_and_leaves_no_lease(
    proxy: Proxy,
    direct: ResponseCache,
    cache: ResponseCache,
    callers: Callers,
    raw_valkey: Any,
    eventually: Eventually,
    mask: int,
) -> None:
    """A byte of the lookup's answer, or of the commit's answer."""
    await callers.warm_up(cache, ["warm"], 600, "stored")

    for offset in range(110):
        key = f"offset {offset}"
        proxy.replies(Corrupt(offset, mask))
        response = await callers.remember(cache, [key], 600, giving(key))
        assert response.value == key
        proxy.heal()
        await callers.settled(cache)
    await eventually(lambda: not list(raw_valkey.scan_iter("*:l:*")))

    for offset in range(110):
        key = f"offset {offset}"
        response = await callers.remember(direct, [key], 600, giving(key))
        assert response.value == key


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("what", ["invalidate", "forget", "clear"])
async def test_an_invalidation_with_a_flipped_byte_in_its_answer_takes_effect_or_raises(
    proxy: Proxy,
    direct: ResponseCache,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    mask: int,
    what: str,
) -> None:
    cache = new_hurried(read_deadline=0.1, invalidate_deadline=0.1, breaker_failures=10_000)
    for offset in range(6):
        await callers.remember(direct, ["a"], 600, giving(offset), tags=["t"])
        await callers.warm_up(cache, ["warm"], 600, "stored")
        proxy.replies(Corrupt(offset, mask, once=True))
        try:
            await callers.invalidate_by(cache, what)
        except CacheStoreError:
            proxy.heal()
            await callers.invalidate_by(direct, what)
        else:
            proxy.heal()

        response = await callers.remember(direct, ["a"], 600, lambda: "new", tags=["t"])
        assert response.value == "new"
        await callers.invalidate_by(direct, what)
