"""An invalidation that a failing server did not confirm is an error, after the invalidation's own deadline."""

import asyncio
from collections.abc import Callable

import pytest

from strawberry_response_cache.core import CacheStatus, CacheStoreError, ResponseCache
from tests.conftest import Eventually
from tests.faults.callers import Callers
from tests.faults.proxy import Proxy
from tests.faults.stopwatch import Stopwatch
from tests.faults.ways import AWAY
from tests.faults.wire import Cut, Delay

INVALIDATIONS = ["invalidate", "forget", "clear"]


@pytest.fixture
async def stocked(direct: ResponseCache, callers: Callers) -> ResponseCache:
    """A cache that is in nobody's way, and holds what the invalidations invalidate."""
    await callers.remember(direct, ["a"], 600, lambda: "old", tags=["t"])
    return direct


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "not connected"])
@pytest.mark.parametrize("way", AWAY)
async def test_an_invalidation_that_was_not_confirmed_is_an_error_within_its_deadline(
    proxy: Proxy,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    stopwatch: Stopwatch,
    way: str,
    connected: bool,
) -> None:
    cache = new_hurried(invalidate_deadline=0.5)
    if connected:
        await callers.warm_up(cache, ["a"], 600, "stored")
    AWAY[way](proxy)

    with stopwatch, pytest.raises(CacheStoreError):
        await callers.invalidate_by(cache, "invalidate")

    assert stopwatch.seconds < 1.5


@pytest.mark.parametrize("what", INVALIDATIONS)
@pytest.mark.parametrize("way", ["silent", "cut off"])
async def test_an_invalidation_of_which_only_the_answer_was_lost_took_effect(
    proxy: Proxy,
    stocked: ResponseCache,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    stopwatch: Stopwatch,
    way: str,
    what: str,
) -> None:
    cache = new_cache(proxy.url, invalidate_deadline=2, connect_deadline=2)
    await callers.invalidate_by(cache, what)  # so that the server knows the script
    await callers.remember(stocked, ["a"], 600, lambda: "old", tags=["t"])
    AWAY[way](proxy)

    with stopwatch, pytest.raises(CacheStoreError):
        await callers.invalidate_by(cache, what)
    assert stopwatch.seconds < 8

    proxy.heal()
    new = await callers.remember(stocked, ["a"], 600, lambda: "new", tags=["t"])
    assert (new.value, new.status) == ("new", CacheStatus.MISS)


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_invalidation_whose_answer_was_cut_off_once_is_repeated(
    proxy: Proxy,
    stocked: ResponseCache,
    unhurried: ResponseCache,
    callers: Callers,
    what: str,
) -> None:
    await callers.warm_up(unhurried, ["warm"], 600, "stored")
    proxy.replies(Cut(once=True))

    await callers.invalidate_by(unhurried, what)

    new = await callers.remember(stocked, ["a"], 600, lambda: "new", tags=["t"])
    assert (new.value, new.status) == ("new", CacheStatus.MISS)


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_invalidation_is_tried_again_until_the_server_answers(
    proxy: Proxy,
    stocked: ResponseCache,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    eventually: Eventually,
    what: str,
) -> None:
    cache = new_hurried(invalidate_deadline=30, connect_deadline=30)
    proxy.hang_up()

    invalidate = asyncio.create_task(callers.invalidate_by(cache, what))
    await eventually(lambda: proxy.accepted >= 3 or invalidate.done())
    assert not invalidate.done(), invalidate.exception()
    proxy.heal()
    await invalidate

    new = await callers.remember(stocked, ["a"], 600, lambda: "new", tags=["t"])
    assert (new.value, new.status) == ("new", CacheStatus.MISS)


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_invalidation_waits_longer_for_its_answer_than_a_read(
    proxy: Proxy,
    stocked: ResponseCache,
    new_hurried: Callable[..., ResponseCache],
    callers: Callers,
    what: str,
) -> None:
    cache = new_hurried(invalidate_deadline=30, connect_deadline=30)
    proxy.replies(Delay(0.5))

    await callers.invalidate_by(cache, what)

    new = await callers.remember(stocked, ["a"], 600, lambda: "new", tags=["t"])
    assert (new.value, new.status) == ("new", CacheStatus.MISS)


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_after_an_invalidation_that_failed_the_next_one_works(
    proxy: Proxy,
    stocked: ResponseCache,
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    what: str,
) -> None:
    cache = new_cache(proxy.url, invalidate_deadline=0.2)
    proxy.hang_up()
    with pytest.raises(CacheStoreError):
        await callers.invalidate_by(cache, what)
    proxy.heal()

    for _ in range(20):
        try:
            await callers.invalidate_by(cache, what)
        except CacheStoreError:
            continue  # 0.2 s can be too short for this machine
        break

    new = await callers.remember(stocked, ["a"], 600, lambda: "new", tags=["t"])
    assert (new.value, new.status) == ("new", CacheStatus.MISS)
