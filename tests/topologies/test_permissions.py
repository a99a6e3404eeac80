"""The permissions that a cache needs are exactly those that the documentation names."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from strawberry_response_cache.core import CacheStoreError, ResponseCache
from strawberry_response_cache.core._all_tenants import AllTenants
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._inspection import Inspection
from tests.conftest import UNHURRIED
from tests.servers import debian_redis
from tests.servers.cluster import Cluster
from tests.servers.node import Node
from tests.servers.permissions import (
    FOR_A_DATABASE,
    IN_SCRIPTS,
    OF_OPERATORS,
    ON_A_CLUSTER,
    ON_CONNECTING,
    SENT,
    smallest_permissions,
)
from tests.servers.standalone import USER
from tests.servers.valkey import valkey_node
from tests.servers.waiting import wait_until
from tests.topologies.conftest import PREFIX

PAGE = Path(__file__).parents[2] / "docs" / "production" / "servers.md"
PASSWORD = "hunter2"
PERSISTENT = UNHURRIED | {
    "invalidate_deadline": 0.5,  # an invalidation that is refused is tried for as long as this
    "breaker_failures": 1_000_000,
    "max_tags": 1000,
    "local_bytes": 1000,
    "local_max_lag": 1,  # a subscription that is refused is tried again after a quarter of it
}


def set_rules(nodes: Sequence[Node], *rules: str) -> None:
    """Set rules of the user on each node, and forget what was refused before."""
    for node in nodes:
        with node.client() as admin:
            admin.execute_command("ACL SETUSER", USER, *rules)
            admin.acl_log_reset()


def refused(nodes: Sequence[Node]) -> set[str]:
    """Return the commands and channels that were refused."""
    names: set[str] = set()
    for node in nodes:
        with node.client(decode_responses=True) as admin:
            names |= {entry["object"] for entry in admin.acl_log()}
    return names


def use_everything(url: str, nodes: Sequence[Node], prefix: str = PREFIX) -> None:
    """Let a cache do all that it ever does, whatever comes of it."""
    caches = [
        ResponseCache.from_url(url, prefix=prefix, telemetry=False, **PERSISTENT) for _ in range(2)
    ]
    with caches[0] as cache, caches[1] as neighbour:
        steps: list[Callable[[], object]] = [
            cache.ping_sync,
            lambda: cache.remember_sync(["a"], 60, lambda: 1, tags=["t"]),
            lambda: neighbour.remember_sync(["a"], 60, lambda: 1, tags=["t"]),
            lambda: cache.remember_many_sync([["a"], ["c"]], 60, lambda keys: [1] * len(keys)),
            lambda: contend(cache, neighbour, nodes),
            lambda: cache.invalidate_sync("t"),
            lambda: cache.invalidate_sync(*map(str, range(2000))),
            lambda: cache.invalidate_sync("t"),
            lambda: cache.forget_sync(["a"]),
            cache.clear_sync,
        ]
        for step in steps:
            with contextlib.suppress(Exception):  # only what the server refused is looked at
                step()
        wait_until(lambda: listeners(nodes, prefix) or refused(nodes), "they listen for news")


def listeners(nodes: Sequence[Node], prefix: str) -> int:
    """Return how many connections are subscribed to the news of the caches."""
    total = 0
    for node in nodes:
        with node.client() as admin:
            total += sum(number for _, number in admin.pubsub_numsub(f"{prefix}:1:news"))
    return total


def contend(cache: ResponseCache, neighbour: ResponseCache, nodes: Sequence[Node]) -> None:
    """Let one cache wait for what another generates, and fail to."""
    waiting = threading.Thread(
        target=lambda: neighbour.remember_sync(["b"], 60, lambda: 1, tags=["t"])
    )

    def fail() -> object:
        waiting.start()
        wait_until(lambda: marked(nodes) or refused(nodes), "the lease is marked")
        raise LookupError

    try:
        cache.remember_sync(["b"], 60, fail)
    finally:
        waiting.join(60)


def marked(nodes: Sequence[Node]) -> bool:
    """Whether somebody waits for a lease."""
    for node in nodes:
        with node.client() as admin:
            for key in admin.scan_iter(match="*}:l:*"):
                return bool((admin.get(key) or b"").endswith(b"!"))
    return False


# -- One server -----------------------------------------------------------------------------------------


@pytest.fixture
def server(running: Callable[[str], Any]) -> Iterator[Any]:
    """The server with the user, whose permissions are whole again afterwards."""
    acl = running("acl")
    with acl.admin() as admin:
        admin.flushall()
        admin.script_flush()
    set_rules(acl.nodes)
    yield acl
    set_rules(acl.nodes, *smallest_permissions(PREFIX))


def test_operators_need_the_permissions_that_are_documented_for_them(server: Any) -> None:
    with ResponseCache.from_url(server.url, prefix=PREFIX, **PERSISTENT) as cache:
        cache.remember_sync(["a"], 60, lambda: 1)
        inspection = Inspection(cache)
        assert inspection.servers()
        assert inspection.entry(["a"]).is_served
        assert refused(server.nodes) == set()
        with pytest.raises(CacheStoreError, match="check the user's ACL"):
            list(inspection.census())
        set_rules(server.nodes, *(f"+{name}" for name in OF_OPERATORS))
        assert inspection.all_keys()
        *_, census = inspection.census()
        assert (getattr(census, "entries", 0), refused(server.nodes)) == (1, set())
        *_, cleared = AllTenants(cache).clear_stepwise()
        assert (cleared, refused(server.nodes)) == (1, set())


def test_the_documented_permissions_suffice(server: Any) -> None:
    use_everything(server.url, server.nodes)

    assert refused(server.nodes) == set()


@pytest.mark.parametrize("command", [*SENT, *IN_SCRIPTS, *ON_CONNECTING])
def test_every_documented_permission_is_needed(server: Any, command: str) -> None:
    set_rules(server.nodes, f"-{command}")

    use_everything(server.url, server.nodes)

    assert command in refused(server.nodes)


def test_the_permission_for_the_channels_of_its_prefix_is_needed(server: Any) -> None:
    set_rules(server.nodes, "resetchannels", "&another:*")

    use_everything(server.url, server.nodes)

    assert f"{PREFIX}:1:news" in refused(server.nodes)


# -- A cluster ------------------------------------------------------------------------------------------


@pytest.fixture
def login(cluster: Cluster) -> Iterator[str]:
    """The cluster's URL for a user that is known on each node, and unknown again afterwards."""
    with cluster.admin() as admin:
        admin.flushall()
    rules = smallest_permissions(PREFIX, cluster=True)
    set_rules(cluster.nodes, "on", f">{PASSWORD}", *rules)
    yield cluster.url.replace("://", f"://{USER}:{PASSWORD}@")
    for node in cluster.nodes:
        with node.client() as admin:
            admin.acl_deluser(USER)


