"""Entries are read from primaries: a replica may lack an invalidation that was acknowledged."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
from redis.cluster import LoadBalancingStrategy

from strawberry_response_cache.core import CacheSettings, CacheStatus, RedisHandle, ResponseCache
from tests.conftest import UNHURRIED
from tests.servers.cluster import Cluster, cluster_of
from tests.servers.node import Node
from tests.servers.ports import LOOPBACK
from tests.servers.valkey import cluster_node
from tests.servers.waiting import wait_until
from tests.topologies.conftest import Store

READS = ("get", "mget", "eval", "evalsha", "eval_ro", "evalsha_ro", "hget", "hmget", "pttl")
"""What a lookup asks, and its script. A primary does not send them on to its replicas."""


def reads(node: Node) -> int:
    """Return how often a server was asked for something that a lookup asks for."""
    with node.client() as client:
        stats = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{each}", {"calls": 0})["calls"] for each in READS)


async def ask_for_entries(cache: ResponseCache, face: Any) -> None:
    """Ask for entries in each way: alone, several at once, again, and after an invalidation."""
    for generated in (CacheStatus.MISS, CacheStatus.HIT):
        for number in range(5):
            key = ["a", str(number)]
            response = await face.remember(cache, key, 60, lambda: "value", tags=["t"])
            assert response.status is generated
    assert await face.remember_many(
        cache, [["a", "0"], ["b", "0"]], 60, lambda keys: ["m"] * len(keys)
    )
    await face.invalidate(cache, "t")
    assert (await face.remember(cache, ["a", "0"], 60, lambda: "new")).status is CacheStatus.MISS


@pytest.mark.parametrize(
    "store", [("sentinel", "url"), ("sentinel", "client")], indirect=True, ids=["url", "client"]
)
async def test_no_entry_is_read_from_the_replica_of_a_sentinel(store: Store, face: Any) -> None:
    topology: Any = store.topology
    primary, replica = topology.primary, topology.replica
    cache = await store.new_cache(face)
    before = reads(primary), reads(replica)

    await ask_for_entries(cache, face)

    assert reads(primary) > before[0]
    assert reads(replica) == before[1]


@pytest.fixture(scope="module")
def with_replica() -> Iterator[tuple[Cluster, Node]]:
    """A cluster of one primary, and its replica."""
    with cluster_of(1) as cluster, cluster_node({"cluster-announce-ip": LOOPBACK}) as replica:
        (primary,) = cluster.nodes
        with primary.client(decode_responses=True) as client:
            name = client.cluster("myid")
            bus = client.config_get("cluster-port")["cluster-port"]
        with replica.client(decode_responses=True) as client:
            client.cluster("meet", LOOPBACK, primary.port, bus)
            wait_until(partial(_knows, replica, name), "the replica knows the primary")
            client.cluster("replicate", name)
        wait_until(partial(_names_replica, primary, replica), "the primary names its replica")
        yield cluster, replica


def _knows(node: Node, name: str) -> bool:
    with node.client(decode_responses=True) as client:
        return name in str(client.execute_command("CLUSTER NODES"))


def _names_replica(primary: Node, replica: Node) -> bool:
    with primary.client(decode_responses=True) as client:
        return str(replica.port) in str(client.execute_command("CLUSTER SLOTS"))


@pytest.mark.parametrize("way", ["url", "client"])
async def test_no_entry_is_read_from_the_replica_of_a_cluster(
    with_replica: tuple[Cluster, Node], face: Any, way: str
) -> None:
    """Not even if the caller's own client reads from replicas."""
    cluster, replica = with_replica
    (primary,) = cluster.nodes
    options = {"socket_timeout": 20, "load_balancing_strategy": LoadBalancingStrategy.ROUND_ROBIN}
    async with AsyncExitStack() as stack:
        if way == "url":
            handle = RedisHandle.from_url(cluster.url)
        elif face.synchronous:
            handle = RedisHandle(stack.enter_context(cluster.client(**options)))
        else:
            handle = RedisHandle(await stack.enter_async_context(cluster.async_client(**options)))
        settings = CacheSettings(**UNHURRIED)
        cache = ResponseCache(handle, prefix=way, settings=settings, telemetry=False)
        await stack.enter_async_context(cache)
        await face.clear(cache)
        before = reads(primary), reads(replica)

        await ask_for_entries(cache, face)

        assert reads(primary) > before[0]
        assert reads(replica) == before[1]
