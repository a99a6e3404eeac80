"""After an outage, no abandoned lease is left, no invalidation is lost, and no caller waits."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core.drivers import async_invalidation, sync_invalidation
from strawberry_response_cache.core.drivers.async_driver import AsyncDriver
from strawberry_response_cache.core.protocol import RUN_ID, Commit, Effect, Lookup, Lookups, Release
from strawberry_response_cache.core.redis.watchdog import Watchdog
from tests.conftest import NEVER, Eventually, driver_of
from tests.core.logs import facts_of, ours
from tests.core.test_batches_that_wait import PATIENCE

T = TypeVar("T")


class Unreliable:
    """Between a driver and its transport: answers to effects of these kinds are lost, so many times."""

    def __init__(self, transport: Any, times: dict[type, int]) -> None:
        self._transport = transport
        self._times = times
        self.lost: list[type] = []

    def _is_lost(self, effect: Effect[Any]) -> bool:
        kind = Lookup if isinstance(effect, Lookups) else type(effect)
        if self._times.get(kind, 0) <= len([each for each in self.lost if each is kind]):
            return False
        self.lost.append(kind)
        return True

    def submit(self, effect: Effect[Any], then: Callable[[Any], None], **more: Any) -> None:
        if self._is_lost(effect):
            answer = effect.unavailable(TimeoutError())
            # A lookup was performed, and only its answer did not come in time.
            if isinstance(effect, Lookup | Lookups):
                self._transport.submit(effect, lambda _: then(answer), **more)
            else:
                then(answer)
        else:
            self._transport.submit(effect, then, **more)

    def perform(self, effect: Effect[Any], **more: Any) -> Any:
        (result,) = self.perform_all([effect], **more)
        return result

    def perform_all(self, effects: list[Effect[Any]], **more: Any) -> list[Any]:
        lost = [self._is_lost(effect) for effect in effects]
        results = [
            self._transport.perform(effect, **more)
            if not is_lost or isinstance(effect, Lookup | Lookups)
            else None
            for effect, is_lost in zip(effects, lost, strict=True)
        ]
        return [
            effect.unavailable(TimeoutError()) if is_lost else result
            for effect, is_lost, result in zip(effects, lost, results, strict=True)
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def put_between(driver: Any, transport: T) -> T:
    """Send a driver's effects through another transport."""
    driver.transport = transport
    sender = driver.lookups if isinstance(driver, AsyncDriver) else driver._housekeeping
    sender._transport = transport
    return transport


def lose(cache: ResponseCache, face: Any, **times: int) -> Unreliable:
    """Lose answers of a cache's store."""
    kinds = {"lookup": Lookup, "commit": Commit, "release": Release}
    driver = face.driver(cache)
    between = Unreliable(driver.transport, {kinds[n]: many for n, many in times.items()})
    return put_between(driver, between)


# -- Leases ------------------------------------------------------------------------------------------


async def test_a_lease_whose_release_was_lost_is_released_again(
    valkey_cache: ResponseCache, raw_valkey: Any, face: Any, eventually: Eventually
) -> None:
    store = lose(valkey_cache, face, lookup=1, release=3)
    response = await face.remember(valkey_cache, ["a"], 60, lambda: 1)
    assert (response.value, response.detail) == (1, CacheDetail.STORE_FAILURE)
    await eventually(lambda: len(store.lost) == 4)
    await eventually(lambda: not raw_valkey.keys("*:l:*"))
    assert (await face.remember(valkey_cache, ["a"], 60, lambda: 2)).status is CacheStatus.MISS


async def test_the_lease_of_a_lost_commit_is_released(
    cache: ResponseCache, raw: Any, face: Any, eventually: Eventually
) -> None:
    lose(cache, face, commit=1)
    response = await face.remember(cache, ["a"], 60, lambda: 1)
    assert (response.status, response.detail) == (CacheStatus.MISS, CacheDetail.STORE_FAILURE)
    await eventually(lambda: not raw.keys("*:l:*"))


async def test_the_lease_of_a_lost_commit_of_a_batch_is_released(
    cache: ResponseCache, raw: Any, face: Any, eventually: Eventually
) -> None:
    lose(cache, face, commit=1)
    keys = [["a"], ["b"]]

    async def load(_: list[list[str]]) -> list[int]:
        return [1, 2]

    if face.synchronous:
        found = cache.remember_many_sync(keys, 60, lambda _: [1, 2])
    else:
        found = await cache.remember_many(keys, 60, load)
    assert found == [1, 2]
    await eventually(lambda: not raw.keys("*:l:*"))


