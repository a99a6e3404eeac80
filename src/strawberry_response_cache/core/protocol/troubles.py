"""Advice on a failing server, derived from the type and code of an error and never from its text.

The text of a server's error may hold the arguments of the command, so it is never shown. It is only compared:
its first word, and texts without arguments.
"""

import ssl
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final


class Trouble(Enum):
    """The kinds of failures of the store; each has one `advice`."""

    SLOW = "slow"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    LOGIN = "login"
    PERMISSION = "permission"
    PROTECTED = "protected"
    DATABASE = "database"
    CLUSTER_NODE = "cluster_node"
    NO_CLUSTER = "no_cluster"
    CLUSTER_DOWN = "cluster_down"
    NO_PRIMARY = "no_primary"
    READ_ONLY = "read_only"
    FULL = "full"
    NOT_SAVING = "not_saving"
    NO_REPLICAS = "no_replicas"
    LOADING = "loading"
    BUSY = "busy"
    TOO_MANY_CLIENTS = "too_many_clients"
    UNKNOWN_COMMAND = "unknown_command"
    WITHOUT_RUN_ID = "without_run_id"
    NONSENSE = "nonsense"
    NOT_ASKED = "not_asked"
    OTHER = "other"

    @property
    def advice(self) -> str:
        """One sentence that says what is wrong and what to check."""
        return _ADVICE[self]

    @property
    def is_lasting(self) -> bool:
        """Whether trying again is useless until the configuration is changed."""
        return self in _LASTING


_ADVICE: Final[Mapping[Trouble, str]] = {
    Trouble.SLOW: (
        "It did not answer in time: check its load and the network, or raise read_deadline, "
        "connect_deadline or invalidate_deadline."
    ),
    Trouble.UNREACHABLE: (
        "It cannot be reached, or ended the connection: check that it runs and that its host and "
        "port are right."
    ),
    Trouble.TLS: (
        "The TLS handshake failed: check its certificate, and whether its port speaks TLS "
        "(rediss://) or not (redis://)."
    ),
    Trouble.LOGIN: "It refused the login: check the user and the password of its URL or client.",
    Trouble.PERMISSION: (
        "It does not permit this user a command, key or channel that the cache needs: check the "
        "user's ACL."
    ),
    Trouble.PROTECTED: (
        "It is in protected mode and takes no connection from another machine: set a password, or "
        "the addresses that it binds to."
    ),
    Trouble.DATABASE: (
        "It has no such database: check the number at the end of the URL; a cluster has only 0."
    ),
    Trouble.CLUSTER_NODE: (
        "It is a node of a cluster and sent the cache to another one: write "
        "redis+cluster://host:port; if the URL is one already, the cluster is moving its slots."
    ),
    Trouble.NO_CLUSTER: (
        "It is not a node of a cluster: write redis://host:port/0 instead of redis+cluster://."
    ),
    Trouble.CLUSTER_DOWN: (
        "Its cluster does not serve all slots, or is in the middle of a failover: check the state "
        "of the cluster."
    ),
    Trouble.NO_PRIMARY: (
        "No Sentinel names a primary: check their addresses and the service's name in the URL."
    ),
    Trouble.READ_ONLY: (
        "It is a replica, which takes no writes: write the primary's address, or a "
        "redis+sentinel:// URL, which follows it."
    ),
    Trouble.FULL: (
        "It is out of memory: raise its maxmemory, or set a maxmemory-policy that evicts, such as "
        "allkeys-lru."
    ),
    Trouble.NOT_SAVING: (
        "It takes no writes, because it cannot save to disk: check its disk and its own log."
    ),
    Trouble.NO_REPLICAS: "It takes no writes, because too few of its replicas are connected.",
    Trouble.LOADING: "It has just started and is still loading its data.",
    Trouble.BUSY: "It is busy with a script: check for scripts that run for seconds.",
    Trouble.TOO_MANY_CLIENTS: (
        "It accepts no more connections: raise its maxclients, or lower max_connections."
    ),
    Trouble.UNKNOWN_COMMAND: (
        "It does not know a command that the cache needs, such as EVALSHA or INFO: check for a "
        "proxy in front of it and for renamed commands."
    ),
    Trouble.WITHOUT_RUN_ID: (
        "It does not report its run id: check for a proxy in front of it, or set "
        "detect_restarts=False."
    ),
    Trouble.NONSENSE: (
        "Its answers are not those of Redis: check that the port is that of a Redis server."
    ),
    Trouble.NOT_ASKED: "It was not asked, because it failed just before.",
    Trouble.OTHER: "Check the server's own log.",
}

_LASTING: Final = frozenset(
    {Trouble.LOGIN, Trouble.PERMISSION, Trouble.DATABASE, Trouble.NO_CLUSTER}
)

