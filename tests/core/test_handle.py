"""`RedisHandle`: cheap, shareable, one client per event loop and one for threads, safe over fork."""

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest
import redis
import redis.asyncio

from strawberry_response_cache.core import CacheSettings, CacheStatus, RedisHandle, ResponseCache
from tests.conftest import Eventually, driver_of, settings_of

UNHURRIED = CacheSettings(read_deadline=20, connect_deadline=20)


async def value() -> str:
    return "value"


def connections(raw_valkey: Any) -> int:
    """How many clients the server has, beside the one that asks."""
    return len(raw_valkey.client_list()) - 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:hunter2@db.example:7000/3", "redis://db.example:7000"),
        ("redis://:hunter2@db.example", "redis://db.example:6379"),
        (
            "rediss://user:hunter2@db.example?ssl_cert_reqs=none&password=hunter2",
            "rediss://db.example:6379",
        ),
        ("unix://user:hunter2@/run/valkey.sock?db=1", "unix:///run/valkey.sock"),
        ("memory://", "memory://"),
    ],
)
def test_a_handle_shows_its_address_and_no_credentials(url: str, shown: str) -> None:
    handle = RedisHandle.from_url(url)
    cache = ResponseCache(handle, prefix="test", telemetry=False)

    assert (repr(handle), handle.address) == (f"RedisHandle({shown!r})", shown)
    assert repr(cache) == f"<ResponseCache 'test' on RedisHandle({shown!r})>"
    assert "hunter2" not in f"{handle!r}{cache!r}{settings_of(cache)!r}"


def test_a_handle_around_a_client_shows_no_credentials() -> None:
    with redis.Redis(password="hunter2", socket_timeout=1) as client:
        assert repr(RedisHandle(client)) == "RedisHandle('redis.client.Redis')"


def test_making_a_cache_connects_to_nothing(valkey_url: str, raw_valkey: Any) -> None:
    before = raw_valkey.info("stats")["total_connections_received"]

    ResponseCache.from_url(valkey_url, prefix="test", telemetry=False).for_tenant("a")

    assert raw_valkey.info("stats")["total_connections_received"] == before


async def test_a_loop_has_one_client_for_all_caches_of_a_handle(
    valkey_url: str, raw_valkey: Any
) -> None:
    handle = RedisHandle.from_url(valkey_url)
    caches = [
        ResponseCache(handle, prefix=f"test{n}", settings=UNHURRIED, telemetry=False)
        for n in range(5)
    ]
    for cache in caches:
        await cache.remember(["a"], 60, value)
        await cache.for_tenant("t").remember(["a"], 60, value)

    assert connections(raw_valkey) == 1
    await handle.aclose()


