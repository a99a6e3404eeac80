"""How connections are opened: by redis-py, with credentials, TLS and Sentinel, under our deadlines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

# redis-py's own notices of maintenance need RESP3 and a pool of its kind.
_ONLY_FOR_POOLS = ("maint_", "oss_", "orig_")

_ONLY_A_BUG: Final = 60.0
"""Seconds that an exchange inside this process takes only if it would never end."""

Remap = Callable[[str, int], tuple[str, int]]
"""Where a node of a cluster is reached that announces itself under another address."""


def never_again(*, asynchronous: bool) -> Any:  # noqa: ANN401 - of either kind
    """Return the rule that nothing is tried again.

    redis-py would do so with pauses for seconds; a cache has to give up in milliseconds.
    """
    return (AsyncRetry if asynchronous else Retry)(NoBackoff(), 0)


@dataclass(frozen=True, eq=False)
class ConnectionFactory:
    """How to open a connection to one server.

    The cache opens connections of its own, also beside a client that its caller owns: only so can
    it tell which server's run each of them leads to, and count deadlines by the server's answers.

    Attributes:
        connection_class: A connection class of redis-py, sync or async.
        arguments: Its arguments.
        keep: What the connections refer to weakly, such as a Sentinel's pool.
        guides: Clients of our own that the connections ask for their way, such as those of
            Sentinels; whoever closes the connections closes them as well.
    """

    connection_class: type[Any]
    arguments: Mapping[str, Any] = field(repr=False)
    keep: object = field(default=None, repr=False)
    guides: Sequence[Any] = field(default=(), repr=False)

    @classmethod
    def of_pool(cls, pool: Any) -> "ConnectionFactory":  # noqa: ANN401 - of either kind
        """Return the source that a pool of redis-py's has."""
        return cls(pool.connection_class, pool.connection_kwargs, pool)

    @property
    def is_fake(self) -> bool:
        """Whether this is fakeredis, which has neither restarts nor INFO."""
        return self.connection_class.__module__.startswith("fakeredis")

    def deadline(self, wanted: float) -> float:
        """Return the deadline that suits the server, where this many seconds suit one on a network.

        A server inside this process has answered as soon as the process has run: a deadline of
        milliseconds would tell of a busy machine, and never of the server.
        """
        return max(wanted, _ONLY_A_BUG) if self.is_fake else wanted

    @property
    def place(self) -> str:
        """What tells this server from others of the same deployment."""
        arguments = self.arguments
        return f"{arguments.get('host')}:{arguments.get('port')}:{arguments.get('path')}"

    @property
    def shown(self) -> str:
        """What a message may call the server: host and port, or what leads to them; no credential."""
        arguments, service = self.arguments, getattr(self.keep, "service_name", None)
        if self.is_fake:
            return "memory://"
        if arguments.get("path"):
            return f"unix://{arguments['path']}"
        if service is not None:
            return f"{service} (through Sentinels)"
        host = str(arguments.get("host", "localhost"))
        return f"{f'[{host}]' if ':' in host else host}:{arguments.get('port', 6379)}"

    def at(self, host: str, port: int) -> "ConnectionFactory":
        """Return the source of another node of the same cluster."""
        return replace(self, arguments={**self.arguments, "host": host, "port": port})

    def open(self, *, asynchronous: bool, timeout: float | None, connect_timeout: float) -> Any:  # noqa: ANN401 - a connection of redis-py, sync or async
        """Return a connection that is not connected yet.

        Args:
            asynchronous: Whether it is one for asyncio.
            timeout: Seconds for a read or a write; None where they are counted elsewhere.
            connect_timeout: Seconds for connecting.
        """
        arguments = {
            name: value
            for name, value in self.arguments.items()
            if not name.startswith(_ONLY_FOR_POOLS)
        }
        arguments["retry"] = never_again(asynchronous=asynchronous)
        arguments["protocol"] = 2
        arguments["socket_timeout"] = timeout
        arguments["socket_connect_timeout"] = connect_timeout
        return self.connection_class(**arguments)


@dataclass(frozen=True, eq=False)
class ClusterSource:
    """How to open connections to the nodes of a cluster.

    Attributes:
        template: The source of any node.
        seeds: Nodes to ask for the others.
        remap: See `Remap`.
    """

    template: ConnectionFactory
    seeds: tuple[tuple[str, int], ...]
    remap: Remap = field(default=lambda host, port: (host, port), repr=False)
