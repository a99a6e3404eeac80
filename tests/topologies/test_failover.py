"""A sentinel replaces the primary: requests go on, and no acknowledged invalidation is undone.

Of one process: another, whose connections still lead to an old primary that takes writes until it is
told of the new one, reads and invalidates there. Nothing but the servers could prevent that.
"""

import asyncio
from typing import Any

import pytest

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from tests.conftest import Eventually
from tests.servers.sentinel import Sentinels
from tests.topologies.conftest import Store
from tests.topologies.sources import assert_nobody_is_waited_for, hold
from tests.topologies.traffic import Traffic

pytestmark = pytest.mark.parametrize(
    "store",
    [("one-sentinel", "url"), ("one-sentinel", "client")],
    indirect=True,
    ids=["url", "client"],
)

HURRIED: dict[str, Any] = {"read_deadline": 1, "connect_deadline": 1}


@pytest.fixture
async def cache(sentinels: Sentinels, store: Store, face: Any) -> ResponseCache:
    """A cache that does not wait long for a primary that is gone."""
    return await store.new_cache(face, **HURRIED)


async def test_requests_go_on_over_a_failover_and_no_read_is_older_than_an_invalidation(
    cache: ResponseCache, face: Any, sentinels: Sentinels
) -> None:
    async with Traffic(cache, face) as traffic:
        await traffic.flows()
        await asyncio.to_thread(sentinels.fail_over)
        await traffic.flows()

    assert traffic.outdated == []


async def test_requests_go_on_over_the_death_of_the_primary_and_no_read_is_older_than_an_invalidation(
    cache: ResponseCache, face: Any, sentinels: Sentinels
) -> None:
    lost = sentinels.primary
    try:
        async with Traffic(cache, face) as traffic:
            await traffic.flows()
            lost.kill()
            await asyncio.to_thread(sentinels.notice_loss, lost)
            await traffic.flows()
    finally:
        lost.start()

    assert traffic.outdated == []


@pytest.mark.parametrize("what", ["invalidate", "forget", "clear"])
async def test_a_promoted_replica_that_lacks_an_invalidation_serves_nothing_outdated(
    cache: ResponseCache, face: Any, sentinels: Sentinels, what: str
) -> None:
    primary, replica = sentinels.primary, sentinels.replica
    await face.remember(cache, ["a"], 600, lambda: "old", tags=["t"])
    sentinels.wait_for_replication()

    # Without its link, and unable to ask for a new one, it hears of nothing that follows.
    replica.pause()
    with primary.client() as client:
        client.client_kill_filter(_type="replica")
    await face.invalidate_by(cache, what)
    primary.kill()
    try:
        replica.resume()
        await asyncio.to_thread(sentinels.notice_loss, primary)

        assert (await face.remember(cache, ["a"], 600, lambda: "new", tags=["t"])).value == "new"
    finally:
        primary.start()


async def test_a_lease_of_a_lost_primary_keeps_no_caller_waiting(
    sentinels: Sentinels, store: Store, face: Any, eventually: Eventually
) -> None:
    """The lease is replicated, but its run can store nothing on the new primary."""
    very_long = {**HURRIED, "lease": 3600, "wait_budget": 7200}
    cache, fresh = [await store.new_cache(face, **very_long) for _ in range(2)]
    held = await hold(cache, face, eventually)
    lease = tenant_of(cache).keys(["a"]).lease
    with sentinels.replica.client() as replica:
        await eventually(lambda: replica.exists(lease))

    lost = sentinels.primary
    lost.kill()
    try:
        await asyncio.to_thread(sentinels.notice_loss, lost)
        await assert_nobody_is_waited_for(fresh, face, held)
    finally:
        lost.start()
