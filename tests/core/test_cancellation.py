"""A caller that is cancelled, at whatever step, leaves nothing behind: no lease, no flight, no waiter."""

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core.algorithm.flights import Flight
from strawberry_response_cache.core.algorithm.leading import leading_flights
from strawberry_response_cache.core.protocol.scripts import COMMIT
from tests.conftest import UntilJoined, driver_of, settings_of
from tests.faults.callers import until_idle

STEPS = 30
"""Twice the steps of the loop that these calls take on a store inside this process."""


async def value() -> str:
    """A generator with suspension points of its own."""
    for _ in range(3):
        await asyncio.sleep(0)
    return "value"


async def steps(number: int) -> None:
    """Let the loop take this many steps."""
    for _ in range(number):
        await asyncio.sleep(0)


async def settled(cache: ResponseCache) -> None:
    """Wait until the cache has nothing under way."""
    await until_idle(cache)
    await driver_of(cache).drain()


async def cancelled(task: "asyncio.Task[Any]") -> bool:
    """Cancel a task and say whether it was still running."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


@pytest.fixture
def complaints() -> list[dict[str, Any]]:
    """What the loop had to complain about, such as a callback that raised."""
    return []


@pytest.fixture
async def watched(memory_cache: ResponseCache, complaints: list[dict[str, Any]]) -> ResponseCache:
    """A cache on a store that takes a fixed number of steps, so that every one can be visited."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    await memory_cache.ping()
    return memory_cache


@pytest.mark.parametrize("step", range(STEPS))
@pytest.mark.parametrize("what", ["miss", "hit", "refresh", "failing", "vetoed"])
async def test_a_caller_cancelled_at_any_step_leaves_no_lease_and_no_flight(
    watched: ResponseCache,
    raw_of: Callable[..., Any],
    complaints: list[dict[str, Any]],
    what: str,
    step: int,
) -> None:
    raw = raw_of(watched)
    keys = tenant_of(watched).keys(["a"])

    async def fail() -> str:
        raise LookupError

    options: dict[str, Any] = {"stale": 1000}
    if what in {"hit", "refresh"}:
        await watched.remember(["a"], 1000, value, **options)
    if what == "refresh":
        raw.pexpire(keys.entry, 900_000)
    if what == "vetoed":
        options["cacheable"] = lambda _: False
    generator = fail if what == "failing" else value

    caller = asyncio.create_task(watched.remember(["a"], 1000, generator, **options))
    await steps(step)
    try:
        await cancelled(caller)
    except LookupError:
        assert what == "failing"
    await settled(watched)

    assert not raw.exists(keys.lease)
    assert len(driver_of(watched).flights) == 0
    assert (await watched.remember(["a"], 1000, value)).value == "value"
    assert complaints == []


async def test_a_miss_ends_within_the_number_of_steps_at_which_callers_are_cancelled(
    watched: ResponseCache,
) -> None:
    callers = [asyncio.create_task(watched.remember(["a"], 60, value)) for _ in range(5)]
    await steps(STEPS - 1)

    assert all(caller.done() for caller in callers)


@pytest.mark.parametrize("step", range(STEPS))
async def test_a_leader_cancelled_at_any_step_loses_no_joiner(
    watched: ResponseCache, raw_of: Callable[..., Any], step: int
) -> None:
    leader = asyncio.create_task(watched.remember(["a"], 60, value))
    joiners = [asyncio.create_task(watched.remember(["a"], 60, value)) for _ in range(3)]
    await steps(step)
    await cancelled(leader)

    responses = await asyncio.wait_for(asyncio.gather(*joiners), 60)

    assert {response.value for response in responses} == {"value"}
    await settled(watched)
    assert not raw_of(watched).exists(tenant_of(watched).keys(["a"]).lease)
    assert len(driver_of(watched).flights) == 0
    assert (await watched.remember(["a"], 60, value)).status is CacheStatus.HIT