def test_two_loops_of_one_process_each_have_their_own_client(
    valkey_url: str, raw_valkey: Any
) -> None:
    handle = RedisHandle.from_url(valkey_url)
    cache = ResponseCache(handle, prefix="test", settings=UNHURRIED, telemetry=False)
    meeting = threading.Barrier(2)
    seen: list[tuple[CacheStatus, str]] = []

    async def visit(key: str) -> None:
        for _ in range(2):
            response = await cache.remember([key], 60, value)
        await asyncio.to_thread(meeting.wait, 60)
        seen.append((response.status, response.value))
        await cache.aclose()

    threads = [threading.Thread(target=asyncio.run, args=(visit(key),)) for key in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert seen == [(CacheStatus.HIT, "value")] * 2
    asyncio.run(_closed_after_use(cache))


async def _closed_after_use(cache: ResponseCache) -> None:
    assert (await cache.remember(["a"], 60, value)).status is CacheStatus.HIT
    await cache.aclose()


async def test_closing_closes_every_connection(
    valkey_url: str,
    raw_valkey: Any,
    eventually: Eventually,
) -> None:
    async with ResponseCache.from_url(
        valkey_url, prefix="test", telemetry=False, read_deadline=20, connect_deadline=20
    ) as cache:
        await cache.remember(["a"], 60, value)
        cache.remember_sync(["a"], 60, lambda: "no")
        assert connections(raw_valkey) == 2

    await eventually(lambda: connections(raw_valkey) == 0)


async def test_closing_one_of_two_caches_leaves_the_other_usable_and_closing_both_no_connection(
    valkey_url: str,
    raw_valkey: Any,
    eventually: Eventually,
) -> None:
    handle = RedisHandle.from_url(valkey_url)
    one, other = (
        ResponseCache(handle, prefix=name, settings=UNHURRIED, telemetry=False)
        for name in ("one", "other")
    )
    await one.remember(["a"], 60, value)
    await other.remember(["a"], 60, value)

    await one.aclose()
    assert (await other.remember(["a"], 60, value)).status is CacheStatus.HIT
    left_open = driver_of(other).transport
    await other.aclose()

    try:
        await eventually(lambda: connections(raw_valkey) == 0)
    finally:
        await left_open.aclose()


async def test_a_cache_that_was_closed_can_be_used_again(cache: ResponseCache, face: Any) -> None:
    await face.remember(cache, ["a"], 60, lambda: "value")
    await cache.aclose()

    assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "value"


async def test_a_client_of_the_caller_stays_open(valkey_url: str) -> None:
    async with redis.asyncio.Redis.from_url(valkey_url) as client:
        async with ResponseCache(
            RedisHandle(client), prefix="test", settings=UNHURRIED, telemetry=False
        ) as cache:
            await client.ping()
            used = client.connection_pool._available_connections
            await cache.remember(["a"], 60, value)
            assert (await cache.remember(["a"], 60, value)).status is CacheStatus.HIT
        assert [connection.is_connected for connection in used] == [True]


def test_a_sync_client_of_the_caller_stays_open(valkey_url: str, raw_valkey: Any) -> None:
    with redis.Redis.from_url(valkey_url, socket_timeout=20) as client:
        client.ping()
        with ResponseCache(RedisHandle(client), prefix="test", telemetry=False) as cache:
            cache.remember_sync(["a"], 60, lambda: "value")
            assert cache.remember_sync(["a"], 60, lambda: "no").value == "value"
        assert connections(raw_valkey) == 1


FORK = """
import asyncio, os, sys, threading
from strawberry_response_cache.core import ResponseCache

cache = ResponseCache.from_url(
    sys.argv[1], prefix="test", telemetry=False, read_deadline=20, connect_deadline=20,
    max_connections=1,  # batches that overlap would take one each
)

async def value():
    return "value"

async def use(who):
    statuses = [(await cache.remember([who, str(n)], 60, value)).status for n in (1, 1, 2, 2)]
    assert statuses == ["miss", "hit", "miss", "hit"], statuses
    await cache.invalidate("t")

def use_sync(who):
    statuses = [cache.remember_sync([who, str(n)], 60, lambda: 1).status for n in (3, 3)]
    assert statuses == ["miss", "hit"], statuses

def in_child(*whats):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for what in whats:
                what()
            code = 0
        finally:
            os._exit(code)
    return pid

def ended_well(pid):
    assert os.waitpid(pid, 0)[1] == 0

async def outside():
    await use("warm")
    use_sync("warm")
    await use("more")

async def main():
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow():
        entered.set()
        await go.wait()
        return "slow"

    await use("warm")
    use_sync("warm")
    flight = asyncio.create_task(cache.remember(["flown by the parent"], 60, slow))
    await entered.wait()
    pid = in_child(lambda: asyncio.run(use("child")), lambda: use_sync("child"))
    await use("parent")
    use_sync("parent")
    # Not waitpid in the loop's thread: the parent has to go on while the child lives.
    await asyncio.to_thread(ended_well, pid)
    go.set()
    assert (await flight).status == "miss"
    await use("after")
    await cache.aclose()

if sys.argv[2] == "running loop":
    asyncio.run(main())
else:
    use_sync("warm")
    pid = in_child(lambda: use_sync("child"), lambda: asyncio.run(use("child")))
    use_sync("parent")
    ended_well(pid)
    use_sync("after")
    cache.close()
print("well")
"""


@pytest.mark.parametrize("where", ["threads", "running loop"])
def test_after_a_fork_parent_and_child_each_use_connections_of_their_own(
    valkey_url: str, raw_valkey: Any, where: str
) -> None:
    before = raw_valkey.info("stats")["total_connections_received"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, valkey_url, where],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("well\n", 0), done.stderr
    opened = raw_valkey.info("stats")["total_connections_received"] - before
    # The loop's, where there is one, and the threads', in the parent and in the child.
    assert opened == {"threads": 3, "running loop": 4}[where]