async def test_an_invalidation_releases_the_leases_of_the_runs_that_it_outdates_while_they_go_on(
    cache: ResponseCache, raw: Any, face: Any, eventually: Eventually
) -> None:
    """Its value will be refused, so no caller needs to wait for the lease."""
    began, go_on = threading.Event(), threading.Event()

    def generate() -> str:
        began.set()
        go_on.wait(NEVER)
        return "old"

    running = face.begin(cache, ["a"], 60, generate, tags=["t"])
    try:
        await asyncio.to_thread(began.wait, NEVER)
        assert raw.keys("*:l:*")
        await face.invalidate(cache, "t")
        await eventually(lambda: not raw.keys("*:l:*"))
    finally:
        go_on.set()
    assert (await running).value == "old"


def test_a_refresh_above_max_background_releases_its_lease_at_once(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url, max_background=1)
    go_on, gone = threading.Event(), threading.Event()
    for name in ("slow", "other"):
        cache.remember_sync([name], 30, lambda: "old", stale=1000)
        key = tenant_of(cache).keys([name]).entry
        raw_valkey.pexpire(key, raw_valkey.pttl(key) - 40_000)
    lease = tenant_of(cache).keys(["other"]).lease

    def ask(name: str, generator: Callable[[], Any]) -> Any:
        return cache.remember_sync([name], 30, generator, stale=1000, background=True)

    try:
        assert ask("slow", lambda: go_on.wait(NEVER)).detail is CacheDetail.STALE
        assert ask("other", lambda: "new").detail is CacheDetail.STALE
        for _ in range(6000):
            if not raw_valkey.exists(lease):
                break
            gone.wait(0.01)
        assert not raw_valkey.exists(lease), "the refresh that takes the only place still runs"
    finally:
        go_on.set()


async def test_a_closed_cache_stops_trying_to_release_leases(
    memory_cache: ResponseCache, face: Any, eventually: Eventually
) -> None:
    store = lose(memory_cache, face, lookup=1, release=1_000_000)
    await face.remember(memory_cache, ["a"], 60, lambda: 1)
    await eventually(lambda: Release in store.lost)
    async with asyncio.timeout(30):  # half of the time for which it would try
        await memory_cache.aclose()


async def test_a_generator_that_asks_for_its_own_key_in_a_thread_does_not_wait_for_itself(
    memory_cache: ResponseCache,
) -> None:
    details = []

    async def generate() -> str:
        inner = await asyncio.to_thread(memory_cache.remember_sync, ["a"], 60, lambda: "inner")
        details.append(inner.detail)
        return f"made of {inner.value}"

    response = await memory_cache.remember(["a"], 60, generate)
    assert response.value == "made of inner"
    assert details == [CacheDetail.REENTRANT]


# -- Threads -----------------------------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that takes connections and says nothing, and the connections that it took."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}", taken
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for each in taken:
        each.close()


def test_threads_that_wait_for_a_connection_wait_for_one_deadline_only(
    new_cache: Callable[..., ResponseCache], silent: tuple[str, list[socket.socket]]
) -> None:
    """They do not wait for the deadlines of all threads before them, one after the other."""
    url, taken = silent
    # Connecting is what takes so long here; without it, the breaker would be the one to stop them.
    cache = new_cache(url, connect_deadline=2, breaker_failures=1000)
    came = threading.Barrier(40, timeout=NEVER)

    def ask(number: int) -> str:
        came.wait()
        return str(cache.remember_sync([str(number)], 60, lambda: "generated").value)

    with ThreadPoolExecutor(40) as threads:
        assert set(threads.map(ask, range(40))) == {"generated"}
    assert len(taken) <= 16, "eight at once, and those who came a moment after these had failed"


@pytest.mark.parametrize("local_bytes", [0, 1_000_000])
def test_where_no_thread_can_be_started_calls_still_return_values(
    new_cache: Callable[..., ResponseCache], valkey_url: str, local_bytes: int
) -> None:
    cache = new_cache(valkey_url, local_bytes=local_bytes)

    def refuse(_thread: threading.Thread) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert cache.remember_sync(["a"], 60, lambda: 1).value == 1
    assert cache.remember_sync(["a"], 60, lambda: 2).status is not CacheStatus.BYPASS