@pytest.mark.parametrize("step", range(STEPS))
async def test_a_joiner_cancelled_at_any_step_does_not_affect_other_callers(
    watched: ResponseCache, raw_of: Callable[..., Any], step: int
) -> None:
    first, joiner, last = (
        asyncio.create_task(watched.remember(["a"], 60, value)) for _ in range(3)
    )
    await steps(step)
    await cancelled(joiner)

    responses = await asyncio.wait_for(asyncio.gather(first, last), 60)

    assert {response.value for response in responses} == {"value"}
    assert responses[0].detail is CacheDetail.GENERATED
    await settled(watched)
    assert len(driver_of(watched).flights) == 0


@pytest.mark.parametrize("step", range(STEPS))
async def test_leaders_cancelled_one_after_the_other_lose_no_joiner(
    watched: ResponseCache, raw_of: Callable[..., Any], step: int
) -> None:
    callers = [asyncio.create_task(watched.remember(["a"], 60, value)) for _ in range(5)]
    await steps(step)
    for caller in callers[:2]:
        await cancelled(caller)
        await steps(step % 3)
    callers[2].cancel()
    callers[3].cancel()

    assert (await asyncio.wait_for(callers[4], 60)).value == "value"
    await asyncio.gather(*callers, return_exceptions=True)
    await settled(watched)
    assert not raw_of(watched).exists(tenant_of(watched).keys(["a"]).lease)
    assert len(driver_of(watched).flights) == 0


async def test_a_joiner_leads_the_run_after_its_leader_was_cancelled(
    cache: ResponseCache, raw: Any, until_joined: UntilJoined
) -> None:
    entered = asyncio.Event()
    forever = asyncio.Event()

    async def stuck() -> str:
        entered.set()
        await forever.wait()
        return "never"

    leader = asyncio.create_task(cache.remember(["a"], 60, stuck))
    await entered.wait()
    joiners = [asyncio.create_task(cache.remember(["a"], 60, value)) for _ in range(3)]
    await until_joined(cache, 3, ["a"])
    lease = raw.get(tenant_of(cache).keys(["a"]).lease)
    assert await cancelled(leader)

    responses = await asyncio.wait_for(asyncio.gather(*joiners), 60)

    assert sorted(response.detail for response in responses) == ["generated", "joined", "joined"]
    assert lease
    assert not raw.exists(tenant_of(cache).keys(["a"]).lease)


async def test_a_cancelled_leader_without_joiners_releases_its_lease(
    cache: ResponseCache, raw: Any
) -> None:
    entered = asyncio.Event()

    async def stuck() -> str:
        entered.set()
        await asyncio.Event().wait()
        return "never"

    leader = asyncio.create_task(cache.remember(["a"], 60, stuck))
    await entered.wait()
    assert raw.exists(tenant_of(cache).keys(["a"]).lease)
    assert await cancelled(leader)
    await settled(cache)

    assert not raw.exists(tenant_of(cache).keys(["a"]).lease)
    assert (await cache.remember(["a"], 60, value)).detail is CacheDetail.GENERATED


@pytest.mark.parametrize("step", range(0, STEPS, 3))
async def test_a_caller_cancelled_while_another_process_generates_leaves_no_flight(
    watched: ResponseCache, raw_of: Callable[..., Any], step: int
) -> None:
    raw = raw_of(watched)
    keys = tenant_of(watched).keys(["a"])
    raw.set(keys.lease, "another process's", px=60_000)

    waiting = asyncio.create_task(watched.remember(["a"], 60, value))
    await steps(step)
    assert await cancelled(waiting)
    await settled(watched)

    assert raw.get(keys.lease) in {b"another process's", b"another process's!"}
    assert len(driver_of(watched).flights) == 0
    raw.delete(keys.lease)
    assert (await watched.remember(["a"], 60, value)).detail is CacheDetail.GENERATED


async def test_callers_cancelled_in_the_middle_of_commands_leave_no_lease_and_few_new_connections(
    valkey_cache: ResponseCache, raw_valkey: Any
) -> None:
    await valkey_cache.remember(["warm"], 60, value)
    connections = raw_valkey.info("stats")["total_connections_received"]

    for number in range(25):
        caller = asyncio.create_task(valkey_cache.remember([str(number)], 60, value))
        await steps(number % 5 + 1)
        await cancelled(caller)
    await settled(valkey_cache)

    assert (await valkey_cache.remember(["warm"], 60, value)).status is CacheStatus.HIT
    grown = raw_valkey.info("stats")["total_connections_received"] - connections
    assert grown <= settings_of(valkey_cache).max_connections
    leases = [tenant_of(valkey_cache).keys([str(number)]).lease for number in range(25)]
    assert not raw_valkey.exists(*leases)


