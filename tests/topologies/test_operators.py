"""Inspecting servers and clearing all tenants work on every topology, and reach all nodes."""

from typing import Final

import pytest

from strawberry_response_cache.core import CacheStatus, ResponseCache
from strawberry_response_cache.core._all_tenants import AllTenants
from strawberry_response_cache.core._inspection import Census, EntryState, Inspection
from tests.conftest import Face
from tests.topologies.conftest import ON_SERVERS, Store

SYNC = Face(synchronous=True)
TENANTS = [f"tenant {number}" for number in range(12)]

# The smallest user may not look at all keys; see test_permissions.py.
WHO_MAY: Final = [each for each in ON_SERVERS if each.id != "acl-url"]


def counted(cache: ResponseCache) -> Census:
    *_, census = Inspection(cache).census()
    assert isinstance(census, Census)
    return census


@pytest.mark.parametrize("store", WHO_MAY, indirect=True)
@pytest.mark.parametrize("slots", [1, 3])
async def test_inspecting_and_clearing_all_tenants_reach_all_nodes(
    store: Store, slots: int
) -> None:
    cache = await store.new_cache(SYNC, slots_per_tenant=slots)
    tenants = [cache.for_tenant(name) for name in TENANTS]
    for tenant in tenants:
        for number in range(3):
            tenant.remember_sync([str(number)], 60, lambda: "value", tags=["t"])

    assert store.topology is not None
    servers = Inspection(cache).servers()
    assert {each.role for each in servers} == {"master"}
    assert len({each.run_id for each in servers}) == len(servers)
    census = counted(cache)
    assert (census.entries, census.tenants, census.leases) == (36, 12, 0)
    assert 12 <= census.tag_tables <= 12 * slots
    assert counted_by_a_plain_client(store) == (36, census.tag_tables)

    tenants[0].invalidate_sync("t")
    assert Inspection(tenants[0]).entry(["0"]).state is EntryState.INVALIDATED
    assert Inspection(tenants[1]).entry(["0"]).state is EntryState.FRESH

    *_, cleared = AllTenants(cache).clear_stepwise()
    assert cleared == 12
    for tenant in tenants:
        assert Inspection(tenant).entry(["0"]).state is EntryState.CLEARED
        answer = tenant.remember_sync(["0"], 60, lambda: "new")
        assert (answer.status, answer.value) == (CacheStatus.MISS, "new")


def counted_by_a_plain_client(store: Store) -> tuple[int, int]:
    keys = store.all_keys()
    return sum("}:e:" in each for each in keys), sum(each.endswith("}:t") for each in keys)