# -- Invalidations ------------------------------------------------------------------------------------------


async def test_a_cancelled_invalidation_still_reaches_every_slot(
    new_cache: Callable[..., ResponseCache], url: str
) -> None:
    cache = new_cache(url, slots_per_tenant=8)

    async def old() -> str:
        return "old"

    async def new() -> str:
        return "new"

    for number in range(16):
        await cache.remember([str(number)], 60, old, tags=["t"])
    invalidate = asyncio.create_task(cache.invalidate("t"))
    await asyncio.sleep(0)  # it has begun
    invalidate.cancel()
    await asyncio.wait({invalidate})
    assert invalidate.cancelled()
    trying = driver_of(cache).invalidating._trying
    while trying:
        await asyncio.wait(set(trying))
    values = [(await cache.remember([str(n)], 60, new, tags=["t"])).value for n in range(16)]
    assert set(values) == {"new"}


async def test_a_cancelled_invalidation_that_may_be_queued_is_queued_when_redis_fails(
    new_cache: Callable[..., ResponseCache], unused_port: int, eventually: Eventually
) -> None:
    cache = new_cache(
        f"redis://127.0.0.1:{unused_port}", invalidate_deadline=0.3, connect_deadline=0.3
    )
    invalidate = asyncio.create_task(cache.invalidate("t", queued=True))
    await eventually(lambda: driver_of(cache).invalidating._trying)
    invalidate.cancel()
    await asyncio.wait({invalidate})
    assert invalidate.cancelled()
    await eventually(lambda: tenant_of(cache).has_pending())