async def test_a_joiner_gets_the_value_although_its_leader_is_cancelled_during_the_commit(
    cache: ResponseCache, until_joined: UntilJoined
) -> None:
    driver: Any = driver_of(cache)
    link = driver.transport._link
    ask = link.ask
    committing = asyncio.Event()
    held: list[Callable[[], None]] = []

    def held_at_commit(calls: Any, *told: Any, **options: Any) -> None:
        if any(what is COMMIT for what, _, _ in calls):
            held.append(partial(ask, calls, *told, **options))
            committing.set()
        else:
            ask(calls, *told, **options)

    entered, finish = asyncio.Event(), asyncio.Event()

    async def generate() -> str:
        entered.set()
        await finish.wait()
        return "value"

    link.ask = held_at_commit  # the network, not our code
    leader = asyncio.create_task(cache.remember(["a"], 60, generate))
    await entered.wait()
    joiner = asyncio.create_task(cache.remember(["a"], 60, generate))
    await until_joined(cache, 1)
    finish.set()
    await committing.wait()
    assert await cancelled(leader)
    for send in held:
        send()

    assert (await asyncio.wait_for(joiner, 60)).detail is CacheDetail.JOINED


async def test_a_caller_after_a_generator_that_raised_cancelled_error_generates(
    cache: ResponseCache,
) -> None:
    async def gives_up() -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await cache.remember(["a"], 60, gives_up)

    assert (await cache.remember(["a"], 60, value)).detail is CacheDetail.GENERATED


async def test_a_timeout_around_a_call_raises_timeout_error(cache: ResponseCache, raw: Any) -> None:
    async def stuck() -> str:
        await asyncio.Event().wait()
        return "never"

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(cache.remember(["a"], 60, stuck), 0.05)
    await settled(cache)

    assert not raw.exists(tenant_of(cache).keys(["a"]).lease)


def test_a_keyboard_interrupt_in_a_generator_releases_the_lease(
    cache: ResponseCache, raw: Any
) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.remember_sync(["a"], 60, interrupted)

    assert not raw.exists(tenant_of(cache).keys(["a"]).lease)
    assert len(driver_of(cache, synchronous=True).flights) == 0


@pytest.mark.parametrize("what", ["invalidate", "forget", "clear", "ping"])
async def test_a_cancelled_invalidation_causes_no_error_in_the_event_loop(
    watched: ResponseCache, complaints: list[dict[str, Any]], what: str
) -> None:
    await watched.remember(["a"], 60, value, tags=["t"])
    for step in range(12):
        task = asyncio.create_task(
            {
                "invalidate": lambda: watched.invalidate("t"),
                "forget": lambda: watched.forget(["a"]),
                "clear": watched.clear,
                "ping": watched.ping,
            }[what]()
        )
        await steps(step)
        await cancelled(task)
    await settled(watched)

    assert [str(context.get("exception", context["message"])) for context in complaints] == []


async def test_a_coroutine_of_a_call_that_is_closed_raises_nothing_and_leaves_no_flight(
    memory_cache: ResponseCache,
) -> None:
    """An event loop that is closed while calls are pending closes their coroutines so."""
    entered = False

    async def stuck() -> str:
        nonlocal entered
        entered = True
        await asyncio.get_running_loop().create_future()
        return "never"

    call = memory_cache.remember(["a"], 60, stuck)
    while not entered:
        future: Any = call.send(None)
        while future is not None and not entered and not future.done():
            await asyncio.sleep(0)

    call.close()

    assert len(driver_of(memory_cache).flights) == 0


def test_a_generation_that_ends_in_another_context_raises_nothing() -> None:
    """The garbage collector ends pending calls of a closed event loop in another context."""
    block = leading_flights(Flight("a", leased=True))
    contextvars.copy_context().run(block.__enter__)
    contextvars.copy_context().run(block.__exit__, None, None, None)
