"""Many callers at once: one run of the generator, in a task, a thread, a cache or a process."""

import asyncio
import functools
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core.algorithm import waiting
from strawberry_response_cache.core.protocol import Fresh, Granted, Held, Lookup, Moment, ReadClock
from tests.conftest import Eventually, UntilJoined, driver_of

SUBJECT = Subject("stampede", scope="value")


class Gate:
    """A generator that waits until it is let go, and counts its runs."""

    def __init__(self, result: Any = "value") -> None:
        self.runs = 0
        self.entered = asyncio.Event()
        self.go = asyncio.Event()
        self._result = result

    async def __call__(self) -> Any:
        self.runs += 1
        self.entered.set()
        await self.go.wait()
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


async def test_200_callers_run_the_generator_once(
    cache: ResponseCache, until_joined: UntilJoined
) -> None:
    gate = Gate()
    callers = [asyncio.create_task(cache.remember(["a"], 60, gate)) for _ in range(200)]

    await until_joined(cache, 199, ["a"])
    gate.go.set()
    responses = await asyncio.gather(*callers)

    assert gate.runs == 1
    assert Counter(response.detail for response in responses) == {
        CacheDetail.GENERATED: 1,
        CacheDetail.JOINED: 199,
    }
    assert {response.value for response in responses} == {"value"}
    assert len(driver_of(cache).flights) == 0


async def test_32_threads_run_the_generator_once(
    cache: ResponseCache, until_joined: UntilJoined
) -> None:
    runs = 0
    go = threading.Event()

    def generate() -> str:
        nonlocal runs
        runs += 1
        assert go.wait(60)
        return "value"

    with ThreadPoolExecutor(32) as threads:
        futures = [threads.submit(cache.remember_sync, ["a"], 60, generate) for _ in range(32)]
        try:
            await until_joined(cache, 31, ["a"], synchronous=True)
        finally:
            go.set()
        responses = [future.result(60) for future in futures]

    assert runs == 1
    assert Counter(response.detail for response in responses) == {
        CacheDetail.GENERATED: 1,
        CacheDetail.JOINED: 31,
    }
    assert len(driver_of(cache, synchronous=True).flights) == 0


async def test_an_event_loop_and_a_thread_run_the_generator_once(
    cache: ResponseCache, raw: Any, eventually: Eventually
) -> None:
    gate = Gate()
    lease = tenant_of(cache).keys(["a"]).lease
    leader = asyncio.create_task(cache.remember(["a"], 60, gate))
    await gate.entered.wait()

    def never() -> str:
        raise AssertionError

    thread = asyncio.create_task(asyncio.to_thread(cache.remember_sync, ["a"], 60, never))
    await eventually(lambda: raw.get(lease).endswith(b"!"))  # the mark of who waits for it
    gate.go.set()

    assert (await leader).status is CacheStatus.MISS
    response = await thread
    assert (response.value, response.status) == ("value", CacheStatus.HIT)


async def test_two_caches_on_one_server_run_the_generator_once(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    eventually: Eventually,
    until_joined: UntilJoined,
) -> None:
    one, other = new_cache(valkey_url), new_cache(valkey_url)
    lease = tenant_of(one).keys(["a"]).lease
    gate = Gate()
    first = asyncio.create_task(one.remember(["a"], 60, gate))
    await gate.entered.wait()

    waiting = [asyncio.create_task(other.remember(["a"], 60, gate)) for _ in range(20)]
    await until_joined(other, 19, ["a"])  # one of them watches the lease for all
    assert raw_valkey.get(lease).endswith(b"!"), "the mark of who waits for it"
    gate.go.set()

    assert (await first).detail is CacheDetail.GENERATED
    responses = await asyncio.gather(*waiting)
    assert {(response.value, response.status) for response in responses} == {
        ("value", CacheStatus.HIT)
    }
    assert gate.runs == 1


