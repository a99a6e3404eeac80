"""`RedisHandle`: where the server is, and one lazily connected client per event loop and for threads."""

import asyncio
import importlib
import os
import threading
import weakref
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core._transport import AsyncTransport, SyncTransport

SCHEMES: Final = ("redis://", "rediss://", "unix://", "memory://")

# One repeat, at once, and only where the connection was found dead: a server that restarted or
# dropped an idle connection. Every script can be repeated; a timeout is never repeated.
_RETRIES = 1

_handles: "weakref.WeakSet[RedisHandle]" = weakref.WeakSet()


def _drop_inherited_connections() -> None:
    for handle in list(_handles):
        handle.forget_connections()


os.register_at_fork(after_in_child=_drop_inherited_connections)


class RedisHandle:
    """A cheap, shareable handle on a Redis or Valkey server.

    It connects when first used, once per event loop and once for all threads, reconnects by itself
    and survives ``fork``. Several caches can share one.

    Args:
        client: A `redis.asyncio.Redis` (serves the async methods) or a `redis.Redis` (serves the
            sync ones) that stays the caller's to close.

    Raises:
        CacheConfigurationError: If it is no such client, decodes responses, or is a sync client
            without a ``socket_timeout``.

    Example:
        >>> RedisHandle.from_url("redis://:secret@localhost:6379/0")
        RedisHandle('redis://localhost:6379')
    """

    def __init__(self, client: "redis.Redis | redis.asyncio.Redis") -> None:
        self._check_client(client)
        name = f"{type(client).__module__}.{type(client).__qualname__}"
        self._prepare(client, url="", address=name)

    @classmethod
    def from_url(cls, url: str) -> "RedisHandle":
        """Return a handle for a URL, without connecting.

        Args:
            url: ``redis://user:password@host:6379/0``, ``rediss://...`` (TLS), ``unix:///path`` or
                ``memory://`` (inside this process; needs the extra ``memory``).

        Raises:
            CacheConfigurationError: If the URL is none of these.
        """
        if not isinstance(url, str) or "://" not in url:
            msg = f"The server's address is a URL, such as redis://localhost:6379/0: {', '.join(SCHEMES)}."
            raise CacheConfigurationError(msg)
        scheme = url.split("://", 1)[0].lower() + "://"
        if scheme not in SCHEMES:
            msg = f"The URL scheme {scheme!r} is not known; use one of {', '.join(SCHEMES)}."
            raise CacheConfigurationError(msg)
        url = scheme + url[len(scheme) :]  # schemes have no case, but redis-py knows only one
        address = _checked_address(url, scheme)
        handle = cls.__new__(cls)
        handle._prepare(None, url=url, address=address)  # noqa: SLF001 - its own constructor
        return handle

    def _prepare(
        self, client: "redis.Redis | redis.asyncio.Redis | None", *, url: str, address: str
    ) -> None:
        self._own_client = client
        self._url = url
        self._address = address
        self._memory = _memory_server() if address == "memory://" else None
        self.forget_connections()
        _handles.add(self)

    def forget_connections(self) -> None:
        """Drop all clients without closing them: after a fork, their sockets are the parent's."""
        self._async: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[CacheSettings, AsyncTransport]
        ] = weakref.WeakKeyDictionary()
        self._sync: dict[CacheSettings, SyncTransport] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Name the server, never a password."""
        return f"RedisHandle({self._address!r})"

    @property
    def address(self) -> str:
        """The server's scheme, host and port, without credentials."""
        return self._address

    def async_transport(self, settings: CacheSettings) -> AsyncTransport:
        """Return the transport of the running event loop.

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
            transport = transports[settings] = self._new_async_transport(settings)
        transport.users += 1
        return transport

    async def release_async(self, transport: AsyncTransport) -> None:
        """Give a transport of the running loop back; its last user closes it."""
        transport.users -= 1
        if transport.users == 0:
            transports = self._async.get(asyncio.get_running_loop(), {})
            for settings in [s for s, known in transports.items() if known is transport]:
                del transports[settings]
            await transport.aclose()

    def sync_transport(self, settings: CacheSettings) -> SyncTransport:
        """Return the transport of all threads.

        Raises:
            CacheConfigurationError: If the handle was made around an async client.
        """
        with self._lock:
            transport = self._sync.get(settings)
            if transport is None:
                transport = self._sync[settings] = self._new_sync_transport(settings)
            transport.users += 1
        return transport

    def release_sync(self, transport: SyncTransport) -> None:
        """Give the threads' transport back; its last user closes it."""
        with self._lock:
            transport.users -= 1
            if transport.users:
                return
            for settings in [s for s, known in self._sync.items() if known is transport]:
                del self._sync[settings]
        transport.close()

    def _new_async_transport(self, settings: CacheSettings) -> AsyncTransport:
        client: Any = self._own_client
        if client is None:
            client = self._new_client(settings, asynchronous=True)
        elif isinstance(client, redis.Redis):
            msg = (
                "This RedisHandle is made around a redis.Redis, which serves the sync methods. "
                "For the async ones pass RedisHandle(redis.asyncio.Redis(...)), "
                "or RedisHandle.from_url(url), which serves both."
            )
            raise CacheConfigurationError(msg)
        deadline = settings.connect_deadline + 2 * settings.read_deadline
        return AsyncTransport(
            client,
            deadline=deadline,
            max_batches=settings.max_connections,
            owned=self._own_client is None,
        )

    def _new_sync_transport(self, settings: CacheSettings) -> SyncTransport:
        client: Any = self._own_client
        if client is None:
            client = self._new_client(settings, asynchronous=False)
        elif not isinstance(client, redis.Redis):
            msg = (
                "This RedisHandle is made around a redis.asyncio.Redis, which serves the async "
                "methods. For the sync ones pass RedisHandle(redis.Redis(..., socket_timeout=0.1)), "
                "or RedisHandle.from_url(url), which serves both."
            )
            raise CacheConfigurationError(msg)
        return SyncTransport(client, owned=self._own_client is None)

    def _new_client(self, settings: CacheSettings, *, asynchronous: bool) -> Any:  # noqa: ANN401 - one of two kinds, or a fake
        """Return a client with deadlines of our own.

        redis-py's defaults retry with pauses for seconds; a cache has to give up in milliseconds.
        """
        if self._memory is not None:
            fakeredis = importlib.import_module("fakeredis")
            fake = fakeredis.FakeAsyncRedis if asynchronous else fakeredis.FakeRedis
            return fake(server=self._memory)
        kind = redis.asyncio.Redis if asynchronous else redis.Redis
        retry = (AsyncRetry if asynchronous else Retry)(
            NoBackoff(), _RETRIES, supported_errors=(RedisConnectionError,)
        )
        return kind.from_url(
            self._url,
            socket_timeout=settings.read_deadline,
            socket_connect_timeout=settings.connect_deadline,
            retry=retry,
            retry_on_error=[],
        )

    @staticmethod
    def _check_client(client: object) -> None:
        if not isinstance(client, redis.Redis | redis.asyncio.Redis):
            msg = (
                f"RedisHandle takes a redis.Redis or a redis.asyncio.Redis, not a "
                f"{type(client).__module__}.{type(client).__qualname__}. "
                f"For a URL write RedisHandle.from_url(url)."
            )
            raise CacheConfigurationError(msg)
        options: dict[str, Any] = client.connection_pool.connection_kwargs
        if options.get("decode_responses"):
            msg = (
                "The client has decode_responses=True, which damages the bytes of entries. "
                "Give the cache a client of its own with decode_responses=False."
            )
            raise CacheConfigurationError(msg)
        if isinstance(client, redis.Redis) and options.get("socket_timeout") is None:
            msg = (
                "The sync client has no socket_timeout, so a silent server would hang a request "
                "for ever. Write redis.Redis(..., socket_timeout=0.1)."
            )
            raise CacheConfigurationError(msg)

    async def aclose(self) -> None:
        """Close the running loop's clients and those of the threads, if the handle made them."""
        for transport in self._async.pop(asyncio.get_running_loop(), {}).values():
            await transport.aclose()
        self.close()

    def close(self) -> None:
        """Close the threads' clients, if the handle made them."""
        with self._lock:
            transports, self._sync = self._sync, {}
        for transport in transports.values():
            transport.close()


