"""Batches wait for several keys at once, and leave no lease behind when they are cancelled or fail."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import (
    CacheDetail,
    CacheSerializationError,
    CacheStatus,
    ResponseCache,
)
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core.algorithm import waiting
from strawberry_response_cache.core.protocol import Release
from tests.conftest import Eventually, Face, UntilJoined, driver_of, joined

PATIENCE = 60.0


async def test_a_batch_takes_over_a_cancelled_run_while_it_waits_for_another_key(
    memory_cache: ResponseCache, eventually: Eventually, until_joined: UntilJoined
) -> None:
    cache, go = memory_cache, asyncio.Event()
    flights = driver_of(cache).flights
    x, y = (tenant_of(cache).keys([name]).entry for name in "xy")

    async def never() -> str:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def of_y() -> str:
        await go.wait()
        return f"made of {(await cache.remember(['y'], 60, never)).value}"

    async def load(keys: list[list[str]]) -> list[str]:
        return [f"loaded {key[0]}" for key in keys]

    whole = asyncio.create_task(cache.remember(["x"], 60, of_y))
    part = asyncio.create_task(cache.remember(["y"], 60, never))
    await eventually(lambda: flights.is_open(x) and flights.is_open(y))
    batch = asyncio.create_task(cache.remember_many([["x"], ["y"]], 60, load))
    await until_joined(cache, 1, ["x"])
    await until_joined(cache, 1, ["y"])
    part.cancel()
    go.set()
    async with asyncio.timeout(PATIENCE):
        assert (await whole).value == "made of loaded y"
        assert await batch == ["made of loaded y", "loaded y"]


async def test_two_batches_that_wait_for_the_same_leases_in_opposite_order_end(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    eventually: Eventually,
    until_joined: UntilJoined,
) -> None:
    """Each batch may become the one that polls for a key that the other batch waits for."""
    other, cache = new_cache(valkey_url), new_cache(valkey_url)
    flights = driver_of(cache).flights
    a, b = (tenant_of(cache).keys([name]).lease for name in "ab")
    over = asyncio.Event()

    async def elsewhere() -> str:
        await over.wait()
        return "theirs"

    async def mine() -> str:
        return "mine"

    async def load(keys: list[list[str]]) -> list[str]:
        return ["mine" for _ in keys]

    others = [asyncio.create_task(other.remember([key], 60, elsewhere)) for key in "ab"]
    theirs = driver_of(other).flights
    await eventually(lambda: len(theirs) == 2)
    raw = [tenant_of(other).keys([key]).lease for key in "ab"]
    assert raw == [a, b]
    watchers = [asyncio.create_task(cache.remember([key], 60, mine)) for key in "ab"]
    await eventually(lambda: flights.has(a) and flights.has(b))
    batches = [
        asyncio.create_task(cache.remember_many([["a"], ["b"]], 60, load)),
        asyncio.create_task(cache.remember_many([["b"], ["a"]], 60, load)),
    ]
    await until_joined(cache, 2, ["a"])
    await until_joined(cache, 2, ["b"])
    for watcher in watchers:
        watcher.cancel()
    await eventually(lambda: all(watcher.done() for watcher in watchers))
    over.set()
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*batches) == [["theirs"] * 2] * 2
        await asyncio.gather(*others)


async def test_a_loaders_error_is_raised_in_its_batch_and_is_a_value_in_batches_that_joined(
    memory_cache: ResponseCache, until_joined: UntilJoined
) -> None:
    runs = 0
    gate = asyncio.Event()
    flights = driver_of(memory_cache).flights

    async def load(keys: list[list[str]]) -> list[str]:
        nonlocal runs
        runs += 1
        await gate.wait()
        raise LookupError

    batches = [
        asyncio.create_task(memory_cache.remember_many([["k"]], 60, load)) for _ in range(20)
    ]
    await until_joined(memory_cache, 19, ["k"])
    gate.set()
    async with asyncio.timeout(PATIENCE):
        results = await asyncio.gather(*batches, return_exceptions=True)
    assert runs == 1
    # Whoever loaded is told of the failure; for the others it is an error of that key.
    assert sum(isinstance(each, LookupError) for each in results) == 1
    assert (
        sum(isinstance(each, list) and isinstance(each[0], LookupError) for each in results) == 19
    )
    assert len(flights) == 0


async def test_a_batch_cancelled_as_its_commits_go_out_leaves_no_lease(
    valkey_cache: ResponseCache, raw_valkey: Any, eventually: Eventually
) -> None:
    loop = asyncio.get_running_loop()

    async def load(keys: list[list[str]]) -> list[int]:
        loop.call_soon(lambda task: task.cancel(), batch)
        return [1 for _ in keys]

    batch = asyncio.create_task(valkey_cache.remember_many([["a"], ["b"]], 60, load))
    with pytest.raises(asyncio.CancelledError):
        await batch
    await eventually(lambda: not raw_valkey.keys("*:l:*"))
    assert len(driver_of(valkey_cache).flights) == 0


async def test_a_value_that_cannot_be_serialized_leaves_no_lease_of_its_batch(
    cache: ResponseCache, raw: Any, face: Any, eventually: Eventually
) -> None:
    values: list[Any] = [LookupError(), 1, object()]
    keys = [["a"], ["b"], ["c"]]

    async def load(_: list[list[str]]) -> list[Any]:
        return values

    async def ask() -> object:
        if face.synchronous:
            return cache.remember_many_sync(keys, 60, lambda _: values)
        return await cache.remember_many(keys, 60, load)

    with pytest.raises(CacheSerializationError):
        await ask()
    await eventually(lambda: not raw.keys("*:l:*"))


def test_a_sync_batch_interrupted_while_it_releases_its_leases_leaves_none(
    cache: ResponseCache, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C interrupts it, or a worker's own time limit."""
    transport = driver_of(cache, synchronous=True).transport
    perform_all = transport.perform_all
    keys = [["a"], ["b"]]
    interrupted = threading.Event()

    def interrupt(effects: Any) -> Any:
        if not interrupted.is_set() and any(isinstance(each, Release) for each in effects):
            interrupted.set()
            raise KeyboardInterrupt
        return perform_all(effects)

    monkeypatch.setattr(transport, "perform_all", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cache.remember_many_sync(keys, 60, lambda _: [LookupError(), LookupError()])
    assert interrupted.is_set()
    driver_of(cache, synchronous=True).drain()
    assert not raw.keys("*:l:*")
    assert len(driver_of(cache, synchronous=True).flights) == 0
    assert cache.remember_many_sync(keys, 60, lambda _: ["x", "y"]) == ["x", "y"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_sync_batch_interrupted_while_it_loads_leaves_no_lease_and_no_flight(
    cache: ResponseCache, raw: Any, error: type[BaseException]
) -> None:
    def load(_: list[list[str]]) -> list[str]:
        raise error

    keys = [["a"], ["b"]]
    with pytest.raises(error):
        cache.remember_many_sync(keys, 60, load)
    driver_of(cache, synchronous=True).drain()
    assert not raw.keys("*:l:*")
    assert len(driver_of(cache, synchronous=True).flights) == 0
    assert cache.remember_many_sync(keys, 60, lambda _: ["x", "y"]) == ["x", "y"]


def test_a_sync_batch_gets_its_values_whichever_flight_ends_first(
    new_cache: Callable[..., ResponseCache],
) -> None:
    cache = new_cache("memory://", lease=10 * PATIENCE, wait_budget=10 * PATIENCE)
    flights = driver_of(cache, synchronous=True).flights
    x, y = (tenant_of(cache).keys([name]).entry for name in "xy")
    leave_x, leave_y = threading.Event(), threading.Event()
    of_batch: list[Any] = []

    def hold(name: str, gate: threading.Event) -> None:
        cache.remember_sync([name], 60, lambda: gate.wait(PATIENCE) and name)

    def batch() -> None:
        of_batch.extend(
            cache.remember_many_sync([["x"], ["y"]], 60, lambda keys: ["new"] * len(keys))
        )

    threads = [
        threading.Thread(target=hold, args=("x", leave_x)),
        threading.Thread(target=hold, args=("y", leave_y)),
        threading.Thread(target=batch),
    ]

    def wait_for(condition: Callable[[], object]) -> None:
        ticking = threading.Event()
        for _ in range(int(PATIENCE * 1000)):
            if condition():
                return
            ticking.wait(0.001)
        raise AssertionError

    for thread in threads[:2]:
        thread.start()
    wait_for(lambda: flights.is_open(x) and flights.is_open(y))
    threads[2].start()
    wait_for(lambda: all(joined(cache, [name], synchronous=True) for name in "xy"))
    leave_y.set()
    wait_for(lambda: not flights.has(y))
    leave_x.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert of_batch == ["x", "y"]


def test_a_sync_batch_does_not_wait_for_a_flight_that_ended_while_it_loaded(
    new_cache: Callable[..., ResponseCache],
) -> None:
    cache = new_cache("memory://", lease=10 * PATIENCE, wait_budget=10 * PATIENCE)
    began, leave = threading.Event(), threading.Event()
    results: list[Any] = []

    def generate() -> str:
        began.set()
        leave.wait(PATIENCE)
        return "x"

    holder = threading.Thread(target=lambda: cache.remember_sync(["x"], 60, generate))

    def load(keys: list[list[str]]) -> list[str]:
        leave.set()
        holder.join(PATIENCE)
        return [key for (key,) in keys]

    def batch() -> None:
        results.append(cache.remember_many_sync([["x"], ["z"]], 60, load))

    holder.start()
    assert began.wait(PATIENCE)
    asking = threading.Thread(target=batch, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    assert results == [["x", "z"]]


async def test_a_generator_that_asks_for_its_own_key_after_its_wait_budget_is_spent_ends(
    new_cache: Callable[..., ResponseCache], valkey_url: str, eventually: Eventually
) -> None:
    other = new_cache(valkey_url)
    cache = new_cache(valkey_url, lease=1, wait_budget=1)
    depth = 0

    async def never() -> int:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def own() -> int:
        nonlocal depth
        depth += 1
        return (await cache.remember(["k"], 60, own)).value if depth == 1 else depth

    elsewhere = asyncio.create_task(other.remember(["k"], 60, never))
    await eventually(lambda: len(driver_of(other).flights))
    async with asyncio.timeout(PATIENCE):
        response = await cache.remember(["k"], 60, own)
    assert (response.value, response.status) == (2, CacheStatus.BYPASS)
    assert response.detail is CacheDetail.WAITED_OUT
    elsewhere.cancel()


@pytest.mark.parametrize(
    "keys",
    [[["a"]], [["a"], ["b"]], [["a"], ["y"]]],
    ids=["one key", "a batch", "a batch that waits for its own process too"],
)
async def test_callers_pause_before_they_look_again_for_what_another_process_generates(
    new_cache: Callable[..., ResponseCache],
    url: str,
    face: Any,
    raw_of: Callable[..., Any],
    keys: Any,
) -> None:
    cache = new_cache(url, lease=1, wait_budget=1)
    lease = tenant_of(cache).keys(["a"]).lease
    began, go = threading.Event(), threading.Event()

    def generate() -> str:
        began.set()
        go.wait(PATIENCE)
        return "theirs"

    def in_thread() -> Any:
        if len(keys) > 1:
            return cache.remember_many_sync(keys, 60, lambda missing: ["mine"] * len(missing))
        return [cache.remember_sync(keys[0], 60, lambda: "mine").value]

    async def mine() -> str:
        return "mine"

    async def load(missing: list[list[str]]) -> list[str]:
        return ["mine"] * len(missing)

    async def in_loop() -> Any:
        if len(keys) > 1:
            return await cache.remember_many(keys, 60, load)
        return [(await cache.remember(keys[0], 60, mine)).value]

    generating = face.begin(cache, ["y"], 60, generate)
    try:
        assert await asyncio.to_thread(began.wait, PATIENCE)
        raw_of(cache).set(lease, "another process", px=600_000)
        calls = cache.statistics().store["get"].calls
        found = await (asyncio.to_thread(in_thread) if face.synchronous else in_loop())
    finally:
        go.set()
    assert found == ["mine"] * len(keys)
    # The pauses grow to 0.1 seconds, and each is shortened by up to a half.
    assert cache.statistics().store["get"].calls - calls <= 30
    await generating


async def test_a_batch_looks_again_as_soon_as_another_process_has_generated(
    new_cache: Callable[..., ResponseCache],
    url: str,
    face: Any,
    raw_of: Callable[..., Any],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not wait until its pause has ended."""
    monkeypatch.setattr(waiting, "_FIRST_PAUSE", 10 * PATIENCE)
    monkeypatch.setattr(waiting, "_LONGEST_PAUSE", 10 * PATIENCE)
    cache = new_cache(url, lease=10 * PATIENCE, wait_budget=10 * PATIENCE)
    lease, go = tenant_of(cache).keys(["a"]).lease, threading.Event()
    other = Face(synchronous=not face.synchronous)  # its runs are not those of this face
    generating = other.begin(cache, ["a"], 60, lambda: go.wait(PATIENCE) and "theirs")
    await eventually(lambda: raw_of(cache).exists(lease))

    def ask() -> Any:
        return cache.remember_many_sync([["a"], ["b"]], 60, lambda _: ["mine"])

    async def load(_: object) -> list[str]:
        return ["mine"]

    if face.synchronous:
        batch = asyncio.ensure_future(asyncio.to_thread(ask))
    else:
        batch = asyncio.ensure_future(cache.remember_many([["a"], ["b"]], 60, load))
    try:
        await eventually(lambda: raw_of(cache).get(lease).endswith(b"!"))  # the mark of who waits
        await eventually(face.driver(cache).pub_sub._backplane.is_live)
    finally:
        go.set()
    async with asyncio.timeout(PATIENCE):
        assert await batch == ["theirs", "mine"]
        await generating