CHILD = """
import asyncio, json, sys
from strawberry_response_cache.core import ResponseCache

async def main(url, callers):
    runs = 0
    async with ResponseCache.from_url(
        url, prefix="test", telemetry=False,
        read_deadline=20, connect_deadline=20, lease=60, wait_budget=120,
    ) as cache:
        await cache.ping()
        print("ready", flush=True)
        sys.stdin.readline()

        async def generate():
            nonlocal runs
            runs += 1
            await asyncio.to_thread(sys.stdin.readline)
            return ["value"]

        calls = [cache.remember(["a"], 60, generate) for _ in range(callers)]
        responses = await asyncio.gather(*calls)
    print(json.dumps([runs, [response.value for response in responses]]), flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def say_go_on(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_processes_run_the_generator_once(
    valkey_url: str, raw_valkey: Any, eventually: Eventually
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, valkey_url, "50"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        say_go_on(process)

    def other_waits() -> bool:
        leases = list(raw_valkey.scan_iter(match="*:l:*"))
        return any((raw_valkey.get(lease) or b"").endswith(b"!") for lease in leases)

    asyncio.run(eventually(other_waits))  # type: ignore[arg-type] # a coroutine
    for process in processes:
        say_go_on(process)
    results = [json.loads(process.communicate(timeout=120)[0]) for process in processes]

    assert sum(runs for runs, _ in results) == 1
    assert [values for _, values in results] == [[["value"]] * 50] * 2


async def test_joiners_get_equal_values_and_never_the_same_object(
    cache: ResponseCache, until_joined: UntilJoined
) -> None:
    gate = Gate({"items": []})
    callers = [asyncio.create_task(cache.remember(["a"], 60, gate)) for _ in range(5)]
    await until_joined(cache, 4, ["a"])
    gate.go.set()
    values = [response.value for response in await asyncio.gather(*callers)]

    values[0]["items"].append("spoiled by one caller")

    assert values[1:] == [{"items": []}] * 4
    assert len({id(value["items"]) for value in values}) == 5


async def test_joiners_of_a_failing_generator_get_its_error_after_one_run(
    cache: ResponseCache, until_joined: UntilJoined, raw: Any
) -> None:
    error = LookupError("its own")
    gate = Gate(error)
    callers = [asyncio.create_task(cache.remember(["a"], 60, gate)) for _ in range(50)]
    await until_joined(cache, 49, ["a"])
    gate.go.set()

    results = await asyncio.gather(*callers, return_exceptions=True)

    assert all(result is error for result in results)
    assert gate.runs == 1
    assert not raw.exists(tenant_of(cache).keys(["a"]).entry, tenant_of(cache).keys(["a"]).lease)
    assert len(driver_of(cache).flights) == 0


async def test_threads_that_joined_a_failing_generator_get_its_error_after_one_run(
    cache: ResponseCache, until_joined: UntilJoined
) -> None:
    error = LookupError("its own")
    runs = 0
    go = threading.Event()

    def fail() -> object:
        nonlocal runs
        runs += 1
        assert go.wait(60)
        raise error

    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(cache.remember_sync, ["a"], 60, fail) for _ in range(8)]
        try:
            await until_joined(cache, 7, ["a"], synchronous=True)
        finally:
            go.set()
        assert [future.exception(60) for future in futures] == [error] * 8
    assert runs == 1


@pytest.mark.parametrize("rule", ["cacheable", "ttl", "too large"])
async def test_joiners_of_a_value_that_is_not_shared_generate_for_themselves(
    new_cache: Callable[..., ResponseCache],
    eventually: Eventually,
    until_joined: UntilJoined,
    rule: str,
) -> None:
    cache = new_cache("memory://", max_entry_bytes=1 if rule == "too large" else 1000)
    gates = [Gate(f"private to {number}") for number in range(5)]

    def never(_: object) -> bool:
        return rule != "cacheable"

    def ttl(_: object) -> int:
        return 0 if rule == "ttl" else 60

    callers = []
    for gate in gates:
        callers.append(asyncio.create_task(cache.remember(["a"], ttl, gate, cacheable=never)))
        await eventually(gates[0].entered.is_set)
    await until_joined(cache, 4, ["a"])
    for gate in gates:
        gate.go.set()
    responses = await asyncio.gather(*callers)

    assert [response.value for response in responses] == [f"private to {n}" for n in range(5)]
    assert {response.status for response in responses} == {CacheStatus.BYPASS}
    assert [gate.runs for gate in gates] == [1] * 5


async def test_a_joiner_of_another_type_generates_for_itself(
    memory_cache: ResponseCache, until_joined: UntilJoined
) -> None:
    gate, other = Gate("text"), Gate(5)
    leader = asyncio.create_task(memory_cache.remember(["a"], 60, gate))
    await gate.entered.wait()
    joiner = asyncio.create_task(memory_cache.remember(["a"], 60, other, as_type=int))
    await until_joined(memory_cache, 1, ["a"])
    gate.go.set()
    other.go.set()

    assert (await leader).value == "text"
    assert (await joiner).value == 5


async def test_the_generator_runs_in_the_callers_own_task(memory_cache: ResponseCache) -> None:
    async def generate() -> bool:
        return asyncio.current_task() is caller

    caller = asyncio.current_task()
    assert (await memory_cache.remember(["a"], 60, generate)).value is True


def test_the_generator_runs_in_the_callers_own_thread(memory_cache: ResponseCache) -> None:
    assert memory_cache.remember_sync(["a"], 60, threading.get_ident).value == threading.get_ident()


async def test_a_generator_may_ask_for_its_own_key(cache: ResponseCache, face: Any) -> None:
    details = []

    async def inner() -> str:
        return "inner"

    async def outer() -> str:
        response = await cache.remember(["a"], 60, inner)
        details.append(response.detail)
        return f"outer of {response.value}"

    def outer_sync() -> str:
        response = cache.remember_sync(["a"], 60, lambda: "inner")
        details.append(response.detail)
        return f"outer of {response.value}"

    if face.synchronous:
        response = cache.remember_sync(["a"], 60, outer_sync)
    else:
        response = await cache.remember(["a"], 60, outer)

    assert response.value == "outer of inner"
    assert details == [CacheDetail.REENTRANT], "it did not wait for itself"
    assert (await cache.remember(["a"], 60, outer)).status is CacheStatus.HIT


async def test_a_loader_may_ask_for_a_key_of_its_own_batch(
    memory_cache: ResponseCache, face: Any
) -> None:
    cache, keys, details = memory_cache, [["a"], ["b"]], []

    if face.synchronous:

        def load(_: list[list[str]]) -> list[str]:
            inner = cache.remember_sync(["b"], 60, lambda: "inner")
            details.append(inner.detail)
            return ["a", inner.value]

        found = await asyncio.to_thread(cache.remember_many_sync, keys, 60, load)
    else:

        async def inner_value() -> str:
            return "inner"

        async def load_later(_: list[list[str]]) -> list[str]:
            inner = await cache.remember(["b"], 60, inner_value)
            details.append(inner.detail)
            return ["a", inner.value]

        found = await cache.remember_many(keys, 60, load_later)
    assert found == ["a", "inner"]
    assert details == [CacheDetail.REENTRANT]


async def test_two_generators_that_ask_for_each_others_key_both_end(cache: ResponseCache) -> None:
    """Neither of the two callers waits for ever."""
    barrier = asyncio.Barrier(2)

    async def plain() -> str:
        return "plain"

    async def ask_for(key: str) -> str:
        await barrier.wait()
        return (await cache.remember([key], 60, plain)).value

    one, other = await asyncio.wait_for(
        asyncio.gather(
            cache.remember(["a"], 60, lambda: ask_for("b")),
            cache.remember(["b"], 60, lambda: ask_for("a")),
        ),
        60,
    )
    assert (one.value, other.value) == ("plain", "plain")


async def test_the_lease_of_a_slow_generator_is_renewed(
    new_cache: Callable[..., ResponseCache],
    url: str,
    eventually: Eventually,
    raw_of: Callable[..., Any],
    face: Any,
) -> None:
    cache = new_cache(url, lease=0.9, wait_budget=60)
    raw, lease = raw_of(cache), tenant_of(cache).keys(["a"]).lease

    async def slow() -> str:
        raw.pexpire(lease, 600_000)  # so that a slow machine does not lose it
        await eventually(lambda: 0 < raw.pttl(lease) <= 900)  # renewed
        raw.pexpire(lease, 600_000)
        return "value"

    if face.synchronous:
        response = await asyncio.to_thread(
            cache.remember_sync, ["a"], 60, lambda: asyncio.run(slow())
        )
    else:
        response = await cache.remember(["a"], 60, slow)
    assert response.detail is CacheDetail.GENERATED


async def test_the_leases_of_all_keys_of_a_slow_loader_are_renewed(
    new_cache: Callable[..., ResponseCache],
    url: str,
    eventually: Eventually,
    raw_of: Callable[..., Any],
    face: Any,
) -> None:
    cache = new_cache(url, lease=0.9, wait_budget=60)
    raw = raw_of(cache)
    keys = [["a"], ["b"]]
    leases = [tenant_of(cache).keys(key).lease for key in keys]

    def are_renewed() -> bool:
        return all(0 < raw.pttl(lease) <= 900 for lease in leases)

    async def ask() -> Any:
        for lease in leases:  # so that a slow machine does not lose them
            raw.pexpire(lease, 600_000)
        await eventually(are_renewed)
        for lease in leases:
            raw.pexpire(lease, 600_000)
        return ["x", "y"]

    if face.synchronous:
        run = functools.partial(cache.remember_many_sync, keys, 60, lambda _: asyncio.run(ask()))
        assert await asyncio.to_thread(run) == ["x", "y"]
    else:
        assert await cache.remember_many(keys, 60, lambda _: ask()) == ["x", "y"]
    assert len(raw.keys("*:e:*")) == 2, "they were stored"


async def test_a_caller_that_shared_a_lookup_is_woken_when_a_quick_generation_ends(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server knows one of the callers that share a lookup, and would not wake the others."""
    monkeypatch.setattr(waiting, "_FIRST_PAUSE", 600.0)
    monkeypatch.setattr(waiting, "_LONGEST_PAUSE", 600.0)

    async def quick() -> str:
        return "v"

    async with asyncio.timeout(60):
        responses = await asyncio.gather(*(cache.remember(["a"], 60, quick) for _ in range(20)))
    assert {response.value for response in responses} == {"v"}
    assert [response.status for response in responses].count(CacheStatus.MISS) == 1


