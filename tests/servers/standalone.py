"""One server, reached over TCP, with a password, as a user with few rights, or over a socket."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import redis
import redis.asyncio

from tests.servers.node import Node, quoted
from tests.servers.permissions import smallest_permissions
from tests.servers.valkey import valkey_node

PASSWORD: Final = 'p@ss/w:rd %?#"\\é'
"""Every character that a URL or a configuration file could trip over."""

USER: Final = "cache"


@dataclass(frozen=True)
class Standalone:
    """One server and the URL by which applications reach it.

    Attributes:
        node: The process.
        url: How applications reach it; `Node.client` has all rights instead.
    """

    node: Node
    url: str

    @property
    def nodes(self) -> Sequence[Node]:
        """The one process."""
        return (self.node,)

    @contextmanager
    def client(self, **options: Any) -> Iterator[redis.Redis]:
        """Open a sync client of the URL."""
        with redis.Redis.from_url(self.url, **options) as client:
            yield client

    @asynccontextmanager
    async def async_client(self, **options: Any) -> AsyncIterator["redis.asyncio.Redis"]:
        """Open an async client of the URL."""
        async with redis.asyncio.Redis.from_url(self.url, **options) as client:
            yield client

    def admin(self) -> AbstractContextManager[Any]:
        """Open a client that may do everything, past whatever the URL goes through."""
        client: AbstractContextManager[Any] = self.node.client()
        return client


@contextmanager
def plain() -> Iterator[Standalone]:
    """Run a server on TCP that asks for nothing."""
    with valkey_node() as node:
        yield Standalone(node, f"redis://{node.address}")


@contextmanager
def with_password() -> Iterator[Standalone]:
    """Run a server on TCP that asks for a password (`requirepass`)."""
    settings = {"requirepass": quoted(PASSWORD)}
    with valkey_node(settings, connection={"password": PASSWORD}) as node:
        yield Standalone(node, f"redis://:{quote(PASSWORD, safe='')}@{node.address}")


@contextmanager
def with_acl_user(prefix: str) -> Iterator[Standalone]:
    """Run a server on TCP on which the application is a user with the smallest permissions.

    Args:
        prefix: The prefix of the caches that the user may keep.
    """
    rules = " ".join(smallest_permissions(prefix))
    settings = {f"user {USER}": f"on >hunter2 {rules}", "requirepass": "for-the-administrator"}
    with valkey_node(settings, connection={"password": "for-the-administrator"}) as node:
        yield Standalone(node, f"redis://{USER}:hunter2@{node.address}")


@contextmanager
def on_socket() -> Iterator[Standalone]:
    """Run a server that applications reach over a unix socket."""
    with valkey_node({"unixsocket": "{directory}/s", "unixsocketperm": "700"}) as node:
        yield Standalone(node, f"unix://{node.directory}/s")
