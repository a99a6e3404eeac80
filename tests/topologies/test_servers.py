"""The servers of these tests, used through redis-py only, behave as the other tests assume."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers import standalone
from tests.servers.certificates import Certificates, throw_away
from tests.servers.cluster import Cluster
from tests.servers.node import Node, ServerDidNotStartError, launch
from tests.servers.ports import unused_port
from tests.servers.sentinel import Sentinels
from tests.servers.tls import tls_url
from tests.servers.valkey import PROGRAM, QUIET, valkey_node
from tests.topologies.conftest import PREFIX, TOPOLOGIES

Running = Callable[[str], Any]

DEADLINE: dict[str, Any] = {"socket_timeout": 20}
ONCE: dict[str, Any] = DEADLINE | {"retry": Retry(NoBackoff(), 0)}
"""For what fails: redis-py would repeat it for ten seconds."""


# -- Processes ----------------------------------------------------------------------------------------


def test_a_node_that_loses_the_race_for_its_port_takes_another() -> None:
    with valkey_node() as faster:
        ports = iter([faster.port, unused_port()])
        with launch(lambda: Node(PROGRAM, next(ports), QUIET)) as node, node.client() as client:
            assert node.port != faster.port
            assert client.info("server")["tcp_port"] == node.port


def test_a_node_that_cannot_start_says_why_and_leaves_nothing() -> None:
    made: list[Node] = []

    def make() -> Node:
        made.append(Node(PROGRAM, unused_port(), {"no-such-directive": 1}))
        return made[-1]

    with pytest.raises(ServerDidNotStartError, match="no-such-directive"):
        launch(make)

    assert [node.directory for node in made if node.directory.exists()] == []


def test_a_closed_node_leaves_nothing_even_if_it_was_paused() -> None:
    node = valkey_node()
    node.pause()
    node.close()

    assert not node.directory.exists()
    with pytest.raises(redis.ConnectionError), node.client() as client:
        client.ping()


def test_a_paused_node_is_silent_until_it_is_resumed() -> None:
    with valkey_node() as node:
        node.pause()
        with pytest.raises(redis.TimeoutError), node.client(socket_timeout=0.1) as client:
            client.ping()
        node.resume()
        with node.client() as client:
            assert client.ping()


def test_a_killed_node_comes_back_where_it_was_with_its_last_snapshot() -> None:
    with standalone.plain() as server:
        with server.admin() as client:
            client.set("saved", 1)
            client.save()
            client.set("lost", 1)
        server.node.kill()
        server.node.start()
        with server.client(**DEADLINE) as client:
            assert client.mget("saved", "lost") == [b"1", None]


# -- Every topology -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOPOLOGIES)
async def test_sync_async_and_admin_clients_see_the_same_data(running: Running, name: str) -> None:
    topology = running(name)
    key = f"{{{PREFIX}:1:}}:e:"
    with topology.admin() as admin:
        admin.set(key, "value")
        with topology.client(**DEADLINE) as client:
            assert client.get(key) == b"value"
        async with topology.async_client(**DEADLINE) as client:
            assert await client.get(key) == b"value"
        assert [found for found in admin.scan_iter() if found == key.encode()]
        admin.flushall()
        assert list(admin.scan_iter()) == []


# -- Passwords and permissions ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["password", "acl"])
def test_a_client_without_credentials_is_refused(running: Running, name: str) -> None:
    node = running(name).node
    with (
        redis.Redis(port=node.port, **ONCE) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda client: client.get("{another:1:}:e:"),
        lambda client: client.keys(),
        lambda client: client.flushall(),
        lambda client: client.config_get("*"),
        lambda client: client.eval("return redis.call('FLUSHALL')", 0),
        lambda client: client.publish("anything", ""),
    ],
    ids=["another prefix", "keys", "flushall", "config", "a script", "publish"],
)
def test_the_acl_user_of_a_cache_may_do_nothing_beyond_its_permissions(
    running: Running, forbidden: Callable[[redis.Redis], Any]
) -> None:
    with running("acl").client(**DEADLINE) as client:
        assert client.set(f"{{{PREFIX}:1:}}:e:", "value")
        with pytest.raises(redis.ResponseError, match=r"(?i)no permissions|ACL failure"):
            forbidden(client)


# -- TLS ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tls", "debian-tls"])
def test_a_client_that_trusts_another_authority_refuses_the_certificate(
    running: Running, name: str
) -> None:
    url = running(name).url
    port = urlsplit(url).port
    assert port is not None
    with throw_away() as others, redis.Redis.from_url(tls_url(port, others), **ONCE) as client:
        with pytest.raises(redis.ConnectionError) as caught:
            client.ping()
        assert "CERTIFICATE_VERIFY_FAILED" in f"{caught.value}{caught.value.__context__!r}"


@pytest.mark.parametrize("name", ["tls", "debian-tls"])
def test_a_client_without_tls_is_refused(running: Running, name: str) -> None:
    port = urlsplit(running(name).url).port
    assert port is not None
    with redis.Redis(port=port, **ONCE) as client, pytest.raises(redis.RedisError):
        client.ping()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_certificate_is_valid_for_127_0_0_1_and_localhost(
    running: Running, certificates: Certificates, host: str
) -> None:
    url = running("tls").url.replace("127.0.0.1", host, 1)
    with redis.Redis.from_url(url, **DEADLINE) as client:
        assert client.ping()


# -- Sentinel -------------------------------------------------------------------------------------------


def test_a_failover_changes_the_primary_and_the_old_one_comes_back_as_its_replica(
    running: Running,
) -> None:
    sentinels: Sentinels = running("sentinel")
    old, other = sentinels.primary, sentinels.replica
    with sentinels.client(**DEADLINE) as client:
        client.set("kept", "over a failover")

        assert sentinels.fail_over() is other

        assert (sentinels.primary, sentinels.replica) == (other, old)
        sentinels.wait_for_replication()
        assert client.get("kept") == b"over a failover"
    with old.client() as asked, pytest.raises(redis.ReadOnlyError):
        asked.set("kept", "on a replica")


async def test_a_primary_that_is_killed_is_replaced_and_clients_find_the_new_one(
    sentinels: Sentinels,
) -> None:
    lost, other = sentinels.primary, sentinels.replica
    lost.kill()
    try:
        assert sentinels.notice_loss(lost) is other
        with sentinels.client(**DEADLINE) as client:
            assert client.set("found", 1)
        async with sentinels.async_client(**DEADLINE) as client:
            assert await client.get("found") == b"1"
    finally:
        lost.start()
    sentinels.wait_for_replication()
    with lost.client() as asked:
        assert asked.get("found") == b"1"


# -- Cluster --------------------------------------------------------------------------------------------


def test_each_primary_redirects_clients_to_the_owner_of_a_slot(cluster: Cluster) -> None:
    slot = cluster.slot_of("key")
    owner = cluster.owner_of(slot)
    for node in cluster.nodes:
        with node.client() as client:
            if node is owner:
                assert client.set("key", "value")
            else:
                with pytest.raises(redis.exceptions.MovedError) as caught:
                    client.get("key")
                assert caught.value.node_addr == ("127.0.0.1", owner.port)


async def test_a_slot_can_be_moved_while_clients_read_its_keys(cluster: Cluster) -> None:
    keys = [f"{{moving}}{number}" for number in range(4)]
    slot = cluster.slot_of("moving")
    source = cluster.owner_of(slot)
    target = next(node for node in cluster.nodes if node is not source)
    migration = cluster.migration(slot, target)
    with cluster.client(**DEADLINE) as client, source.client() as asked:
        client.mset_nonatomic(dict.fromkeys(keys, "value"))

        migration.begin()
        assert sorted(migration.remaining_keys()) == keys
        assert asked.get(keys[0]) == b"value"

        migration.move(*keys[:2])
        with pytest.raises(redis.exceptions.AskError):
            asked.get(keys[0])
        assert asked.get(keys[2]) == b"value"
        with pytest.raises(redis.exceptions.TryAgainError):
            asked.mget(keys)
        assert [client.get(key) for key in keys] == [b"value"] * 4

        migration.move_all()
        migration.finish()
        with pytest.raises(redis.exceptions.MovedError):
            asked.get(keys[0])
        assert [client.get(key) for key in keys] == [b"value"] * 4
        async with cluster.async_client(**DEADLINE) as other:
            assert await other.get(keys[0]) == b"value"
    assert cluster.owner_of(slot) is target


def test_keys_of_the_other_primaries_stay_reachable_when_one_is_killed(cluster: Cluster) -> None:
    lost = cluster.owner_of(cluster.slot_of("lost"))
    kept = next(f"{n}" for n in range(99) if cluster.owner_of(cluster.slot_of(f"{n}")) is not lost)
    with cluster.owner_of(cluster.slot_of(kept)).client() as client:
        lost.kill()
        try:
            assert client.set(kept, "value")
        finally:
            lost.start()
        cluster.wait_until_whole()
        assert client.get(kept) == b"value"
