"""A primary and its replica, watched by sentinels: failed over on command, by a crash, or by a pause."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

from tests.servers.node import Node
from tests.servers.ports import LOOPBACK
from tests.servers.valkey import sentinel_node, valkey_node
from tests.servers.waiting import wait_until

SERVICE: Final = "ledger-cache"

_BRISK: Final = {
    "INFO-PERIOD": 1000,
    "PING-PERIOD": 500,
    "ASK-PERIOD": 200,
    "PUBLISH-PERIOD": 500,
    "TILT-TRIGGER": 60_000,
}
"""Sentinels look every second and not every ten, and take a busy machine for no leap of the clock.
Not more often: what they saw counts for a few of these periods only. Then nobody is good enough to
become the primary, and whoever did is told to follow the old one again."""

_DEADLINE: Final[dict[str, Any]] = {"socket_timeout": 20}
_SOON_MS: Final = 1500
_PATIENT_MS: Final = 15_000
_FAILOVER_TIMEOUT_MS: Final = 6000


class Sentinels:
    """One service: two servers, and the sentinels that say which of them is the primary.

    Args:
        servers: The first is the primary at the start.
        sentinels: All watch the same service.
    """

    def __init__(self, servers: Sequence[Node], sentinels: Sequence[Node]) -> None:
        self.nodes = tuple(servers)
        self.sentinels = tuple(sentinels)

    @property
    def url(self) -> str:
        """The URL with all sentinels in it."""
        addresses = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"redis+sentinel://{addresses}/{SERVICE}/0"

    # -- Clients ----------------------------------------------------------------------------------

    @contextmanager
    def client(self, **options: Any) -> Iterator[redis.Redis]:
        """Open a sync client that asks the sentinels whenever it connects."""
        watched = redis.sentinel.Sentinel(self._addresses(), **_DEADLINE)  # type: ignore[no-untyped-call] # redis-py has no types here
        with ExitStack() as stack:
            for sentinel in watched.sentinels:
                stack.callback(sentinel.close)
            yield stack.enter_context(watched.master_for(SERVICE, **options))  # type: ignore[no-untyped-call] # as above

    @asynccontextmanager
    async def async_client(self, **options: Any) -> AsyncIterator["redis.asyncio.Redis"]:
        """Open an async client that asks the sentinels whenever it connects."""
        watched = redis.asyncio.sentinel.Sentinel(self._addresses(), **_DEADLINE)  # type: ignore[no-untyped-call] # as above
        try:
            async with watched.master_for(SERVICE, **options) as client:
                yield client
        finally:
            for sentinel in watched.sentinels:
                await sentinel.aclose()

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """Open a client of whichever server is the primary now."""
        with self.primary.client() as client:
            yield client

    def _addresses(self) -> list[tuple[str, int]]:
        return [(LOOPBACK, sentinel.port) for sentinel in self.sentinels]

    # -- Who is what ------------------------------------------------------------------------------

    @property
    def primary(self) -> Node:
        """The server that all sentinels call the primary."""
        found: list[Node | None] = []

        def agreed() -> bool:
            found[:] = [self._primary_of(sentinel) for sentinel in self.sentinels]
            return found[0] is not None and len(set(found)) == 1

        wait_until(agreed, "the sentinels agree on a primary")
        assert found[0] is not None
        return found[0]

    @property
    def replica(self) -> Node:
        """The other server."""
        primary = self.primary
        (other,) = (node for node in self.nodes if node is not primary)
        return other

    def _primary_of(self, sentinel: Node) -> Node | None:
        with sentinel.client(decode_responses=True) as client:
            address = client.sentinel_get_master_addr_by_name(SERVICE)
        return next((node for node in self.nodes if address == (LOOPBACK, node.port)), None)

    # -- Failing over -----------------------------------------------------------------------------

    def fail_over(self) -> Node:
        """Let the replica become the primary; the old primary is told to follow it soon after.

        In between both take writes, as whenever sentinels fail over from a primary that is alive.

        Returns:
            The new primary.
        """
        old = self.primary
        with self.sentinels[0].client(decode_responses=True) as client, client.pubsub() as events:
            events.psubscribe("+switch-master", "-failover-abort-*")
            while self.primary is old:
                self.wait_for_replication()
                try:
                    client.sentinel_failover(SERVICE)
                except redis.ResponseError as error:
                    if str(error).startswith("NOGOODSLAVE"):
                        continue
                    if not str(error).startswith("INPROG"):
                        raise
                # It can come to nothing where the machine is too busy to promote in time.
                _wait_for_message(events)
        return self._wait_for_another_primary(old)

    def notice_loss(self, lost: Node) -> Node:
        """Let the sentinels find out that a primary is dead or hangs, and replace it.

        They fail over on their own only here: elsewhere a busy machine would look like a dead server.

        Args:
            lost: The primary that was killed or paused.

        Returns:
            The new primary.
        """
        # Only as many as are needed to agree: if all of them stood for election at the same moment,
        # each with its own vote, none would be elected.
        suspicious = self.sentinels[: _quorum(len(self.sentinels))]
        self._suspect_after(_SOON_MS, suspicious)
        new = self._wait_for_another_primary(lost)
        self._suspect_after(_PATIENT_MS, self.sentinels)
        for sentinel in self.sentinels:
            wait_until(
                partial(self._trusts_its_primary, sentinel), "no sentinel suspects it as well"
            )
        return new

    @staticmethod
    def _trusts_its_primary(sentinel: Node) -> bool:
        """Whether clients who ask a sentinel are led to the primary that it knows."""
        with sentinel.client(decode_responses=True) as client:
            known = client.sentinel_master(SERVICE)
        return known["is_master"] and not (known["is_sdown"] or known["is_odown"])

    @staticmethod
    def _suspect_after(milliseconds: int, sentinels: Sequence[Node]) -> None:
        for sentinel in sentinels:
            with sentinel.client() as client:
                client.sentinel_set(SERVICE, "down-after-milliseconds", milliseconds)

    def _wait_for_another_primary(self, old: Node) -> Node:
        wait_until(lambda: self.primary is not old, f"a primary other than {old!r}")
        new = self.primary
        wait_until(lambda: _role(new)[0] == "master", f"{new!r} is a primary")
        return new

    def wait_for_replication(self) -> None:
        """Wait until the replica has all that the primary has, and the sentinels know it as good."""

        def follows() -> bool:
            primary, replica = self.primary, self.replica
            try:
                if _role(replica)[:4] != ["slave", LOOPBACK, primary.port, "connected"]:
                    return False
                with primary.client() as client:
                    found = client.info("replication")
                # WAIT counts what its own connection wrote only.
                known = found.get("slave0", {"state": "none"})
                offset = known["offset"] if known["state"] == "online" else -1
                return bool(offset >= found["master_repl_offset"])
            except redis.ConnectionError:
                # Whoever is told to follow hangs up on its clients, so that they ask again.
                return False

        wait_until(follows, "the replica follows the primary")
        for sentinel in self.sentinels:
            wait_until(partial(self._is_whole, sentinel), "the sentinels know the replica")

    def _is_whole(self, sentinel: Node) -> bool:
        """Whether a sentinel would find someone to fail over to, and someone to agree with."""
        with sentinel.client(decode_responses=True) as client:
            (replica, *others) = client.sentinel_slaves(SERVICE) or [None]
            known = client.sentinel_master(SERVICE)["num-other-sentinels"]
        return (
            replica is not None
            and not others
            and replica["master-link-status"] == "ok"
            and not (replica["is_sdown"] or replica["is_disconnected"])
            and known == len(self.sentinels) - 1
        )


def _role(node: Node) -> list[Any]:
    with node.client(decode_responses=True) as client:
        role: list[Any] = client.execute_command("ROLE")
    return role


def _wait_for_message(events: Any) -> None:
    wait_until(
        lambda: events.get_message(ignore_subscribe_messages=True, timeout=1),
        "a failover ends, well or not",
    )


def _quorum(sentinels: int) -> int:
    return sentinels // 2 + 1


@contextmanager
def watched_by(sentinels: int = 1) -> Iterator[Sentinels]:
    """Run a primary, a replica, and sentinels.

    Args:
        sentinels: How many; more than half have to agree on a failover.
    """
    with ExitStack() as stack:
        primary = stack.enter_context(valkey_node())
        replica = stack.enter_context(valkey_node({"replicaof": f"{LOOPBACK} {primary.port}"}))
        # Before anyone watches, so that the first look already finds it good.
        wait_until(lambda: _role(replica)[3] == "connected", "the replica follows the primary")
        settings = {
            f"sentinel monitor {SERVICE}": f"{LOOPBACK} {primary.port} {_quorum(sentinels)}",
            f"sentinel down-after-milliseconds {SERVICE}": _PATIENT_MS,
            f"sentinel failover-timeout {SERVICE}": _FAILOVER_TIMEOUT_MS,
        }
        watchers = [stack.enter_context(sentinel_node(settings)) for _ in range(sentinels)]
        for watcher in watchers:
            with watcher.client() as client:
                for name, milliseconds in _BRISK.items():
                    client.execute_command("SENTINEL", "DEBUG", name, milliseconds)
        service = Sentinels([primary, replica], watchers)
        service.wait_for_replication()
        yield service