async def test_a_caller_that_shares_the_lookup_of_a_cancelled_caller_gets_its_value(
    cache: ResponseCache,
) -> None:
    async def quick() -> str:
        return "v"

    async with asyncio.timeout(60):
        first, *others = [asyncio.create_task(cache.remember(["a"], 60, quick)) for _ in range(5)]
        batches = driver_of(cache).lookups._batches
        while not batches:
            await asyncio.sleep(0)
        assert [[len(callers) for callers in each.callers] for each in batches.values()] == [[5]]
        first.cancel()
        assert [(await other).value for other in others] == ["v"] * 4


async def test_a_shared_error_keeps_no_context_and_no_frames_of_its_callers(
    memory_cache: ResponseCache, eventually: Eventually, until_joined: UntilJoined
) -> None:
    gate = asyncio.Event()
    flights = driver_of(memory_cache).flights
    key = tenant_of(memory_cache).keys(["k"]).entry

    async def fail() -> object:
        await gate.wait()
        raise LookupError

    async def ask() -> BaseException:
        with pytest.raises(LookupError) as caught:
            await memory_cache.remember(["k"], 60, fail)
        return caught.value

    async def ask_while_handling_something_else() -> BaseException:
        try:
            return BaseException(int("no number"))
        except ValueError:
            return await ask()

    leader = asyncio.create_task(ask())
    await eventually(lambda: flights.is_open(key))
    joiners = [asyncio.create_task(ask_while_handling_something_else()) for _ in range(100)]
    await until_joined(memory_cache, 100, ["k"])
    gate.set()
    errors = {id(error): error for error in [await leader, *await asyncio.gather(*joiners)]}
    (error,) = errors.values()
    assert error.__context__ is None
    frames, trace = 0, error.__traceback__
    while trace is not None:
        frames, trace = frames + 1, trace.tb_next
    assert frames < 40


