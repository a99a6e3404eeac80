"""What a cache promises on every topology, by URL and around a client of the caller's own.

The core's tests go into every corner on one server; these hold what a topology could break.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from tests.conftest import Eventually, UntilJoined
from tests.core.test_round_trips import Bill
from tests.damages import flipped, foreign, into_list, name_of, truncated
from tests.servers.topology import Topology, calls, clients
from tests.topologies.conftest import ON_SERVERS, Store
from tests.topologies.sources import Database

HIT, MISS, BYPASS = CacheStatus.HIT, CacheStatus.MISS, CacheStatus.BYPASS
INVALIDATIONS = ["invalidate", "forget", "clear"]

on_servers = pytest.mark.parametrize("store", ON_SERVERS, indirect=True)


def never() -> Any:
    """Generate what is never needed."""
    message = "a hit was promised"
    raise AssertionError(message)


def servers(store: Store) -> Topology:
    assert store.topology is not None
    return store.topology


# -- Hits, misses, bypasses -------------------------------------------------------------------------


async def test_the_first_call_generates_and_the_second_hits(
    cache: ResponseCache, face: Any
) -> None:
    first = await face.remember(cache, ["a"], 60, lambda: {"é": [None, 1.5]})
    second = await face.remember(cache, ["a"], 60, never)

    assert (first.status, first.detail) == (MISS, CacheDetail.GENERATED)
    assert (second.status, second.detail) == (HIT, CacheDetail.FRESH)
    assert second.value == {"é": [None, 1.5]}
    assert 0 < second.ttl <= 60


async def test_async_and_sync_calls_share_one_entry(
    store: Store, face: Any, other_face: Any
) -> None:
    cache, other = await store.new_cache(face), await store.new_cache(other_face)

    await face.remember(cache, ["a"], 60, lambda: "value", tags=["t"])
    assert (await other_face.remember(other, ["a"], 60, never)).value == "value"

    await other_face.invalidate(other, "t")
    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"


async def test_a_ttl_of_zero_generates_each_time_and_stores_nothing(
    cache: ResponseCache, face: Any, store: Store
) -> None:
    for value in ("one", "two"):
        response = await face.remember(cache, ["a"], 0, lambda v=value: v)
        assert (response.value, response.status) == (value, BYPASS)

    assert store.all_keys() == []


async def test_a_generator_that_fails_leaves_no_entry_and_no_lease(
    cache: ResponseCache, face: Any, store: Store
) -> None:
    def fail() -> Any:
        raise LookupError

    with pytest.raises(LookupError):
        await face.remember(cache, ["a"], 60, fail)

    assert [key for key in store.all_keys() if not key.endswith(":t")] == []


async def test_a_large_value_comes_back_whole(cache: ResponseCache, face: Any) -> None:
    """Larger than a TLS record, a socket's buffer and a pipeline's first chunk."""
    text = "".join(map(str, range(200_000)))
    await face.remember(cache, ["a"], 60, lambda: text)

    assert (await face.remember(cache, ["a"], 60, never)).value == text


async def test_ping_succeeds_on_every_topology(cache: ResponseCache, face: Any) -> None:
    await face.ping(cache)


# -- One run for many callers -----------------------------------------------------------------------


async def test_concurrent_callers_run_the_generator_once(
    cache: ResponseCache, face: Any, eventually: Eventually, until_joined: UntilJoined
) -> None:
    database = Database()
    leader = face.begin(cache, ["a"], 60, database.read_slowly)
    await eventually(database.is_being_read)

    others = [face.begin(cache, ["a"], 60, never) for _ in range(4)]
    await until_joined(cache, 4, ["a"], synchronous=face.synchronous)
    database.let_go()

    assert (await leader).status is MISS
    assert {(await other).value for other in others} == {"old"}


@on_servers
async def test_two_processes_run_the_generator_once(
    cache: ResponseCache, neighbour: ResponseCache, face: Any, store: Store, eventually: Eventually
) -> None:
    database = Database()
    leader = face.begin(cache, ["a"], 60, database.read_slowly)
    await eventually(database.is_being_read)

    before = calls(servers(store), "evalsha")
    follower = face.begin(neighbour, ["a"], 60, never)
    await eventually(lambda: calls(servers(store), "evalsha") > before)  # it found the lease held
    database.let_go()

    assert (await leader).status is MISS
    response = await follower
    assert (response.value, response.status) == ("old", HIT)


async def test_many_keys_of_many_tenants_at_once_are_never_mixed_up(
    cache: ResponseCache, face: Any
) -> None:
    """Tenants are spread over the slots of a cluster, and over its nodes."""
    names = [(str(tenant), str(page)) for tenant in range(6) for page in range(4)]

    async def ask(generator: Callable[[str], Any]) -> list[Any]:
        return await asyncio.gather(
            *(
                face.remember(
                    cache.for_tenant(tenant), [page], 60, lambda t=tenant, p=page: generator(t + p)
                )
                for tenant, page in names
            )
        )

    first = await ask(lambda own: own)
    again = await ask(lambda _: never())

    assert [response.status for response in first] == [MISS] * len(names)
    assert [response.status for response in again] == [HIT] * len(names)
    assert [response.value for response in again] == [tenant + page for tenant, page in names]


# -- Stale ------------------------------------------------------------------------------------------


async def test_a_stale_value_is_refreshed_by_its_caller(
    cache: ResponseCache, face: Any, store: Store
) -> None:
    await face.remember(cache, ["a"], 1000, lambda: "old", stale=1000)
    store.raw.pexpire(store.key("e"), 900_000)

    refreshed = await face.remember(cache, ["a"], 1000, lambda: "new", stale=1000)

    assert (refreshed.value, refreshed.status) == ("new", MISS)
    assert (await face.remember(cache, ["a"], 1000, never, stale=1000)).detail is CacheDetail.FRESH


async def test_a_stale_value_is_served_while_another_refreshes_it_and_if_refreshing_fails(
    cache: ResponseCache, neighbour: ResponseCache, face: Any, store: Store, eventually: Eventually
) -> None:
    database = Database("refreshed")

    def fail() -> Any:
        database.read_slowly()
        raise LookupError

    await face.remember(cache, ["a"], 1000, lambda: "old", stale=1000)
    store.raw.pexpire(store.key("e"), 900_000)
    refreshing = face.begin(cache, ["a"], 1000, fail, stale=1000)
    await eventually(database.is_being_read)

    meanwhile = await face.remember(neighbour, ["a"], 1000, never, stale=1000)
    database.let_go()

    for response in (meanwhile, await refreshing):
        assert (response.value, response.status, response.detail) == ("old", HIT, CacheDetail.STALE)


# -- Invalidations -----------------------------------------------------------------------------------------


async def test_an_invalidation_by_one_process_holds_for_the_others(
    cache: ResponseCache, neighbour: ResponseCache, face: Any
) -> None:
    for what in (*INVALIDATIONS, *INVALIDATIONS):
        await face.remember(cache, ["a"], 60, lambda w=what: w, tags=["t"])
        assert (await face.remember(neighbour, ["a"], 60, never)).value == what

        await face.invalidate_by(neighbour, what)

    assert (await face.remember(cache, ["a"], 60, lambda: "new")).status is MISS


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_invalidation_while_the_generator_runs_refuses_its_commit(
    cache: ResponseCache,
    neighbour: ResponseCache,
    face: Any,
    eventually: Eventually,
    what: str,
) -> None:
    database = Database()
    leader = face.begin(cache, ["a"], 60, database.read_slowly, tags=["t"])
    await eventually(database.is_being_read)

    database.content = "new"
    await face.invalidate_by(neighbour, what)
    database.let_go()

    response = await leader
    assert (response.value, response.detail) == ("old", CacheDetail.REFUSED)
    assert (await face.remember(neighbour, ["a"], 60, database.read)).value == "new"


async def test_tenants_share_neither_entries_nor_invalidations(
    cache: ResponseCache, face: Any
) -> None:
    invalidated, *others = tenants = [cache.for_tenant(name) for name in "abcdef"] + [cache]
    for number, tenant in enumerate(tenants):
        await face.remember(tenant, ["a"], 60, lambda n=number: n, tags=["t"])

    for what in INVALIDATIONS:
        await face.invalidate_by(invalidated, what)
        assert (
            await face.remember(invalidated, ["a"], 60, lambda w=what: w, tags=["t"])
        ).value == what

    for number, tenant in enumerate(others, 1):
        assert (await face.remember(tenant, ["a"], 60, never)).value == number


# -- Damage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [truncated, flipped, foreign], ids=name_of)
async def test_a_damaged_entry_is_generated_again_and_then_hits(
    cache: ResponseCache, face: Any, store: Store, damage: Any
) -> None:
    await face.remember(cache, ["a"], 60, lambda: "stored", stale=60)

    damage(store.raw, store.key("e"))

    assert (await face.remember(cache, ["a"], 60, lambda: "new", stale=60)).value == "new"
    assert (await face.remember(cache, ["a"], 60, never, stale=60)).value == "new"


@pytest.mark.parametrize("kind", ["entry", "lease", "tag table"])
async def test_after_a_key_of_a_foreign_type_a_value_is_generated_again_and_then_hits(
    cache: ResponseCache, face: Any, store: Store, kind: str
) -> None:
    await face.remember(cache, ["a"], 60, lambda: "stored")
    entry, table = store.key("e"), store.key("t")
    if kind == "lease":
        store.raw.delete(entry)
    key = {"entry": entry, "lease": entry.replace("}:e:", "}:l:"), "tag table": table}[kind]
    into_list(store.raw, key)

    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"
    assert (await face.remember(cache, ["a"], 60, never)).value == "new"


@pytest.mark.parametrize("lost", ["tag table", "everything"])
async def test_a_loss_of_data_makes_entries_misses_and_nothing_outdated_is_served(
    cache: ResponseCache, face: Any, store: Store, lost: str
) -> None:
    """The server may evict the tag table, or an administrator may flush all."""
    for parts in (["a"], ["b"]):
        await face.remember(cache, parts, 60, lambda: "old", tags=["t"])
    await face.invalidate(cache, "t")
    if lost == "everything":
        store.raw.flushall()
    else:
        store.raw.delete(store.key("t"))

    for parts in (["a"], ["b"]):
        assert (await face.remember(cache, parts, 60, lambda: "new")).value == "new"
        assert (await face.remember(cache, parts, 60, never)).value == "new"


@pytest.mark.parametrize("lost", ["tag table", "everything"])
async def test_data_lost_while_the_generator_runs_refuses_its_commit(
    cache: ResponseCache, face: Any, store: Store, lost: str
) -> None:
    def generate() -> str:
        if lost == "everything":
            store.raw.flushall()
        else:
            store.raw.delete(store.key("t"))
        return "old"

    assert (await face.remember(cache, ["a"], 60, generate)).detail is CacheDetail.REFUSED
    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"


# -- What it costs ----------------------------------------------------------------------------------


@on_servers
async def test_a_hit_of_an_entry_that_was_read_before_is_one_script_in_one_round_trip(
    cache: ResponseCache, face: Any, store: Store
) -> None:
    async def cost() -> int:
        opened = [Bill(client) for client in to_each]
        await face.remember(cache, ["a"], 60, never)
        trips = sum(bill.round_trips() for bill in opened)
        sent = [calls(servers(store), command) for command in ("evalsha", "get", "eval")]
        assert sent == [1, 0, 0]
        return trips

    for generator in (lambda: "value", never):
        await face.remember(cache, ["a"], 60, generator)
    with ExitStack() as stack:
        to_each = [stack.enter_context(node.client()) for node in servers(store).nodes]
        for _ in range(20):
            if (trips := await cost()) == 1:
                break  # in the other looks, a sentinel or a replica talked to the server as well
    assert trips == 1


@on_servers
@pytest.mark.parametrize("step", ["lookup", "commit", "release", "invalidate"])
async def test_a_script_flush_at_any_step_fails_no_call(
    cache: ResponseCache, face: Any, store: Store, step: str
) -> None:
    def flush() -> str:
        store.raw.script_flush()
        if step == "release":
            raise LookupError
        return "value"

    if step == "release":
        with pytest.raises(LookupError):
            await face.remember(cache, ["a"], 60, flush)
        assert [key for key in store.all_keys() if "}:l:" in key] == []
        return
    await face.remember(cache, ["a"], 60, flush, tags=["t"])
    if step == "lookup":
        flush()
    assert (await face.remember(cache, ["a"], 60, never)).value == "value"
    if step == "invalidate":
        flush()
        await face.invalidate(cache, "t")
        assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"


@on_servers
async def test_closing_a_cache_closes_the_connections_that_it_opened(
    store: Store, face: Any, eventually: Eventually
) -> None:
    topology = servers(store)
    async with await store.new_cache(face) as cache:
        before = clients(topology)
        await face.remember(cache, ["a"], 60, lambda: "value")
        opened = clients(topology) - before
        assert opened

    await eventually(lambda: not opened & clients(topology))
