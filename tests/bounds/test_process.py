"""The memory of a process does not grow with the number of its keys, callers, tenants and event loops."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from strawberry_response_cache.core import CacheDetail, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core.algorithm.flights import Failed, Flights, NotShared
from strawberry_response_cache.core.drivers.sync_driver import ThreadWaiter
from tests.bounds.conftest import blocks
from tests.conftest import Eventually, UntilJoined, driver_of
from tests.faults.callers import until_idle

if TYPE_CHECKING:
    from tests.bounds.conftest import KeepsNothing

MANY = 100_000
SOME = 20_000
"""Of things that one round inside this process makes, and each test has several."""
KEYS = 1_000
"""Keys of one round with a server, of which there are three."""


@pytest.fixture
def new_keys() -> Iterator[str]:
    """Keys that were never asked for."""
    return (f"key {number}" for number in itertools.count())


async def store(cache: ResponseCache, key: str) -> None:
    async def generate() -> str:
        return key * 20  # the JSON parser keeps a bounded number of short strings

    await cache.remember([key], 60, generate, tags=[key], stale=60)


async def hit(cache: ResponseCache, key: str) -> None:
    await store(cache, key)
    await store(cache, key)


async def join(cache: ResponseCache, key: str) -> None:
    await asyncio.gather(*(store(cache, key) for _ in range(3)))


async def veto(cache: ResponseCache, key: str) -> None:
    async def generate() -> str:
        return key

    await cache.remember([key], 60, generate, cacheable=lambda _: False)


async def fail(cache: ResponseCache, key: str) -> None:
    async def generate() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        await cache.remember([key], 60, generate)


async def overflow(cache: ResponseCache, key: str) -> None:
    async def generate() -> str:
        return "x" * 2_000

    assert (await cache.remember([key], 60, generate)).detail is CacheDetail.TOO_LARGE


async def give_up(cache: ResponseCache, key: str) -> None:
    async def generate() -> str:
        await asyncio.Event().wait()
        return key

    callers = [asyncio.create_task(cache.remember([key], 60, generate)) for _ in range(2)]
    await asyncio.sleep(0)  # they have begun; where they are when they go is all the same
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)


async def invalidate(cache: ResponseCache, key: str) -> None:
    await store(cache, key)
    await cache.invalidate(key)
    await cache.forget([key])


@pytest.mark.parametrize("do", [store, hit, join, veto, fail, overflow, give_up, invalidate])
async def test_keys_leave_nothing_in_the_process(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    new_keys: Iterator[str],
    keeps_nothing: "KeepsNothing",
    do: Callable[[ResponseCache, str], Awaitable[None]],
) -> None:
    cache = new_cache(valkey_url, max_entry_bytes=1_000, confirmed_bytes=0)

    async def work() -> None:
        for _ in range(4):
            keys = itertools.islice(new_keys, KEYS // 4)
            await asyncio.gather(*(do(cache, key) for key in keys))
            await until_idle(cache)
        raw_valkey.execute_command("FLUSHALL", "SYNC")  # not in the background

    await keeps_nothing(work, KEYS)
    assert len(driver_of(cache).flights) == 0


async def test_100_000_keys_of_all_kinds_hardly_grow_memory(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    new_keys: Iterator[str],
) -> None:
    cache = new_cache(valkey_url, max_entry_bytes=1_000, confirmed_bytes=0)
    kinds = itertools.cycle((store, hit, join, veto, fail, overflow, give_up, invalidate))

    async def work(keys: int) -> tuple[int, int]:
        """Ask for keys, and count what is left here and in the server."""
        for _ in range(keys // 500):
            each = zip(itertools.islice(new_keys, 500), kinds, strict=False)
            await asyncio.gather(*(do(cache, key) for key, do in each))
        await until_idle(cache)
        raw_valkey.execute_command("FLUSHALL", "SYNC")  # not in the background
        return blocks(), raw_valkey.info("memory")["used_memory"]

    here, there = await work(5_000)
    here_later, there_later = await work(MANY)

    assert here_later - here < MANY / 20
    assert there_later - there < 2_000_000
    assert len(driver_of(cache).flights) == 0


def test_keys_of_sync_calls_leave_nothing_in_the_process(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    new_keys: Iterator[str],
    keeps_nothing: "KeepsNothing",
) -> None:
    cache = new_cache(valkey_url, confirmed_bytes=0)

    async def work() -> None:
        for key in itertools.islice(new_keys, KEYS):
            for _ in range(2):
                cache.remember_sync([key], 60, partial(str, key * 20), tags=[key])
        raw_valkey.flushall()

    asyncio.run(keeps_nothing(work, KEYS))  # type: ignore[arg-type]
    assert len(driver_of(cache, synchronous=True).flights) == 0


async def test_keys_leave_nothing_in_the_process_while_redis_is_unreachable(
    new_cache: Callable[..., ResponseCache],
    unused_port: int,
    new_keys: Iterator[str],
    keeps_nothing: "KeepsNothing",
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}")
    caplog.set_level(logging.CRITICAL)

    async def work() -> None:
        for _ in range(4):
            keys = itertools.islice(new_keys, KEYS // 4)
            await asyncio.gather(*(join(cache, key) for key in keys))
            await until_idle(cache)

    await keeps_nothing(work, KEYS)
    assert len(driver_of(cache).flights) == 0


async def test_the_table_of_flights_is_empty_when_all_flights_have_ended(
    new_keys: Iterator[str], keeps_nothing: "KeepsNothing"
) -> None:
    flights = Flights(ThreadWaiter, max_flights=1000, max_waiting=1000)

    async def work() -> None:
        for key in itertools.islice(new_keys, SOME):
            outer = flights.open(key, leased=True)
            inner = flights.open(f"{key} inner", leased=True)
            joined = flights.join(f"{key} inner", (outer,), leaseless=False)
            assert joined is not None
            flights.settle(inner, Failed(LookupError()))
            flights.note_outcome_taken(inner, (outer,))
            joined = flights.join(key, (), leaseless=False)
            assert joined is not None
            flights.leave(*joined, ())
            flights.settle(outer, NotShared())

    await keeps_nothing(work, SOME)
    assert len(flights) == 0


async def test_callers_cancelled_while_they_wait_for_a_run_leave_nothing_in_the_process(
    memory_cache: ResponseCache, keeps_nothing: "KeepsNothing", eventually: Eventually
) -> None:
    entered, finish = asyncio.Event(), asyncio.Event()
    callers = 5_000

    async def stuck() -> str:
        entered.set()
        await finish.wait()
        return "value"

    leader = asyncio.create_task(memory_cache.remember(["a"], 60, stuck))
    await entered.wait()
    (flight,) = driver_of(memory_cache).flights._open.values()

    async def work() -> None:
        waiting = [
            asyncio.create_task(memory_cache.remember(["a"], 60, stuck)) for _ in range(callers)
        ]
        await eventually(lambda: len(flight.waiters) == callers)
        for caller in waiting:
            caller.cancel()
        await asyncio.wait(waiting)
        assert flight.waiters == []

    await keeps_nothing(work, callers)
    finish.set()
    assert (await leader).value == "value"


async def test_callers_cancelled_while_they_wait_for_a_lease_elsewhere_leave_nothing_in_the_process(
    valkey_cache: ResponseCache,
    raw_valkey: Any,
    keeps_nothing: "KeepsNothing",
    until_joined: UntilJoined,
) -> None:
    callers = 1_000
    raw_valkey.set(tenant_of(valkey_cache).keys(["a"]).lease, "another's", px=3_600_000)

    async def never() -> str:
        raise AssertionError

    async def work() -> None:
        waiting = [
            asyncio.create_task(valkey_cache.remember(["a"], 60, never)) for _ in range(callers)
        ]
        await until_joined(valkey_cache, callers - 1, ["a"])
        for caller in waiting:
            caller.cancel()
        await asyncio.wait(waiting)
        await until_idle(valkey_cache)

    await keeps_nothing(work, callers)


async def test_no_more_callers_wait_than_max_waiting(
    new_cache: Callable[..., ResponseCache], new_keys: Iterator[str], eventually: Eventually
) -> None:
    cache = new_cache("memory://", max_waiting=50, wait_budget=1000)
    entered, finish = asyncio.Event(), asyncio.Event()
    alone = 0

    async def stuck() -> str:
        entered.set()
        await finish.wait()
        return "value"

    async def quick() -> str:
        nonlocal alone
        alone += 1
        return "value"

    key = [next(new_keys)]
    leader = asyncio.create_task(cache.remember(key, 60, stuck))
    await entered.wait()
    waiting = [asyncio.create_task(cache.remember(key, 60, quick)) for _ in range(50)]
    flights = driver_of(cache).flights
    await eventually(lambda: flights._waiting == 50)
    for _ in range(SOME // KEYS):
        await asyncio.gather(*(cache.remember(key, 60, quick) for _ in range(KEYS)))
    assert (alone, flights._waiting) == (SOME, 50)
    finish.set()
    await asyncio.gather(leader, *waiting)
    assert (alone, flights._waiting) == (SOME, 0)


async def test_tenants_leave_nothing_in_the_process(
    memory_cache: ResponseCache, new_keys: Iterator[str], keeps_nothing: "KeepsNothing"
) -> None:
    async def work() -> None:
        for tenant in itertools.islice(new_keys, SOME):
            tenant_of(memory_cache.for_tenant(tenant)).keys([tenant])

    await keeps_nothing(work, SOME)


def test_event_loops_that_ended_leave_nothing_in_the_process(
    new_cache: Callable[..., ResponseCache], unused_port: int, keeps_nothing: "KeepsNothing"
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}")
    loops = 200

    async def generate() -> str:
        return "value"

    async def call() -> None:
        await cache.remember(["a"], 60, generate)
        await until_idle(cache)

    async def work() -> None:
        await asyncio.to_thread(lambda: [asyncio.run(call()) for _ in range(loops)])

    asyncio.run(keeps_nothing(work, loops * 10))  # type: ignore[arg-type]
    assert len(tenant_of(cache).engine._async) <= 1
    assert len(tenant_of(cache).engine.handle._async) <= 1
