"""`RedisHandle`: a server, and the connections to it of each event loop and of all threads."""

import asyncio
import os
import threading
import weakref
from typing import TYPE_CHECKING

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core.redis.addresses import (
    Address,
    address_of_client,
    address_of_url,
)
from strawberry_response_cache.core.redis.async_transport import (
    AsyncCluster,
    AsyncServer,
    AsyncTransport,
)
from strawberry_response_cache.core.redis.connection_factory import ClusterSource
from strawberry_response_cache.core.redis.sync_transport import (
    SyncCluster,
    SyncServer,
    SyncTransport,
)

if TYPE_CHECKING:
    import redis
    import redis.asyncio

_handles: "weakref.WeakSet[RedisHandle]" = weakref.WeakSet()
_inherited: list[object] = []
"""A child's copies of its parent's connections, which are never freed. A stream that is freed removes its
socket from its loop's epoll, which the child shares with the parent; the parent would get no answers."""


def _leave_connections_to_the_parent() -> None:
    for handle in list(_handles):
        _inherited.append(handle.connections())
        handle.drop_connections()


os.register_at_fork(after_in_child=_leave_connections_to_the_parent)


class RedisHandle:
    """A handle on a Redis or Valkey server, which several caches can share.

    It connects when it is first used, once for each event loop and once for all threads. It reconnects by
    itself and survives ``fork``.

    Args:
        client: A client of redis-py. A `redis.asyncio.Redis` or `redis.asyncio.RedisCluster` serves the
            async methods of caches, a `redis.Redis` or `redis.RedisCluster` the sync methods. The cache
            does not use or close the client. It opens connections of its own to the same server, with the
            same credentials.

    Raises:
        CacheConfigurationError: If it is not such a client, decodes responses, or is a sync client without a
            ``socket_timeout``.

    Example:
        >>> RedisHandle.from_url("redis://:secret@localhost:6379/0")
        RedisHandle('redis://localhost:6379')
    """

    def __init__(
        self,
        client: "redis.Redis | redis.asyncio.Redis | redis.RedisCluster | redis.asyncio.RedisCluster",
    ) -> None:
        self._prepare(address_of_client(client))

    @classmethod
    def from_url(cls, url: str) -> "RedisHandle":
        """Return a handle for a URL, without connecting.

        Args:
            url: ``redis://user:password@host:6379/0``, ``rediss://...`` (TLS), ``unix:///path``,
                ``redis+sentinel://host:26379,host:26379/service/0``,
                ``redis+cluster://host:6379,host:6379``, or ``memory://`` (a server inside this process;
                needs the extra ``memory``).

        Returns:
            The handle, for the async and the sync methods of caches.

        Raises:
            CacheConfigurationError: If the URL is none of these, or ``memory://`` lacks its extra.

        Example:
            >>> RedisHandle.from_url("redis+cluster://one:6379,two:6379").address
            'redis+cluster://one:6379,two:6379'
        """
        handle = cls.__new__(cls)
        handle._prepare(address_of_url(url))  # noqa: SLF001 - its own constructor
        return handle

    def _prepare(self, address: Address) -> None:
        self._address = address
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self.drop_connections()
        _handles.add(self)

    def connections(self) -> object:
        """Return the objects that hold all connections; the cache keeps them alive after a fork."""
        return dict(self._async), self._sync

    def drop_connections(self) -> None:
        """Drop all connections without closing them: after a fork, they belong to the parent."""
        self._async: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[CacheSettings, AsyncTransport]
        ] = weakref.WeakKeyDictionary()
        self._sync: dict[CacheSettings, SyncTransport] = {}

    def __repr__(self) -> str:
        """Return the server's address, without a password."""
        return f"RedisHandle({self.address!r})"

    @property
    def address(self) -> str:
        """The server's scheme, host and port, without credentials."""
        return self._address.shown

    @property
    def place(self) -> str:
        """The server's host and port, as log lines show it after "Redis at"."""
        return self._address.place

    def async_transport(self, settings: CacheSettings) -> AsyncTransport:
        """Return the transport of the running event loop; caches call it.

        Args:
            settings: The settings of the cache.

        Raises:
            CacheConfigurationError: If the handle was made around a sync client.
        """
        loop = asyncio.get_running_loop()
        transports = self._async.get(loop)
        if transports is None:
            with self._lock:
                for ended in [known for known in self._async if known.is_closed()]:
                    del self._async[ended]
                transports = self._async.setdefault(loop, {})
        transport = transports.get(settings)
        if transport is None:
            source = self._address.source(True)  # noqa: FBT003 - asynchronous
            transport = (
                AsyncCluster(source, settings)
                if isinstance(source, ClusterSource)
                else AsyncServer(source, settings)
            )
            transports[settings] = transport
        transport.users += 1
        return transport

    async def release_async(self, transport: AsyncTransport) -> None:
        """Release the transport of the running loop. It closes with its last user.

        Args:
            transport: What `async_transport` returned.
        """
        transport.users -= 1
        if transport.users == 0:
            transports = self._async.get(asyncio.get_running_loop(), {})
            for settings in [s for s, known in transports.items() if known is transport]:
                del transports[settings]
            await transport.aclose()

    def sync_transport(self, settings: CacheSettings) -> SyncTransport:
        """Return the transport of all threads; caches call it.

        Args:
            settings: The settings of the cache.

        Raises:
            CacheConfigurationError: If the handle was made around an async client.
        """
        with self._lock:
            transport = self._sync.get(settings)
            if transport is None:
                source = self._address.source(False)  # noqa: FBT003 - asynchronous
                transport = (
                    SyncCluster(source, settings)
                    if isinstance(source, ClusterSource)
                    else SyncServer(source, settings)
                )
                self._sync[settings] = transport
            transport.users += 1
        return transport

    def release_sync(self, transport: SyncTransport) -> None:
        """Release the transport of all threads. It closes with its last user.

        Args:
            transport: What `sync_transport` returned.
        """
        with self._lock:
            transport.users -= 1
            if transport.users:
                return
            for settings in [s for s, known in self._sync.items() if known is transport]:
                del self._sync[settings]
        transport.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop and of the threads."""
        for transport in self._async.pop(asyncio.get_running_loop(), {}).values():
            await transport.aclose()
        self.close()

    def close(self) -> None:
        """Close the connections of the threads."""
        with self._lock:
            transports, self._sync = self._sync, {}
        for transport in transports.values():
            transport.close()
