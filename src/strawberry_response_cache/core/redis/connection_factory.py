"""Opens connections with redis-py, with credentials, TLS and the cache's deadlines; `addresses` asks Sentinels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

# redis-py's maintenance notifications need RESP3 and its own pool.
_ONLY_FOR_POOLS = ("maint_", "oss_", "orig_")

_ONLY_A_BUG: Final = 60.0
"""Seconds for an exchange with a server inside this process; it takes longer only if it hangs."""

Remap = Callable[[str, int], tuple[str, int]]
"""Maps the address that a cluster's node announces to the address at which it is reached."""


def never_again(*, asynchronous: bool) -> Any:  # noqa: ANN401 - of either kind
    """Return a retry policy without retries.

    redis-py would retry with pauses of seconds; a cache has to report the failure within milliseconds.
    """
    return (AsyncRetry if asynchronous else Retry)(NoBackoff(), 0)


@dataclass(frozen=True, eq=False)
class ConnectionFactory:
    """Opens connections to one server.

    The cache opens connections of its own, also if the caller passed a client. It has to read the run
    id of the server on each of them, and to count deadlines by the server's answers.

    Attributes:
        connection_class: A connection class of redis-py, sync or async.
        arguments: Its arguments.
        keep: Objects that the connections refer to weakly, such as a Sentinel's pool.
        guides: The cache's own clients that the connections use to find the server, such as those of
            Sentinels. They are closed together with the connections.
    """

    connection_class: type[Any]
    arguments: Mapping[str, Any] = field(repr=False)
    keep: object = field(default=None, repr=False)
    guides: Sequence[Any] = field(default=(), repr=False)

    @classmethod
    def of_pool(cls, pool: Any) -> "ConnectionFactory":  # noqa: ANN401 - of either kind
        """Return the factory for the connections that a pool of redis-py opens."""
        return cls(pool.connection_class, pool.connection_kwargs, pool)

    @property
    def is_fake(self) -> bool:
        """Whether this is fakeredis, which has neither restarts nor INFO."""
        return self.connection_class.__module__.startswith("fakeredis")

    def deadline(self, wanted: float) -> float:
        """Return the deadline for this server; ``wanted`` is the deadline for a server on a network.

        A server inside this process answers as soon as the process runs. A deadline of milliseconds would
        report a busy machine there, never the server.
        """
        return max(wanted, _ONLY_A_BUG) if self.is_fake else wanted

    @property
    def place(self) -> str:
        """Identifies this server among those of one deployment."""
        arguments = self.arguments
        return f"{arguments.get('host')}:{arguments.get('port')}:{arguments.get('path')}"

    @property
    def shown(self) -> str:
        """The name of the server in messages: host and port, or the Sentinel service; no credentials."""
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
        """Return the factory for another node of the same cluster."""
        return replace(self, arguments={**self.arguments, "host": host, "port": port})

    def open(self, *, asynchronous: bool, timeout: float | None, connect_timeout: float) -> Any:  # noqa: ANN401 - a connection of redis-py, sync or async
        """Return a connection that is not connected yet.

        Args:
            asynchronous: Whether it is for asyncio.
            timeout: Seconds for a read or a write; None where a deadline is counted elsewhere.
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
    """Opens connections to the nodes of a cluster.

    Attributes:
        template: The factory of any node.
        seeds: The nodes to ask for the other nodes.
        remap: See `Remap`.
    """

    template: ConnectionFactory
    seeds: tuple[tuple[str, int], ...]
    remap: Remap = field(default=lambda host, port: (host, port), repr=False)