async def one() -> int:
    return 1


async def test_a_lookup_that_rejects_an_entry_is_shared_with_no_other(
    memory_cache: ResponseCache,
) -> None:
    """A lookup that rejects an entry deletes it; one that only reads does not."""
    await memory_cache.remember(["a"], 60, one)
    lookups, keys = driver_of(memory_cache).lookups, tenant_of(memory_cache).keys(["a"])
    stored = await lookups.find(Lookup(keys, 0), SUBJECT)
    rejecting = Lookup(keys, 10_000, rejected=stored.entry.write_id)

    answers = await asyncio.gather(
        *(lookups.find(each, SUBJECT) for each in (Lookup(keys, 10_000), rejecting))
    )

    assert {type(each) for each in answers} == {Granted, Held}


async def test_a_lookup_that_requests_a_lease_is_not_shared_with_one_that_requests_none(
    memory_cache: ResponseCache,
) -> None:
    lookups, keys = driver_of(memory_cache).lookups, tenant_of(memory_cache).keys(["a"])

    answers = await asyncio.gather(
        *(lookups.find(Lookup(keys, lease_ms), SUBJECT) for lease_ms in (0, 10_000, 0, 10_000))
    )

    assert [type(each) for each in answers] == [Held, Granted, Held, Held]


async def test_clocks_and_lookups_of_one_tick_get_their_own_answers(
    memory_cache: ResponseCache,
) -> None:
    await memory_cache.remember(["a"], 60, one)
    lookups, keys = driver_of(memory_cache).lookups, tenant_of(memory_cache).keys(["a"])

    answers = await asyncio.gather(
        *(
            lookups.find_all([ReadClock(keys.tags), Lookup(keys, 0), ReadClock(keys.tags)], SUBJECT)
            for _ in range(2)
        )
    )

    assert [[type(each) for each in found] for found in answers] == [[Moment, Fresh, Moment]] * 2


class NotKnown:
    """The transport of a cluster that does not know yet which node has the slot: it tells nothing of what it sends."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.effects: list[object] = []

    def submit(self, effect: Any, then: Any) -> None:
        self.effects.append(effect)
        self._transport.submit(effect, then)


async def test_a_lookup_that_may_have_been_sent_is_not_shared(memory_cache: ResponseCache) -> None:
    """The server may have answered it before an invalidation that a later caller knows of."""
    await memory_cache.remember(["a"], 60, one)
    lookups, keys = driver_of(memory_cache).lookups, tenant_of(memory_cache).keys(["a"])
    transport = lookups._transport = NotKnown(lookups._transport)

    answers = await asyncio.gather(*(lookups.find(Lookup(keys, 0), SUBJECT) for _ in range(3)))

    assert [type(each) for each in answers] == [Fresh] * 3
    assert len(transport.effects) == 3