def use_a_slot_that_moves(url: str, cluster: Cluster) -> None:
    """Let a cache use its slot before and while it moves to another node."""
    use_everything(url, cluster.nodes)
    with ResponseCache.from_url(url, prefix=PREFIX, telemetry=False, **UNHURRIED) as cache:
        cache.remember_sync(["a"], 60, lambda: 1)
        slot = cluster.slot_of(tenant_of(cache).keyspace.tag_tables[0])
        owner = cluster.owner_of(slot)
        migration = cluster.migration(slot, next(n for n in cluster.nodes if n is not owner))
        migration.begin()
        migration.move_all()
        cache.remember_sync(["a"], 60, lambda: 1)
        migration.finish()
        cache.remember_sync(["a"], 60, lambda: 1)


def test_the_documented_permissions_suffice_on_a_cluster(login: str, cluster: Cluster) -> None:
    use_a_slot_that_moves(login, cluster)

    assert refused(cluster.nodes) == set()


@pytest.mark.parametrize("command", ON_A_CLUSTER)
def test_both_permissions_for_a_cluster_are_needed(
    login: str, cluster: Cluster, command: str
) -> None:
    set_rules(cluster.nodes, f"-{command}")

    use_a_slot_that_moves(login, cluster)

    assert command in refused(cluster.nodes)


# -- The documentation ------------------------------------------------------------------------------------


def documented() -> dict[bool, list[str]]:
    """Return the two lines of the documentation, by whether one is for Redis 7.0."""
    lines = re.findall(r"^ACL SETUSER .+$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(lines) == 2
    return {"+client|setinfo" not in line: line.split() for line in lines}


def test_the_documentation_names_the_smallest_permissions() -> None:
    for is_old, words in documented().items():
        assert words[5:] == smallest_permissions("ledger", redis_7_0=is_old)
    text = " ".join(PAGE.read_text("utf-8").split())
    assert " and ".join(f"`+{name}`" for name in ON_A_CLUSTER) in text
    assert all(f"`+{name}`" in text for name in (*FOR_A_DATABASE, *OF_OPERATORS))


@pytest.fixture(params=["valkey", "debian"])
def any_server(request: pytest.FixtureRequest) -> Iterator[tuple[Node, bool]]:
    """A server of each version that there is, and whether it is as old as Redis 7.0."""
    if request.param == "debian" and (reason := debian_redis.why_not()):
        pytest.skip(reason)
    is_old = request.param == "debian" and debian_redis.version() < (7, 2)
    with valkey_node() if request.param == "valkey" else debian_redis.plain_node() as node:
        yield node, is_old


@pytest.mark.parametrize("database", [0, 3])
def test_the_documented_line_for_a_server_is_accepted_and_suffices(
    any_server: tuple[Node, bool], database: int
) -> None:
    node, is_old = any_server
    words = documented()[is_old]
    with node.client() as admin:
        admin.execute_command(*words)
        if database:
            admin.execute_command(*words[:3], *(f"+{name}" for name in FOR_A_DATABASE))
    url = f"redis://ledger-cache:secret@{node.address}/{database}"

    use_everything(url, [node], prefix="ledger")

    assert refused([node]) == set()
    with ResponseCache.from_url(url, prefix="ledger", telemetry=False, **UNHURRIED) as cache:
        cache.remember_sync(["a"], 60, lambda: "stored")
        assert cache.remember_sync(["a"], 60, lambda: "again").value == "stored"


def test_the_documented_line_for_one_kind_of_server_does_not_work_on_the_other(
    any_server: tuple[Node, bool],
) -> None:
    """Otherwise one line in the documentation would be enough."""
    node, is_old = any_server
    with node.client() as admin:
        if is_old:
            with pytest.raises(redis.ResponseError):
                admin.execute_command(*documented()[False])
        else:
            admin.execute_command(*documented()[True])
            use_everything(f"redis://ledger-cache:secret@{node.address}", [node], prefix="ledger")
            assert refused([node]) == set(ON_CONNECTING)
