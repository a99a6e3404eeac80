"""The smallest permissions with which a cache works, as rules of Redis' ACL."""

from typing import Final

SENT: Final = ("evalsha", "eval", "get", "info", "mget", "ping", "subscribe")
"""What the library sends."""

IN_SCRIPTS: Final = (
    "append",
    "del",
    "getrange",
    "hdel",
    "hget",
    "hincrby",
    "hlen",
    "hmget",
    "hscan",
    "hset",
    "pexpire",
    "pttl",
    "publish",
    "set",
    "time",
    "unlink",
)
"""What its scripts call on the server; permissions hold there as well."""

ON_CONNECTING: Final = ("client|setinfo",)
"""What redis-py sends; it does without, but each refusal is an entry in the server's ACL LOG. Redis 7.0 does
not know it, and refuses a rule that names it."""

FOR_A_DATABASE: Final = ("select",)
"""What redis-py sends where the URL names a database other than 0."""

OF_OPERATORS: Final = ("dbsize", "memory|usage", "scan")
"""What `stats` and `clear --all-tenants` of the command line send as well."""

ON_A_CLUSTER: Final = ("asking", "cluster|slots")
"""What the library sends to find the slots of a cluster."""


def smallest_permissions(
    prefix: str, *, cluster: bool = False, redis_7_0: bool = False
) -> list[str]:
    """Return the rules of a user who keeps caches of one prefix and may do nothing else.

    Args:
        prefix: The `prefix` of the caches. Keys begin with a brace and it, channels with it.
        cluster: Whether the server is a node of a cluster.
        redis_7_0: Whether the server is as old as that.
    """
    on_connecting = () if redis_7_0 else ON_CONNECTING
    commands = [*SENT, *IN_SCRIPTS, *on_connecting, *(ON_A_CLUSTER if cluster else ())]
    places = [f"~{{{prefix}:*", f"&{prefix}:*"]
    return ["resetkeys", "resetchannels", "-@all", *places, *(f"+{name}" for name in commands)]