async def test_an_invalidation_that_fails_after_its_caller_was_cancelled_is_logged(
    new_cache: Callable[..., ResponseCache],
    unused_port: int,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = new_cache(
        f"redis://127.0.0.1:{unused_port}", invalidate_deadline=0.3, connect_deadline=0.3
    )
    invalidate = asyncio.create_task(cache.invalidate("t"))
    await eventually(lambda: driver_of(cache).invalidating._trying)
    invalidate.cancel()
    await asyncio.wait({invalidate})
    await eventually(lambda: "after its caller was cancelled" in caplog.text)
    for record in ours(caplog.records):
        facts = facts_of(record)
        assert f"127.0.0.1:{unused_port}" in record.getMessage()
        assert facts["response_cache.name"] == "test"
        assert facts["error.type"].startswith("redis.exceptions.")


@pytest.mark.usefixtures("tried_once")
@pytest.mark.parametrize("back", [True, False], ids=["the server is back", "it is not"])
async def test_closing_replays_pending_invalidations_or_logs_that_it_could_not(
    new_cache: Callable[..., ResponseCache],
    new_server: Callable[..., Any],
    face: Any,
    back: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for module in (async_invalidation, sync_invalidation):
        monkeypatch.setattr(module, "REPLAY_INTERVAL", NEVER)
    server = new_server()
    port = server.port
    cache = new_cache(f"redis://127.0.0.1:{port}")
    server.terminate()
    if face.synchronous:
        cache.invalidate_sync("t", queued=True)
    else:
        await cache.invalidate("t", queued=True)
    assert tenant_of(cache).has_pending()
    if back:
        new_server(port=port)
    with caplog.at_level(logging.ERROR):
        caplog.clear()
        await cache.aclose()
    assert tenant_of(cache).has_pending() is not back
    told = [
        r for r in ours(caplog.records) if "has not taken all queued invalidations" in r.message
    ]
    assert bool(told) is not back
    for record in told:
        assert f"127.0.0.1:{port}" in record.getMessage()
        assert facts_of(record)["error.type"].startswith("redis.exceptions.")


# -- Closing -----------------------------------------------------------------------------------------


async def test_a_refresh_that_ends_while_the_cache_closes_makes_no_second_driver(
    valkey_cache: ResponseCache, raw_valkey: Any
) -> None:
    cache, began, go_on = valkey_cache, asyncio.Event(), asyncio.Event()

    async def part() -> str:
        return "part"

    async def refresh() -> str:
        began.set()
        await go_on.wait()
        return (await cache.remember(["part"], 60, part)).value

    await cache.remember(["whole"], 30, part, stale=1000)
    key = tenant_of(cache).keys(["whole"]).entry
    raw_valkey.pexpire(key, raw_valkey.pttl(key) - 40_000)
    await cache.remember(["whole"], 30, refresh, stale=1000, background=True)
    await began.wait()
    closing = asyncio.create_task(cache.aclose())
    await asyncio.sleep(0)
    go_on.set()
    await closing
    assert tenant_of(cache).engine.drivers() == []
    assert raw_valkey.get(tenant_of(cache).keys(["part"]).entry) is not None


async def test_a_lease_that_cannot_have_been_granted_is_not_released(
    new_cache: Callable[..., ResponseCache], unused_port: int, face: Any
) -> None:
    """Where no server listens, ten thousand callers would leave ten thousand releases to try again."""
    cache = new_cache(f"redis://127.0.0.1:{unused_port}")
    store = lose(cache, face)
    asked: list[object] = []
    for name in ("submit", "perform_all"):
        real = getattr(store, name)

        def watched(effects: Any, *rest: Any, real: Any = real, **more: Any) -> Any:
            asked.append(effects)
            return real(effects, *rest, **more)

        setattr(store, name, watched)

    response = await face.remember(cache, ["a"], 60, lambda: 1)

    await cache.aclose()

    assert response.detail is CacheDetail.STORE_FAILURE
    assert len(asked) == 1


class Late:
    """Between a driver and its transport: the first lookup arrives only when a test says so."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._late: list[Effect[Any]] = []
        self.released = 0

    def submit(self, effect: Effect[Any], then: Callable[[Any], None], **more: Any) -> None:
        if self._is_late(effect):
            then(effect.unavailable(TimeoutError()))
        else:
            self._transport.submit(effect, self._noting(effect, then), **more)

    def perform(self, effect: Effect[Any], **more: Any) -> Any:
        (result,) = self.perform_all([effect], **more)
        return result

    def perform_all(self, effects: list[Effect[Any]], **more: Any) -> list[Any]:
        results = []
        for effect in effects:
            if self._is_late(effect):
                results.append(effect.unavailable(TimeoutError()))
            else:
                results.append(self._transport.perform(effect, **more))
                self._noting(effect, lambda _: None)(results[-1])
        return results

    def _is_late(self, effect: Effect[Any]) -> bool:
        if self._late or not isinstance(effect, Lookup | Lookups):
            return False
        self._late.append(effect)
        return True

    def _noting(self, effect: Effect[Any], then: Callable[[Any], None]) -> Callable[[Any], None]:
        def told(result: Any) -> None:
            self.released += isinstance(effect, Release)
            then(result)

        return told

    def deliver(self, raw: Any) -> None:
        """Let it arrive, as the server sees it."""
        (script, keys, arguments), _ = self._late[0].calls()
        assert not isinstance(script, str)
        words = [raw.info("server")["run_id"] if each is RUN_ID else each for each in arguments]
        raw.eval(script.text, len(keys), *keys, *words)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def test_a_lookup_that_reaches_redis_after_its_deadline_leaves_no_lease(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    face: Any,
    eventually: Eventually,
) -> None:
    """A packet that was lost and sent again can come later than what was sent on another connection."""
    cache = new_cache(valkey_url, lease=3600, wait_budget=3600)
    driver = face.driver(cache)
    store = put_between(driver, Late(driver.transport))

    response = await face.remember(cache, ["a"], 60, lambda: "generated")
    assert response.detail is CacheDetail.STORE_FAILURE
    await eventually(lambda: store.released)
    store.deliver(raw_valkey)
    assert raw_valkey.keys("*:l:*")

    await eventually(lambda: not raw_valkey.keys("*:l:*"))


async def test_closing_ends_the_subscription_though_calls_are_under_way(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    face: Any,
    eventually: Eventually,
) -> None:
    """One call is in its generator, and another waits for a lease of another process."""
    cache = new_cache(valkey_url)
    await face.remember(cache, ["warm"], 60, lambda: "v")
    raw_valkey.set(tenant_of(cache).keys(["held"]).lease, "another process", px=600_000)
    driver = face.driver(cache)
    entered, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        entered.set()
        assert go_on.wait(60)
        return "slow"

    generating = face.begin(cache, ["a"], 60, slow)
    waiting = face.begin(cache, ["held"], 60, lambda: "v")
    try:
        await asyncio.to_thread(entered.wait, 60)
        while not driver.pub_sub._sleepers:
            await asyncio.sleep(0)
        await cache.aclose()
    finally:
        go_on.set()
    assert (await generating).value == "slow"
    looked = raw_valkey.info("commandstats")["cmdstat_evalsha"]["calls"]
    await eventually(
        lambda: raw_valkey.info("commandstats")["cmdstat_evalsha"]["calls"] > looked + 1
    )
    raw_valkey.delete(tenant_of(cache).keys(["held"]).lease)
    assert (await waiting).value == "v"

    backplane = driver.pub_sub._backplane
    assert (backplane._end if face.synchronous else backplane._keeper) is None
    assert driver.transport._link._connections.idle == []


async def test_closing_takes_no_lease_from_a_generation_that_is_under_way(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    face: Any,
    eventually: Eventually,
) -> None:
    cache = new_cache(valkey_url, lease=3)
    lease = tenant_of(cache).keys(["a"]).lease
    entered, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        entered.set()
        assert go_on.wait(60)
        return "slow"

    generating = face.begin(cache, ["a"], 60, slow)
    try:
        await asyncio.to_thread(entered.wait, 60)
        raw_valkey.pexpire(lease, 60_000)  # so that a slow machine does not lose it
        await cache.aclose()
        await eventually(lambda: raw_valkey.pttl(lease) <= 3000)  # renewed
        raw_valkey.pexpire(lease, 60_000)
    finally:
        go_on.set()
    assert (await generating).detail is CacheDetail.GENERATED


async def test_closing_does_not_wait_for_invalidations_that_begin_meanwhile(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url)
    over = False

    async def invalidate() -> None:
        while not over:
            await cache.invalidate("t")

    invalidating = [asyncio.create_task(invalidate()) for _ in range(8)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(60):
            await cache.aclose()
    finally:
        over = True
        await asyncio.gather(*invalidating)


async def test_closing_a_cluster_closes_links_that_a_redirect_opens_meanwhile(
    new_cache: Callable[..., ResponseCache], unused_port: int
) -> None:
    cache = new_cache(f"redis+cluster://127.0.0.1:{unused_port}")
    cluster: Any = driver_of(cache).transport
    first, _ = (cluster._link(("127.0.0.1", port)) for port in (1, 2))
    aclose = first.aclose

    async def redirected() -> None:
        cluster._link(("127.0.0.1", 3))
        await aclose()

    first.aclose = redirected  # an answer that comes while it closes, not our code
    await cluster.aclose()

    assert len(cluster._links) == 3
    assert all(link._is_closed for link in cluster._links.values())


def test_sync_calls_work_after_the_thread_pool_was_shut_down(
    valkey_cache: ResponseCache,
) -> None:
    driver = driver_of(valkey_cache, synchronous=True)
    driver._background.shutdown()
    flow = valkey_cache.remember_sync(["a"], 60, lambda: "value", stale=60, background=True)
    assert flow.value == "value"
    raised = threading.Event()

    def fail() -> str:
        raised.set()
        raise LookupError

    with pytest.raises(LookupError):
        valkey_cache.remember_sync(["b"], 60, fail)
    assert raised.is_set()


async def test_closing_waits_for_a_refresh_in_a_thread_that_needs_the_event_loop(
    memory_cache: ResponseCache, eventually: Eventually
) -> None:
    loop, began = asyncio.get_running_loop(), threading.Event()

    def through_the_loop() -> str:
        began.set()
        return asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "value"), loop).result(PATIENCE)

    pool = driver_of(memory_cache, synchronous=True)._background
    refresh = pool.submit(through_the_loop)
    await eventually(began.is_set)
    async with asyncio.timeout(PATIENCE):
        await memory_cache.aclose()
    assert refresh.result(0) == "value"


def test_a_watchdog_whose_thread_could_not_start_starts_with_the_next_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dog = Watchdog()
    with monkeypatch.context() as patched:

        def refuse(_: threading.Thread) -> None:
            raise RuntimeError

        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            dog.watch(object(), 60)
    connection = object()
    dog.watch(connection, 60)
    assert any(thread.name == "response-cache-watchdog" for thread in threading.enumerate())
    assert dog.unwatch(connection)