def _checked_address(url: str, scheme: str) -> str:
    """Return a URL's scheme, host and port, or path; refuse what would damage entries."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        msg = f"The address after {scheme} has no valid host and port; write {scheme}host:6379/0."
        raise CacheConfigurationError(msg) from None
    if "@" in f"{parts.path}{parts.query}{parts.fragment}" and scheme != "unix://":
        msg = "The URL has an '@' after its host: write '/', '?' and '#' of a password as %2F, %3F, %23."
        raise CacheConfigurationError(msg)
    options = parse_qs(parts.query)
    if options.get("decode_responses", ["false"])[-1].lower() not in {"false", "0", "no", ""}:
        msg = "The URL asks for decode_responses, which damages the bytes of entries; leave it out."
        raise CacheConfigurationError(msg)
    if scheme == "memory://":
        return scheme
    try:
        # An option that is no option would only show at the first request.
        redis.ConnectionPool.from_url(url).make_connection()
    except (TypeError, ValueError, RedisError):
        msg = (
            f"The URL has an option that redis-py does not take; see its documentation of {scheme}."
        )
        raise CacheConfigurationError(msg) from None
    if scheme == "unix://":
        return f"{scheme}{parts.path}"
    return f"{scheme}{parts.hostname or 'localhost'}:{port or 6379}"


def _memory_server() -> Any:  # noqa: ANN401 - fakeredis is optional and has no stubs
    """Return a server inside this process."""
    try:
        fakeredis = importlib.import_module("fakeredis")
        importlib.import_module("lupa")
    except ImportError:
        msg = "memory:// needs the extra 'memory' of this package, which brings fakeredis[lua]."
        raise CacheConfigurationError(msg) from None
    return fakeredis.FakeServer()
