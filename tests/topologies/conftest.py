"""Every topology that is promised, started once and only when it is asked for."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Any, Final

import fakeredis
import pytest

from strawberry_response_cache.core import CacheSettings, RedisHandle, ResponseCache
from tests.conftest import UNHURRIED
from tests.servers import debian_redis, standalone
from tests.servers.certificates import Certificates, throw_away
from tests.servers.cluster import Cluster, cluster_of
from tests.servers.sentinel import Sentinels, watched_by
from tests.servers.tls import behind_tls
from tests.servers.topology import Topology

PREFIX: Final = "test"

TOPOLOGIES: Final[dict[str, Callable[[Certificates], AbstractContextManager[Topology]]]] = {
    "tcp": lambda _: standalone.plain(),
    "password": lambda _: standalone.with_password(),
    "acl": lambda _: standalone.with_acl_user(PREFIX),
    "socket": lambda _: standalone.on_socket(),
    "tls": behind_tls,
    "debian-tls": debian_redis.debian_redis,
    "sentinel": lambda _: watched_by(3),
    "one-sentinel": lambda _: watched_by(1),
    "cluster": lambda _: cluster_of(3),
}

PROMISED: Final = [name for name in TOPOLOGIES if name != "one-sentinel"]
"""What the conformance suite runs on; a lone sentinel is for failing over, again and again."""

WITH_CLIENTS: Final = ("tcp", "tls", "sentinel", "cluster")
"""Where a client of the caller's own is of another kind; a password in it is nothing to the cache."""

ON_SERVERS: Final = [
    *(pytest.param((name, "url"), id=f"{name}-url") for name in PROMISED),
    *(pytest.param((name, "client"), id=f"{name}-client") for name in WITH_CLIENTS),
]
EVERYWHERE: Final = [pytest.param(("memory", "url"), id="memory-url"), *ON_SERVERS]


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """An authority of this session, and a server's certificate."""
    with throw_away() as made:
        yield made


@pytest.fixture(scope="session")
def started(certificates: Certificates) -> Iterator[Callable[[str], Topology]]:
    """Start a topology by its name, or return it where it runs already."""
    with ExitStack() as stack:

        @functools.cache
        def start(name: str) -> Topology:
            return stack.enter_context(TOPOLOGIES[name](certificates))

        yield start


@pytest.fixture
def running(started: Callable[[str], Topology]) -> Callable[[str], Any]:
    """Return a running topology, or skip the test where this machine cannot run it."""

    def named(name: str) -> Topology:
        if name == "debian-tls" and (reason := debian_redis.why_not()):
            pytest.skip(reason)
        return started(name)

    return named


@pytest.fixture
def sentinels(running: Callable[[str], Any]) -> Sentinels:
    """The service with one sentinel, whole again after whatever an earlier test did to it."""
    service: Sentinels = running("one-sentinel")
    service.wait_for_replication()
    return service


@pytest.fixture
def cluster(running: Callable[[str], Any]) -> Cluster:
    """The cluster, empty, and whole again after whatever an earlier test did to it."""
    found: Cluster = running("cluster")
    found.repair()
    return found


@dataclass
class Store:
    """One empty topology, as the caches of one test reach it.

    Attributes:
        topology: The servers; None inside this process.
        raw: A client with all rights, to look at keys and to damage them.
        open_handle: Makes the handle of a further cache, for the sync face or the other.
    """

    topology: Topology | None
    raw: Any
    open_handle: Callable[[bool], Awaitable[RedisHandle]]
    _stack: AsyncExitStack

    async def new_cache(self, face: Any, *, prefix: str = PREFIX, **settings: Any) -> ResponseCache:
        """Return a cache for one face, closed at the end of the test."""
        handle = await self.open_handle(face.synchronous)
        chosen = CacheSettings(**(UNHURRIED | settings))
        cache = ResponseCache(handle, prefix=prefix, settings=chosen, telemetry=False)
        return await self._stack.enter_async_context(cache)

    def key(self, kind: str) -> str:
        """Return the only key of a kind: `e` for an entry, `t` for a tag table."""
        (key,) = self.raw.scan_iter(match=f"*}}:{kind}*")
        return str(key.decode())

    def all_keys(self) -> list[str]:
        """Return all keys there are."""
        return [key.decode() for key in self.raw.scan_iter()]


@pytest.fixture(params=EVERYWHERE)
async def store(
    request: pytest.FixtureRequest, running: Callable[[str], Any]
) -> AsyncIterator[Store]:
    """An empty store on each topology, by URL and around clients of the caller's own."""
    name, way = request.param
    async with AsyncExitStack() as stack:
        if name == "memory":
            shared = RedisHandle.from_url("memory://")
            source: Any = shared._address.source(False)
            inside = stack.enter_context(fakeredis.FakeRedis(connection_pool=source.keep))

            async def in_process(_: bool) -> RedisHandle:
                return shared

            yield Store(None, inside, in_process, stack)
            return

        topology: Topology = running(name)
        raw = stack.enter_context(topology.admin())
        raw.flushall()

        async def by_url(_: bool) -> RedisHandle:
            return RedisHandle.from_url(topology.url)

        async def around_a_client(synchronous: bool) -> RedisHandle:
            if synchronous:
                return RedisHandle(stack.enter_context(topology.client(socket_timeout=20)))
            client = topology.async_client(socket_timeout=20)
            return RedisHandle(await stack.enter_async_context(client))

        if name == "acl":
            raw.acl_log_reset()
        open_handle = around_a_client if way == "client" else by_url
        yield Store(topology, raw, open_handle, stack)
        if name == "acl":
            assert raw.acl_log() == [], "the user lacks a permission, which cost a hit or more"


@pytest.fixture
async def cache(store: Store, face: Any) -> ResponseCache:
    """A cache for the face under test."""
    return await store.new_cache(face)


@pytest.fixture
def other_face(face: Any) -> Any:
    """The face that is not under test, for what both have to agree on."""
    return type(face)(synchronous=not face.synchronous)


@pytest.fixture
async def neighbour(store: Store, face: Any) -> ResponseCache:
    """Another cache on the same store for the same face, as another process would have it."""
    return await store.new_cache(face)
