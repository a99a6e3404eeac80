"""A killed server restarts with its stored data: nothing outdated is served, and no caller waits for an old lease."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from tests.conftest import Eventually
from tests.servers import standalone
from tests.servers.cluster import Cluster
from tests.servers.standalone import Standalone
from tests.servers.valkey import valkey_node
from tests.topologies.conftest import Store
from tests.topologies.sources import Database, assert_nobody_is_waited_for, hold

INVALIDATIONS = ["invalidate", "forget", "clear"]

NewCache = Callable[..., ResponseCache]


@pytest.fixture
def server() -> Iterator[Standalone]:
    """A server of this test alone."""
    with standalone.plain() as started:
        yield started


def save(server: Standalone) -> None:
    with server.admin() as admin:
        admin.save()


def restart_from_snapshot(server: Standalone) -> None:
    server.node.kill()
    server.node.start()


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_invalidation_that_the_snapshot_lacks_is_not_undone(
    new_cache: NewCache, server: Standalone, face: Any, what: str
) -> None:
    cache, fresh = new_cache(server.url), new_cache(server.url)
    await face.remember(cache, ["a"], 600, lambda: "old", tags=["t"])
    save(server)
    await face.invalidate_by(cache, what)

    restart_from_snapshot(server)

    assert (await face.remember(fresh, ["a"], 600, lambda: "new", tags=["t"])).value == "new"
    assert (await face.remember(cache, ["a"], 600, lambda: "no", tags=["t"])).value == "new"


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_a_commit_after_a_restart_is_checked_against_an_invalidation_that_the_snapshot_lacks(
    new_cache: NewCache,
    server: Standalone,
    face: Any,
    eventually: Eventually,
    what: str,
) -> None:
    cache, database = new_cache(server.url), Database()
    leader = face.begin(cache, ["a"], 600, database.read_slowly, tags=["t"])
    await eventually(database.is_being_read)
    save(server)
    database.content = "new"
    await face.invalidate_by(cache, what)

    restart_from_snapshot(server)
    database.let_go()

    assert (await leader).detail is not CacheDetail.GENERATED
    assert (await face.remember(cache, ["a"], 600, database.read, tags=["t"])).value == "new"


async def test_a_restart_costs_misses_and_then_entries_hit_again(
    new_cache: NewCache, server: Standalone, face: Any
) -> None:
    cache = new_cache(server.url)
    await face.remember(cache, ["a"], 600, lambda: "old", tags=["t"])
    save(server)

    restart_from_snapshot(server)

    again = await face.remember(cache, ["a"], 600, lambda: "new", tags=["t"])
    assert again.status is CacheStatus.MISS
    assert (await face.remember(cache, ["a"], 600, lambda: "no", tags=["t"])).value == "new"


# -- Leases of another life of the server ---------------------------------------------------------

VERY_LONG: dict[str, Any] = {"lease": 3600, "wait_budget": 7200}


@pytest.fixture
def server_with_aof() -> Iterator[Standalone]:
    """A server of this test alone that writes down each command."""
    with valkey_node({"appendonly": "yes", "appendfsync": "always"}) as node:
        yield Standalone(node, f"redis://{node.address}")


@pytest.mark.parametrize("others", [False, True], ids=["first of its tenant", "not the first"])
@pytest.mark.parametrize("how", ["snapshot", "AOF"])
async def test_a_lease_that_a_restart_restores_keeps_no_caller_waiting(
    request: pytest.FixtureRequest,
    new_cache: NewCache,
    face: Any,
    eventually: Eventually,
    how: str,
    others: bool,
) -> None:
    server = request.getfixturevalue("server" if how == "snapshot" else "server_with_aof")
    cache, fresh = (new_cache(server.url, **VERY_LONG) for _ in range(2))
    held = await hold(cache, face, eventually)
    if how == "snapshot":
        save(server)

    restart_from_snapshot(server)

    with server.admin() as admin:
        assert admin.exists(tenant_of(cache).keys(["a"]).lease), "it came back"
    if others:  # the epoch of the new life has begun by then
        await face.remember(fresh, ["another"], 600, lambda: "value")
    await assert_nobody_is_waited_for(fresh, face, held)


async def test_a_lease_of_a_server_that_did_not_restart_is_waited_for(
    new_cache: NewCache, server: Standalone, face: Any, eventually: Eventually
) -> None:
    cache, fresh = (new_cache(server.url, lease=10, wait_budget=budget) for budget in (60, 10))
    held = await hold(cache, face, eventually)
    response = await face.remember(fresh, ["a"], 600, lambda: "new", tags=["t"])
    assert response.detail is CacheDetail.WAITED_OUT
    held.database.let_go()
    assert (await held.leader).detail is CacheDetail.GENERATED


@pytest.mark.parametrize("store", [("cluster", "url")], indirect=True, ids=["cluster"])
@pytest.mark.parametrize("how", ["restart", "migration"])
async def test_a_lease_in_a_cluster_that_moved_or_was_restored_keeps_no_caller_waiting(
    cluster: Cluster, store: Store, face: Any, eventually: Eventually, how: str
) -> None:
    cache, fresh = [await store.new_cache(face, **VERY_LONG) for _ in range(2)]
    held = await hold(cache, face, eventually)
    slot = cluster.slot_of(tenant_of(cache).keys(["a"]).lease)
    node = cluster.owner_of(slot)

    if how == "restart":
        with node.client() as admin:
            admin.save()
        node.kill()
        node.start()
        cluster.wait_until_whole()
    else:
        cluster.migrate_slot(slot, next(each for each in cluster.nodes if each is not node))

    with cluster.admin() as admin:
        assert admin.exists(tenant_of(cache).keys(["a"]).lease), "it came back"
    await assert_nobody_is_waited_for(fresh, face, held)
