"""An invalidation that Redis has acknowledged is never lost, whatever runs at the same time."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from strawberry_response_cache.core import (
    CacheDetail,
    CacheSettings,
    CacheStatus,
    CacheStoreError,
    RedisHandle,
    ResponseCache,
)
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import tag_digests
from strawberry_response_cache.core.protocol import RUN_ID, Commit, Forget, Lease
from strawberry_response_cache.core.protocol.entry import ValueRecording
from tests.conftest import Eventually, driver_of, joined


class Database:
    """A database whose reads take as long as the test wants."""

    def __init__(self) -> None:
        self.content = "old"
        self.reads = 0
        self.read = asyncio.Event()
        self.go = asyncio.Event()

    async def slow(self) -> str:
        content = self.content
        self.reads += 1
        self.read.set()
        await self.go.wait()
        return content

    async def quick(self) -> str:
        self.reads += 1
        return self.content


INVALIDATIONS = ["invalidate", "forget", "clear"]


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_invalidation_removes_what_was_stored(
    cache: ResponseCache, face: Any, what: str
) -> None:
    await face.remember(cache, ["a"], 60, lambda: "old", tags=["t"])

    await face.invalidate_by(cache, what)

    again = await face.remember(cache, ["a"], 60, lambda: "new", tags=["t"])
    assert (again.value, again.status) == ("new", CacheStatus.MISS)
    assert (await face.remember(cache, ["a"], 60, lambda: "no", tags=["t"])).value == "new"


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_invalidation_removes_a_stale_value(
    cache: ResponseCache, face: Any, raw: Any, what: str
) -> None:
    def fail() -> object:
        raise LookupError

    await face.remember(cache, ["a"], 1000, lambda: "old", tags=["t"], stale=1000)
    raw.pexpire(tenant_of(cache).keys(["a"]).entry, 900_000)

    await face.invalidate_by(cache, what)

    with pytest.raises(LookupError):
        await face.remember(cache, ["a"], 1000, fail, tags=["t"], stale=1000)


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_invalidation_while_the_generator_runs_is_not_lost(
    cache: ResponseCache, face: Any, what: str
) -> None:
    database = Database()
    leader = asyncio.create_task(cache.remember(["a"], 60, database.slow, tags=["t"]))
    await database.read.wait()

    database.content = "new"
    await face.invalidate_by(cache, what)
    database.go.set()

    response = await leader
    assert (response.value, response.status, response.detail, response.ttl) == (
        "old",
        CacheStatus.MISS,
        CacheDetail.REFUSED,
        0,
    )
    assert (await cache.remember(["a"], 60, database.quick, tags=["t"])).value == "new"


@pytest.mark.parametrize("what", INVALIDATIONS)
def test_an_invalidation_while_the_generator_runs_in_a_thread_is_not_lost(
    cache: ResponseCache, what: str
) -> None:
    def generate() -> str:
        {
            "invalidate": lambda: cache.invalidate_sync("t"),
            "forget": lambda: cache.forget_sync(["a"]),
            "clear": lambda: cache.clear_sync(),  # noqa: PLW0108 - as the others
        }[what]()
        return "old"

    first = cache.remember_sync(["a"], 60, generate, tags=["t"])
    again = cache.remember_sync(["a"], 60, lambda: "new", tags=["t"])

    assert (first.value, first.detail) == ("old", CacheDetail.REFUSED)
    assert (again.value, again.status) == ("new", CacheStatus.MISS)


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_a_caller_after_an_invalidation_gets_a_value_generated_after_it(
    cache: ResponseCache, face: Any, eventually: Eventually, what: str
) -> None:
    database = Database()
    leader = asyncio.create_task(cache.remember(["a"], 60, database.slow, tags=["t"]))
    await database.read.wait()

    database.content = "new"
    await face.invalidate_by(cache, what)
    later = [
        asyncio.create_task(cache.remember(["a"], 60, database.quick, tags=["t"]))
        for _ in range(10)
    ]
    await eventually(lambda: joined(cache) == 10 or all(task.done() for task in later))
    database.go.set()

    assert (await leader).value == "old"
    assert {response.value for response in await asyncio.gather(*later)} == {"new"}
    assert database.reads == 2, "those who looked again cost one run, not ten"


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_a_thread_that_asks_after_an_invalidation_gets_what_was_generated_after_it(
    cache: ResponseCache, eventually: Eventually, what: str
) -> None:
    content = "old"
    entered, go = threading.Event(), threading.Event()

    def slow() -> str:
        read = content
        entered.set()
        assert go.wait(60)
        return read

    with ThreadPoolExecutor(6) as threads:
        leader = threads.submit(cache.remember_sync, ["a"], 60, slow, tags=["t"])
        try:
            await eventually(entered.is_set)
            content = "new"
            if what == "invalidate":
                cache.invalidate_sync("t")
            elif what == "forget":
                cache.forget_sync(["a"])
            else:
                cache.clear_sync()
            later = [
                threads.submit(cache.remember_sync, ["a"], 60, lambda: content, tags=["t"])
                for _ in range(5)
            ]
            await eventually(
                lambda: joined(cache, synchronous=True) == 5 or all(task.done() for task in later)
            )
        finally:
            go.set()
        assert leader.result(60).value == "old"
        assert {task.result(60).value for task in later} == {"new"}


@pytest.mark.parametrize("place", [0, 999, 1000, 2099])
async def test_each_of_2100_tags_invalidates(cache: ResponseCache, face: Any, place: int) -> None:
    """The server reads at most 1000 of them at once."""
    tags = sorted((f"t{number}" for number in range(2100)), key=lambda tag: tag_digests([tag]))
    await face.remember(cache, ["a"], 60, lambda: "old", tags=tags)
    assert (await face.remember(cache, ["a"], 60, lambda: "new", tags=tags)).value == "old"
    await face.invalidate(cache, tags[place])
    again = await face.remember(cache, ["a"], 60, lambda: "new", tags=tags)
    assert (again.value, again.status) == ("new", CacheStatus.MISS)


@pytest.mark.parametrize("place", [0, 999, 1000, 2099])
def test_each_of_2100_tags_refuses_what_is_being_generated(
    cache: ResponseCache, place: int
) -> None:
    tags = sorted((f"t{number}" for number in range(2100)), key=lambda tag: tag_digests([tag]))

    def generate() -> str:
        cache.invalidate_sync(tags[place])
        return "old"

    refused = cache.remember_sync(["a"], 60, generate, tags=tags)
    assert refused.detail is CacheDetail.REFUSED
    assert cache.remember_sync(["a"], 60, lambda: "new", tags=tags).value == "new"


async def test_an_invalidation_holds_for_tags_found_while_generating(cache: ResponseCache) -> None:
    database = Database()
    leader = asyncio.create_task(
        cache.remember(["a"], 60, database.slow, tags=lambda value: [f"found in {value}"])
    )
    await database.read.wait()

    database.content = "new"
    await cache.invalidate("found in old")
    database.go.set()

    assert (await leader).detail is CacheDetail.REFUSED
    assert (await cache.remember(["a"], 60, database.quick)).value == "new"


async def test_an_invalidation_before_the_first_entry_is_not_lost(
    cache: ResponseCache,
) -> None:
    """Nothing is stored, not even a tag table, when the invalidation arrives."""
    database = Database()
    await cache.invalidate("t")
    leader = asyncio.create_task(cache.remember(["a"], 60, database.slow, tags=["t"]))
    await database.read.wait()
    database.content = "new"
    await cache.clear()
    await cache.invalidate("t")
    database.go.set()

    assert (await leader).detail is CacheDetail.REFUSED
    assert (await cache.remember(["a"], 60, database.quick, tags=["t"])).value == "new"


async def test_an_invalidation_of_similar_tags_and_of_another_key_leaves_an_entry(
    cache: ResponseCache, face: Any
) -> None:
    await face.remember(cache, ["a"], 60, lambda: "kept", tags=["Book:1", "Book"])

    await face.invalidate(cache, "Book:11", "Boo", "book", "", "Book,Book:1", "BookBook:1")
    await face.invalidate(cache)
    await face.forget(cache, ["b"])

    assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "kept"


async def test_an_invalidation_of_another_tag_while_the_generator_runs_does_not_prevent_storing(
    cache: ResponseCache, face: Any
) -> None:
    database = Database()
    leader = asyncio.create_task(cache.remember(["a"], 60, database.slow, tags=["t"]))
    await database.read.wait()
    await face.invalidate(cache, "another")
    await face.forget(cache, ["another"])
    database.go.set()

    assert (await leader).detail is CacheDetail.GENERATED
    assert (await cache.remember(["a"], 60, database.quick)).status is CacheStatus.HIT


async def test_an_entry_made_after_an_invalidation_is_not_invalidated_by_it(
    cache: ResponseCache, face: Any
) -> None:
    for value in ("first", "second", "third"):
        await face.invalidate(cache, "t")
        await face.remember(cache, ["a"], 60, lambda v=value: v, tags=["t"])
        assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == value


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_invalidation_stays_within_its_tenant(
    cache: ResponseCache, face: Any, what: str
) -> None:
    tenants = [
        cache,
        cache.for_tenant("a"),
        cache.for_tenant("b"),
        cache.for_tenant("a").for_tenant("c"),
    ]
    for tenant in tenants:
        await face.remember(tenant, ["a"], 60, lambda: "kept", tags=["t"])

    await face.invalidate_by(tenants[1], what)

    values = [(await face.remember(each, ["a"], 60, lambda: "new")).value for each in tenants]
    assert values == ["kept", "new", "kept", "kept"]


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_async_or_sync_invalidation_by_another_cache_reaches_a_run_under_way(
    new_cache: Callable[..., ResponseCache], valkey_url: str, face: Any, what: str
) -> None:
    one, other = new_cache(valkey_url), new_cache(valkey_url)
    database = Database()
    leader = asyncio.create_task(one.remember(["a"], 60, database.slow, tags=["t"]))
    await database.read.wait()
    database.content = "new"
    await face.invalidate_by(other, what)
    database.go.set()
    await leader

    assert (await other.remember(["a"], 60, database.quick, tags=["t"])).value == "new"


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_a_value_committed_between_the_scripts_of_forget_is_not_served(
    cache: ResponseCache, raw: Any, after: int
) -> None:
    """The server runs these scripts one by one, and others between them."""
    keys = tenant_of(cache).keys(["a"])
    database = Database()
    leader = asyncio.create_task(cache.remember(["a"], 60, database.slow))
    await database.read.wait()
    database.content = "new"
    calls: Any = Forget(keys, 1000).calls()
    for number, (script, of_keys, arguments) in enumerate(calls):
        if number == after:
            database.go.set()
            await leader
        told = ["" if each is RUN_ID else each for each in arguments]
        raw.eval(script.text, len(of_keys), *of_keys, *told)
    database.go.set()
    await leader

    assert (await cache.remember(["a"], 60, database.quick)).value == "new"


@pytest.mark.parametrize("stands", ["entry", "lease", "nothing"])
async def test_a_root_field_of_a_failed_run_is_stored_only_where_no_entry_and_no_lease_is(
    cache: ResponseCache, raw: Any, stands: str
) -> None:
    tenant = tenant_of(cache)
    keys = tenant.keys(["a"])
    piece = tenant.keys_in_slot_of(["piece"], keys)
    database = Database()
    leader = asyncio.create_task(cache.remember(["a"], 60, database.slow))
    await database.read.wait()
    token, epoch, clock = raw.get(keys.lease).decode().split()
    recording = ValueRecording(b"piece", 60_000)
    lease = Lease(token, epoch, int(clock))
    commit = Commit(keys, lease, recording, beside=((piece, recording),), only_absent=True)
    if stands != "nothing":
        raw.set(getattr(piece, stands), "of another", px=60_000)
    calls: Any = commit.calls()
    script, of_keys, arguments = calls[0]
    told = ["" if each is RUN_ID else each for each in arguments]
    raw.eval(script.text, len(of_keys), *of_keys, *told)
    found = raw.get(piece.entry)
    database.go.set()
    await leader
    assert (found is not None and found.endswith(b"piece")) is (stands == "nothing")


async def test_a_caller_after_an_invalidation_joins_no_run_that_began_while_redis_was_away(
    valkey_cache: ResponseCache, eventually: Eventually
) -> None:
    """Redis does not answer when the run begins, and acknowledges the invalidation later."""
    database = Database()
    driver: Any = driver_of(valkey_cache)
    link = driver.transport._link
    ask = link.ask
    away = True

    def flapping(calls: Any, then: Callable[[Any], None], **options: Any) -> None:
        if away:
            then(redis.exceptions.ConnectionError())
        else:
            ask(calls, then, **options)

    link.ask = flapping  # the network, not our code
    leader = asyncio.create_task(valkey_cache.remember(["a"], 60, database.slow, tags=["t"]))
    await database.read.wait()
    away = False

    database.content = "new"
    await valkey_cache.invalidate("t")
    later = asyncio.create_task(valkey_cache.remember(["a"], 60, database.quick, tags=["t"]))
    await eventually(lambda: joined(valkey_cache) == 1 or later.done())
    database.go.set()

    assert (await leader).value == "old"
    assert (await later).value == "new", "it asked after the invalidation was acknowledged"


async def test_bytes_of_another_write_than_the_checked_one_are_not_served(
    cache: ResponseCache, raw: Any
) -> None:
    """The entry may be replaced between its check and its reading."""
    database = Database()
    await cache.remember(["a"], 60, database.quick, tags=["t"])
    invalidated = raw.get(tenant_of(cache).keys(["a"]).entry)
    database.content = "new"
    await cache.invalidate("t")
    await cache.remember(["a"], 60, database.quick, tags=["t"])

    driver: Any = driver_of(cache)
    link = driver.transport._link
    ask = link.ask
    times = 1

    def crossed(calls: Any, then: Callable[[Any], None], **options: Any) -> None:
        def told(share: Any) -> None:
            nonlocal times
            if times and len(share) == 2:
                times -= 1
                share = (share[0], invalidated)
            then(share)

        ask(calls, told, **options)

    link.ask = crossed  # the network, not our code
    response = await cache.remember(["a"], 60, database.quick, tags=["t"])

    assert times == 0
    assert (response.value, response.status) == ("new", CacheStatus.HIT)


# -- Invalidations that fail, and bounds ----------------------------------------------------------------------


SECRETS = ("hunter2", "Book", "ledger", "acme")


@pytest.mark.usefixtures("tried_once")
@pytest.mark.parametrize("what", [*INVALIDATIONS, "ping"])
async def test_an_invalidation_that_was_not_taken_is_an_error_without_secrets(
    new_cache: Callable[..., ResponseCache], unused_port: int, face: Any, what: str
) -> None:
    cache = new_cache(f"redis://user:hunter2@127.0.0.1:{unused_port}/0").for_tenant("acme")

    with pytest.raises(
        CacheStoreError, match=r"did not take it \(ConnectionError\)\. .*check that it runs"
    ) as caught:
        await {
            "invalidate": lambda: face.invalidate(cache, "Book:42"),
            "forget": lambda: face.forget(cache, ["/v1/ledger"]),
            "clear": lambda: face.clear(cache),
            "ping": lambda: face.ping(cache),
        }[what]()

    error: BaseException | None = caught.value
    assert f"127.0.0.1:{unused_port}" in str(error)
    while error is not None:
        assert not any(secret in f"{error!r}{error.args}" for secret in SECRETS)
        error = error.__cause__ or error.__context__


async def test_a_full_server_still_takes_an_invalidation(
    new_server: Callable[..., Any], new_cache: Callable[..., ResponseCache], face: Any
) -> None:
    server = new_server()
    cache = new_cache(f"redis://127.0.0.1:{server.port}")
    await face.remember(cache, ["a"], 60, lambda: "old", tags=["t"])
    with redis.Redis(port=server.port) as raw:
        raw.config_set("maxmemory-policy", "noeviction")
        raw.config_set("maxmemory", "1")

    assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "old"
    await face.invalidate(cache, "t")

    # The entry that is dead makes room for the lease, and what is generated has none.
    response = await face.remember(cache, ["a"], 60, lambda: "new")
    assert (response.value, response.detail) == ("new", CacheDetail.STORE_FAILURE)
    response = await face.remember(cache, ["a"], 60, lambda: "newer")
    assert (response.value, response.detail) == ("newer", CacheDetail.NO_LEASE)


@pytest.mark.usefixtures("tried_once")
async def test_an_invalidation_that_the_server_refuses_raises(
    new_server: Callable[..., Any],
    new_cache: Callable[..., ResponseCache],
    face: Any,
    unused_port: int,
) -> None:
    server = new_server()
    cache = new_cache(f"redis://127.0.0.1:{server.port}")
    await face.remember(cache, ["a"], 60, lambda: "old", tags=["t"])
    with redis.Redis(port=server.port) as raw:
        raw.replicaof("127.0.0.1", unused_port)

    assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "old"
    with pytest.raises(
        CacheStoreError, match="a replica, which takes no writes: write the primary's address"
    ):
        await face.invalidate(cache, "t")


async def test_the_tag_table_is_bounded_and_its_overflow_makes_older_entries_misses(
    new_cache: Callable[..., ResponseCache], url: str, face: Any, raw_of: Callable[..., Any]
) -> None:
    cache = new_cache(url, max_tags=1000)
    raw = raw_of(cache)
    await face.remember(cache, ["a"], 60, lambda: "old", tags=["t"])

    async def invalidate(number: int) -> int:
        await face.invalidate(cache, *(f"{number}:{each}" for each in range(50)))
        return int(raw.hlen(tenant_of(cache).keyspace.tag_tables[0]))

    assert max([await invalidate(number) for number in range(19)]) <= 1000
    assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "old"
    assert max([await invalidate(number) for number in range(19, 120)]) <= 1300
    assert (await face.remember(cache, ["a"], 60, lambda: "new", tags=["t"])).value == "new"
    assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "new"


async def test_an_overflow_of_the_tag_table_keeps_younger_entries(
    new_cache: Callable[..., ResponseCache], url: str, face: Any
) -> None:
    cache = new_cache(url, max_tags=1000)
    for number in range(10):
        await face.invalidate(cache, *(f"{number}:{each}" for each in range(100)))
    await face.remember(cache, ["a"], 60, lambda: "young", tags=["t"])

    await face.invalidate(cache, *(f"last:{each}" for each in range(100)))

    assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "young"
    await face.invalidate(cache, "t")
    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"


async def test_a_value_generated_while_the_tag_table_overflows_is_not_stored(
    new_cache: Callable[..., ResponseCache], url: str
) -> None:
    cache = new_cache(url, max_tags=1000)

    def generate() -> str:
        cache.invalidate_sync("t")
        cache.invalidate_sync(*(str(number) for number in range(1001)))
        cache.remember_sync(["another"], 60, lambda: "makes a new table")
        return "old"

    assert cache.remember_sync(["a"], 60, generate, tags=["t"]).detail is CacheDetail.REFUSED


async def test_every_key_in_redis_has_an_expiry(cache: ResponseCache, face: Any, raw: Any) -> None:
    seen: list[int] = []

    def generate() -> str:
        seen.extend(raw.pttl(key) for key in raw.scan_iter())
        return "value"

    await face.remember(cache, ["a"], 3600, generate, tags=["t"], stale=3600)
    await face.invalidate(cache, "t")
    keys = tenant_of(cache).keys(["a"])

    assert seen
    assert all(life > 0 for life in seen)
    assert 0 < raw.pttl(keys.entry) < raw.pttl(keys.tags)


async def test_the_tag_table_outlives_the_longest_entry(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    year = 365 * 24 * 3600
    await face.remember(cache, ["long"], year, lambda: "value")
    await face.remember(cache, ["short"], 1, lambda: "value")

    keys = tenant_of(cache).keys(["long"])
    assert raw.pttl(keys.entry) < raw.pttl(keys.tags)


async def test_a_tag_table_expires_soon_after_the_last_entry_that_it_guards(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    def fail() -> str:
        raise LookupError

    table = tenant_of(cache).keys(["a"]).tags
    with pytest.raises(LookupError):
        await face.remember(cache, ["a"], 3600, fail)
    assert 0 < raw.pttl(table) <= 5 * 60 * 1000
    await face.remember(cache, ["a"], 10, lambda: "value")
    assert 10_000 < raw.pttl(table) <= 10_000 + 5 * 60 * 1000


async def test_the_expiry_of_a_tag_table_is_extended_while_a_generator_runs(
    new_cache: Callable[..., ResponseCache], url: str, raw_of: Any, eventually: Eventually
) -> None:
    cache = new_cache(url, lease=0.3)
    raw = raw_of(cache)
    table = tenant_of(cache).keys(["a"]).tags

    lease = tenant_of(cache).keys(["a"]).lease

    async def generate() -> str:
        raw.pexpire(lease, 60_000)  # so that a slow machine does not lose it
        raw.pexpire(table, 2_000)
        await eventually(lambda: raw.pttl(table) > 2_000)
        raw.pexpire(lease, 60_000)
        return "value"

    await cache.remember(["a"], 60, generate)
    assert (await cache.remember(["a"], 60, generate)).status is CacheStatus.HIT


async def test_a_cache_made_from_a_client_of_the_caller_invalidates(valkey_url: str) -> None:
    async with redis.asyncio.Redis.from_url(valkey_url) as client:
        handle = RedisHandle(client)
        settings = CacheSettings(read_deadline=20)
        async with ResponseCache(
            handle, prefix="test", settings=settings, telemetry=False
        ) as cache:
            database = Database()
            await cache.remember(["a"], 60, database.quick, tags=["t"])
            database.content = "new"
            await cache.invalidate("t")
            assert (await cache.remember(["a"], 60, database.quick)).value == "new"
