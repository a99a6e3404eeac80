"""Three primaries that share the slots of one cluster, and the live migration of a slot."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final

import redis
import redis.asyncio

from tests.servers.node import Node
from tests.servers.ports import LOOPBACK
from tests.servers.resharding import SlotMigration
from tests.servers.valkey import cluster_node
from tests.servers.waiting import wait_until

SLOTS: Final = 16_384

_SETTINGS: Final = {
    "cluster-announce-ip": LOOPBACK,
    "cluster-node-timeout": 10_000,  # longer than a busy machine ever keeps a node waiting
    # What the other nodes hold stays in reach when one is gone: the choice of whoever runs a cache.
    "cluster-require-full-coverage": "no",
}


class Cluster:
    """Primaries without replicas, each with a share of the slots.

    Args:
        nodes: The processes; they know each other already.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)
        self._seed = f"redis://{self.nodes[0].address}"

    @property
    def url(self) -> str:
        """The URL with all nodes in it."""
        return f"redis+cluster://{','.join(node.address for node in self.nodes)}"

    # -- Clients ----------------------------------------------------------------------------------

    @contextmanager
    def client(self, **options: Any) -> Iterator[redis.RedisCluster]:
        """Open a sync client that finds the nodes by itself."""
        with redis.RedisCluster.from_url(self._seed, **options) as client:
            yield client

    @asynccontextmanager
    async def async_client(self, **options: Any) -> AsyncIterator["redis.asyncio.RedisCluster"]:
        """Open an async client that finds the nodes by itself."""
        async with redis.asyncio.RedisCluster.from_url(self._seed, **options) as client:
            yield client

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """Open a client that sees the keys of all nodes."""
        with self.client(socket_timeout=20) as client:
            yield client

    # -- Slots ------------------------------------------------------------------------------------

    def slot_of(self, key: str) -> int:
        """Return the slot of a key."""
        with self.nodes[0].client() as client:
            return int(client.cluster("keyslot", key))

    def owner_of(self, slot: int) -> Node:
        """Return the node that has a slot."""
        (owner,) = (node for node in self.nodes if _owns(node, slot))
        return owner

    def migration(self, slot: int, target: Node) -> SlotMigration:
        """Return a migration of a slot that has not begun, for a test to look at its steps."""
        source = self.owner_of(slot)
        others = [node for node in self.nodes if node not in {source, target}]
        return SlotMigration(slot, source, target, others)

    def migrate_slot(self, slot: int, target: Node) -> None:
        """Move a slot and its keys to another node while clients use them."""
        migration = self.migration(slot, target)
        migration.begin()
        migration.move_all()
        migration.finish()

    # -- Nodes that go and come back --------------------------------------------------------------

    def repair(self) -> None:
        """Drop all keys, end migrations that were begun and left, and wait until all is well."""
        for node in self.nodes:
            with node.client(decode_responses=True) as client:
                client.flushall()
                for moving in _itself(client)["migrations"]:
                    client.cluster("setslot", moving["slot"], "STABLE")
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Wait until every node knows all others and finds all slots served."""
        for node in self.nodes:
            wait_until(partial(self._is_whole_for, node), f"{node!r} finds all well")

    def _is_whole_for(self, node: Node) -> bool:
        with node.client(decode_responses=True) as client:
            told = client.cluster("info")
        return (
            told["cluster_state"] == "ok"
            and int(told["cluster_slots_ok"]) == SLOTS
            and int(told["cluster_known_nodes"]) == len(self.nodes)
        )


def _owns(node: Node, slot: int) -> bool:
    with node.client(decode_responses=True) as client:
        return any(int(span[0]) <= slot <= int(span[-1]) for span in _itself(client)["slots"])


def _itself(client: Any) -> dict[str, Any]:
    """Return what a node knows of itself."""
    (itself,) = (node for node in client.cluster("nodes").values() if "myself" in node["flags"])
    return dict(itself)


@contextmanager
def cluster_of(primaries: int = 3) -> Iterator[Cluster]:
    """Run a cluster in which each primary has an equal share of the slots."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(cluster_node(_SETTINGS)) for _ in range(primaries)]
        for number, node in enumerate(nodes):
            first, beyond = (SLOTS * share // primaries for share in (number, number + 1))
            with node.client() as client:
                # Epochs of their own from the start, so that they need not settle that first.
                client.cluster("set-config-epoch", number + 1)
                client.cluster("addslotsrange", first, beyond - 1)
                for other in nodes[:number]:
                    with other.client() as known:
                        bus = known.config_get("cluster-port")["cluster-port"]
                    client.cluster("meet", LOOPBACK, other.port, bus)
        cluster = Cluster(nodes)
        cluster.wait_until_whole()
        yield cluster
