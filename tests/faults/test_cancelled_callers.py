"""Callers who are cancelled in the middle of a command: the command ends, and its connection stays open."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from tests.conftest import Eventually, driver_of
from tests.faults.callers import until_idle
from tests.faults.proxy import Proxy
from tests.faults.wire import Hold, Lose

CANCELLATIONS = 25


async def value() -> str:
    return "value"


async def cancelled(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks that are still running, and wait until they are gone."""
    for task in tasks:
        assert not task.done(), task
        task.cancel()
    done, _ = await asyncio.wait(tasks, timeout=30)
    assert [task for task in tasks if task in done and task.cancelled()] == [*tasks]


def has_sent_more(proxy: Proxy, bytes_before: int) -> bool:
    return proxy.received > bytes_before


@pytest.fixture
async def warm(unhurried: ResponseCache) -> AsyncIterator[ResponseCache]:
    """A cache that has its connection."""
    await unhurried.remember(["warm"], 600, value)
    yield unhurried
    assert (await unhurried.remember(["warm"], 600, value)).status is CacheStatus.HIT
    assert len(driver_of(unhurried).flights) == 0


async def test_callers_cancelled_one_after_the_other_cause_one_new_connection_at_most(
    proxy: Proxy, warm: ResponseCache, raw_valkey: Any, eventually: Eventually
) -> None:
    accepted = proxy.accepted

    for number in range(CANCELLATIONS):
        sent = proxy.received
        proxy.replies(Hold())
        caller = asyncio.create_task(warm.remember([str(number)], 600, value))
        await eventually(functools.partial(has_sent_more, proxy, sent))
        await cancelled(caller)
        proxy.heal()
        await until_idle(warm)

    assert proxy.accepted - accepted <= 1
    assert not list(raw_valkey.scan_iter("*:l:*"))


async def test_callers_cancelled_all_at_once_cause_one_new_connection_at_most(
    proxy: Proxy, warm: ResponseCache, raw_valkey: Any, eventually: Eventually
) -> None:
    accepted, sent = proxy.accepted, proxy.seen["EVALSHA"]
    proxy.replies(Hold())
    callers = [
        asyncio.create_task(warm.remember([str(number)], 600, value))
        for number in range(CANCELLATIONS)
    ]
    await eventually(lambda: proxy.seen["EVALSHA"] == sent + 1)  # one for all
    await cancelled(*callers)
    proxy.heal()
    await until_idle(warm)

    assert proxy.accepted - accepted <= 1
    assert not list(raw_valkey.scan_iter("*:l:*"))


async def test_commits_of_callers_cancelled_meanwhile_are_stored(
    proxy: Proxy, warm: ResponseCache, raw_valkey: Any, eventually: Eventually
) -> None:
    accepted, sent = proxy.accepted, proxy.seen["EVALSHA"]
    entered, go = asyncio.Semaphore(0), asyncio.Event()

    async def generate() -> str:
        entered.release()
        await go.wait()
        return "value"

    callers = [
        asyncio.create_task(warm.remember([str(number)], 600, generate))
        for number in range(CANCELLATIONS)
    ]
    for _ in callers:
        await entered.acquire()
    proxy.replies(Hold())
    go.set()
    await eventually(lambda: proxy.seen["EVALSHA"] == sent + 1 + CANCELLATIONS)
    await cancelled(*callers)
    proxy.heal()
    await until_idle(warm)

    assert proxy.accepted - accepted <= 1
    assert not list(raw_valkey.scan_iter("*:l:*"))
    for number in range(CANCELLATIONS):
        hit = await warm.remember([str(number)], 600, value)
        assert hit.status is CacheStatus.HIT


async def test_callers_cancelled_while_they_generate_release_their_leases(
    proxy: Proxy, warm: ResponseCache, raw_valkey: Any
) -> None:
    accepted = proxy.accepted
    entered = asyncio.Semaphore(0)

    async def stuck() -> str:
        entered.release()
        await asyncio.Event().wait()
        return "never"

    callers = [
        asyncio.create_task(warm.remember([str(number)], 600, stuck))
        for number in range(CANCELLATIONS)
    ]
    for _ in callers:
        await entered.acquire()
    assert len(list(raw_valkey.scan_iter("*:l:*"))) == CANCELLATIONS
    await cancelled(*callers)
    await until_idle(warm)

    assert proxy.accepted - accepted <= 1
    assert not list(raw_valkey.scan_iter("*:l:*"))


async def test_callers_cancelled_at_any_time_of_a_lookup_leave_no_lease(
    proxy: Proxy, warm: ResponseCache, raw_valkey: Any, eventually: Eventually
) -> None:
    """Before the lookup was written, while it is on its way, while its answer comes in."""
    accepted = proxy.accepted

    for steps in range(CANCELLATIONS):
        caller = asyncio.create_task(warm.remember([f"after {steps}"], 600, value))
        for _ in range(steps):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        await until_idle(warm)

    assert proxy.accepted - accepted <= 1
    assert not list(raw_valkey.scan_iter("*:l:*"))


@pytest.mark.parametrize("what", ["invalidate", "forget", "clear"])
async def test_an_invalidation_whose_caller_was_cancelled_takes_effect(
    proxy: Proxy, warm: ResponseCache, direct: ResponseCache, eventually: Eventually, what: str
) -> None:
    accepted = proxy.accepted
    for number in range(5):
        await direct.remember(["a"], 600, value, tags=["t"])
        received = proxy.received
        proxy.replies(Hold())
        invalidate: Any = {
            "invalidate": lambda: warm.invalidate("t"),
            "forget": lambda: warm.forget(["a"]),
            "clear": lambda: warm.clear(),  # noqa: PLW0108 - as the others
        }[what]()
        caller = asyncio.create_task(invalidate)
        await eventually(functools.partial(has_sent_more, proxy, received))
        await cancelled(caller)
        proxy.heal()
        await until_idle(warm)

        again = await direct.remember(["a"], 600, value, tags=["t"])
        assert (number, again.detail) == (number, CacheDetail.GENERATED)

    assert proxy.accepted - accepted <= 1
    await warm.remember(["warm"], 600, value)


async def test_a_lease_is_released_although_its_caller_was_cancelled_and_the_grant_was_lost(
    proxy: Proxy,
    new_cache: Callable[..., ResponseCache],
    raw_valkey: Any,
    eventually: Eventually,
) -> None:
    cache = new_cache(proxy.url, read_deadline=2, lease=3600, wait_budget=3600)
    await cache.remember(["warm"], 600, value)
    sent = proxy.seen["EVALSHA"]
    proxy.replies(Lose())
    caller = asyncio.create_task(cache.remember(["a"], 600, value))
    await eventually(lambda: proxy.seen["EVALSHA"] > sent)
    await cancelled(caller)

    await until_idle(cache)
    assert not raw_valkey.exists(tenant_of(cache).keys(["a"]).lease)