# By name, because only `core/redis` imports redis-py. The closest base class counts.
_OF_TYPE: Final[Mapping[str, Trouble]] = {
    "builtins.TimeoutError": Trouble.SLOW,
    "redis.exceptions.TimeoutError": Trouble.SLOW,
    "builtins.OSError": Trouble.UNREACHABLE,
    "redis.exceptions.ConnectionError": Trouble.UNREACHABLE,
    "ssl.SSLError": Trouble.TLS,
    "redis.exceptions.AuthenticationError": Trouble.LOGIN,
    "redis.exceptions.AuthenticationWrongNumberOfArgsError": Trouble.LOGIN,
    "redis.exceptions.ExternalAuthProviderError": Trouble.LOGIN,
    "redis.exceptions.NoPermissionError": Trouble.PERMISSION,
    "redis.exceptions.AuthorizationError": Trouble.PERMISSION,
    "redis.exceptions.AskError": Trouble.CLUSTER_NODE,
    "redis.exceptions.ClusterCrossSlotError": Trouble.CLUSTER_NODE,
    "redis.exceptions.ClusterDownError": Trouble.CLUSTER_DOWN,
    "redis.exceptions.TryAgainError": Trouble.CLUSTER_DOWN,
    "redis.sentinel.MasterNotFoundError": Trouble.NO_PRIMARY,
    "redis.asyncio.sentinel.MasterNotFoundError": Trouble.NO_PRIMARY,
    "redis.exceptions.ReadOnlyError": Trouble.READ_ONLY,
    "redis.exceptions.OutOfMemoryError": Trouble.FULL,
    "redis.exceptions.BusyLoadingError": Trouble.LOADING,
    "redis.exceptions.InvalidResponse": Trouble.NONSENSE,
    "strawberry_response_cache.core.redis.replies.NonsenseError": Trouble.NONSENSE,
    "strawberry_response_cache.core.redis.wire.ForeignReplyError": Trouble.NONSENSE,
    "strawberry_response_cache.core.redis.link.NoRunIdError": Trouble.WITHOUT_RUN_ID,
    "strawberry_response_cache.core.protocol.answers.NotAskedError": Trouble.NOT_ASKED,
}

_OF_CODE: Final[Mapping[str, Trouble]] = {
    "ASK": Trouble.CLUSTER_NODE,
    "BUSY": Trouble.BUSY,
    "CLUSTERDOWN": Trouble.CLUSTER_DOWN,
    "CROSSSLOT": Trouble.CLUSTER_NODE,
    "DENIED": Trouble.PROTECTED,
    "LOADING": Trouble.LOADING,
    "MASTERDOWN": Trouble.CLUSTER_DOWN,
    "MISCONF": Trouble.NOT_SAVING,
    "MOVED": Trouble.CLUSTER_NODE,
    "NOAUTH": Trouble.LOGIN,
    "NOPERM": Trouble.PERMISSION,
    "NOREPLICAS": Trouble.NO_REPLICAS,
    "OOM": Trouble.FULL,
    "READONLY": Trouble.READ_ONLY,
    "TRYAGAIN": Trouble.CLUSTER_DOWN,
    "WRONGPASS": Trouble.LOGIN,
}
"""The kind of failure, by the first word of a server's error."""

_OF_TEXT: Final[Mapping[str, Trouble]] = {
    "DB index is out of range": Trouble.DATABASE,
    "invalid DB index": Trouble.DATABASE,
    "SELECT is not allowed in cluster mode": Trouble.DATABASE,
    "This instance has cluster support disabled": Trouble.NO_CLUSTER,
    "max number of clients reached": Trouble.TOO_MANY_CLIENTS,
    "unknown command": Trouble.UNKNOWN_COMMAND,
    "invalid password": Trouble.LOGIN,
}
"""The kind of failure, by the beginning of a text with the code ``ERR``; redis-py removes that code."""

_TOLD_BY_SERVERS: Final = frozenset(
    {"redis.exceptions.ConnectionError", "redis.exceptions.ResponseError"}
)
_MOST_CAUSES: Final = 8


def trouble_of(error: BaseException) -> Trouble:
    """Return the kind of failure for an error."""
    kind: Any = type(error)
    names = _names_of(kind)
    if names[0] in _TOLD_BY_SERVERS and (told := _told_by(error)) is not None:
        return told
    found = next((_OF_TYPE[name] for name in names if name in _OF_TYPE), Trouble.OTHER)
    if found is Trouble.UNREACHABLE and any(isinstance(e, ssl.SSLError) for e in _causes(error)):
        return Trouble.TLS  # redis-py raises one error for every failure to connect
    return found


def trouble_of_code(code: object) -> Trouble:
    """Return the kind of failure for the first word of a server's error."""
    return _OF_CODE.get(code, Trouble.OTHER) if isinstance(code, str) else Trouble.OTHER


@lru_cache(maxsize=256)
def _names_of(kind: type[BaseException]) -> tuple[str, ...]:
    return tuple(f"{each.__module__}.{each.__qualname__}" for each in kind.__mro__)


def _told_by(error: BaseException) -> Trouble | None:
    """Return the kind of failure for a server's error without a type of its own."""
    text = error.args[0] if error.args else None
    if type(text) is not str:
        return None
    code = text.partition(" ")[0]
    if code in _OF_CODE:
        return _OF_CODE[code]
    rest = text.removeprefix("ERR ")
    return next((found for begin, found in _OF_TEXT.items() if rest.startswith(begin)), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
