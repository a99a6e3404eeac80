"""A slot moves to another primary while its entries are used, and primaries come and go."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import CacheStatus, CacheStoreError, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from tests.servers.cluster import Cluster
from tests.servers.resharding import SlotMigration
from tests.topologies.conftest import Store
from tests.topologies.traffic import Traffic

pytestmark = pytest.mark.parametrize(
    "store", [("cluster", "url"), ("cluster", "client")], indirect=True, ids=["url", "client"]
)


@pytest.fixture
async def cache(cluster: Cluster, store: Store, face: Any) -> ResponseCache:
    """A cache that does not wait long for a node that is gone."""
    return await store.new_cache(face, read_deadline=1, connect_deadline=1)


async def migration_of(cluster: Cluster, key: str) -> SlotMigration:
    """Return a migration of a key's slot to any other primary."""
    slot = cluster.slot_of(key)
    owner = cluster.owner_of(slot)
    return cluster.migration(slot, next(node for node in cluster.nodes if node is not owner))


async def test_requests_go_on_over_a_migration_and_no_read_is_older_than_an_invalidation(
    cache: ResponseCache, face: Any, cluster: Cluster, store: Store
) -> None:
    await face.remember(cache, ["a"], 60, lambda: "value")
    migration = await migration_of(cluster, store.key("t"))
    async with Traffic(cache, face) as traffic:
        await traffic.flows()
        for step in (migration.begin, migration.move_all, migration.finish):
            await asyncio.to_thread(step)
        await traffic.flows()

    assert traffic.outdated == []


MOVES: dict[str, Callable[[SlotMigration, Store], None]] = {
    "nothing": lambda migration, store: None,
    "the entry": lambda migration, store: migration.move(store.key("e")),
    "the tag table": lambda migration, store: migration.move(store.key("t")),
    "all": lambda migration, store: migration.move_all(),
}


@pytest.mark.parametrize("moved", MOVES)
@pytest.mark.parametrize("what", ["invalidate", "forget", "clear"])
async def test_an_invalidation_in_the_middle_of_a_migration_holds_from_then_on(
    cache: ResponseCache,
    face: Any,
    cluster: Cluster,
    store: Store,
    moved: str,
    what: str,
) -> None:
    await face.remember(cache, ["a"], 600, lambda: "old", tags=["t"])
    migration = await migration_of(cluster, store.key("t"))
    migration.begin()
    try:
        MOVES[moved](migration, store)
        try:
            await face.invalidate_by(cache, what)
        except CacheStoreError:
            invalidated = False  # its keys are on both sides: the cluster takes it from nobody
        else:
            invalidated = True
        middle = await face.remember(cache, ["a"], 600, lambda: "new", tags=["t"])
    finally:
        migration.move_all()
        migration.finish()
    after = await face.remember(cache, ["a"], 600, lambda: "new", tags=["t"])

    if invalidated:
        assert (middle.value, after.value) == ("new", "new")
    else:
        assert moved in {"the entry", "the tag table"}
    await face.invalidate_by(cache, what)
    assert (await face.remember(cache, ["a"], 600, lambda: "newer")).value == "newer"


@pytest.mark.parametrize("moved", MOVES)
async def test_a_call_in_the_middle_of_a_migration_gets_a_value_and_later_calls_hit(
    cache: ResponseCache, face: Any, cluster: Cluster, store: Store, moved: str
) -> None:
    await face.remember(cache, ["a"], 600, lambda: "kept")
    migration = await migration_of(cluster, store.key("t"))
    migration.begin()
    try:
        MOVES[moved](migration, store)
        middle = await face.remember(cache, ["a"], 600, lambda: "generated")
    finally:
        migration.move_all()
        migration.finish()

    # A free lease is a key that is missing, for which the cluster refuses the whole script.
    assert middle.value in {"kept", "generated"}
    again = [await face.remember(cache, ["a"], 600, lambda: "generated") for _ in range(2)]
    assert again[1].status is CacheStatus.HIT


async def test_the_loss_of_one_primary_affects_only_tenants_in_its_slots(
    face: Any, cluster: Cluster, store: Store
) -> None:
    # However many of the tenants are its own: an open breaker would not see at once that it is back.
    deadlines: dict[str, Any] = {"read_deadline": 60, "connect_deadline": 60}
    cache = await store.new_cache(face, breaker_failures=1_000_000, **deadlines)
    tenants = [cache.for_tenant(number) for number in range(12)]
    owners = []
    for tenant in tenants:
        await face.remember(tenant, ["a"], 600, lambda: "kept")
        owners.append(cluster.owner_of(cluster.slot_of(tenant_of(tenant).keyspace.tag_tables[0])))
    lost = owners[0]
    lost.kill()
    try:
        responses, seconds = [], []
        for tenant in tenants:
            started = time.monotonic()
            responses.append(await face.remember(tenant, ["a"], 600, lambda: "generated"))
            seconds.append(time.monotonic() - started)
    finally:
        lost.start()
        await asyncio.to_thread(cluster.wait_until_whole)

    for owner, response in zip(owners, responses, strict=True):
        felt = (CacheStatus.BYPASS, "generated")
        assert (response.status, response.value) == (
            felt if owner is lost else (CacheStatus.HIT, "kept")
        )
    assert max(seconds) < 30, "half of the deadline"
    for tenant in tenants:
        await face.remember(tenant, ["a"], 600, lambda: "again")
        assert (await face.remember(tenant, ["a"], 600, lambda: "no")).status is CacheStatus.HIT
