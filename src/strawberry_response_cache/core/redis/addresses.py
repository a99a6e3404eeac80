"""Server addresses: from a URL (of a server, of Sentinels, of a cluster) or a client to a factory of connections."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.asyncio.sentinel
import redis.cluster
import redis.sentinel
from redis.exceptions import RedisError

from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._user_values import unwrapped
from strawberry_response_cache.core.redis.connection_factory import (
    ClusterSource,
    ConnectionFactory,
    never_again,
)

AnySource: TypeAlias = ConnectionFactory | ClusterSource

SCHEMES: Final = (
    "redis://",
    "rediss://",
    "unix://",
    "redis+sentinel://",
    "rediss+sentinel://",
    "redis+cluster://",
    "rediss+cluster://",
    "memory://",
)
_DEFAULT_PORT: Final = {"sentinel": 26379, "cluster": 6379}
_OF_NODES: Final = ("host", "port", "max_connections", "response_callbacks", "event_dispatcher")
"""Arguments of cluster nodes that their connections do not accept."""
_FALSE: Final = frozenset({"false", "0", "no", ""})


@dataclass(frozen=True, eq=False)
class Address:
    """The address of a server, of a Sentinel service or of a cluster.

    Attributes:
        shown: Scheme, hosts and ports, without credentials.
        place: Hosts and ports, for messages that begin "Redis at".
        source: Returns the factory of sync or async connections.
    """

    shown: str
    place: str
    source: Callable[[bool], AnySource] = field(repr=False)


def address_of_url(url: object) -> Address:
    """Return the address that a URL names, without connecting.

    Raises:
        CacheConfigurationError: If the scheme is not supported, or the URL has a mistake that is visible
            without connecting.
    """
    text = unwrapped(url)
    if type(text) is not str or "://" not in text:
        msg = f"The server's address is a URL, such as redis://localhost:6379/0: {', '.join(SCHEMES)}."
        raise CacheConfigurationError(msg)
    scheme, rest = text.split("://", 1)
    scheme = scheme.lower()  # schemes are case-insensitive, but redis-py accepts only lower case
    if f"{scheme}://" not in SCHEMES:
        msg = f"The URL's scheme is not known; use one of {', '.join(SCHEMES)}."
        raise CacheConfigurationError(msg)
    _check_options(scheme, rest)
    if scheme == "memory":
        return _in_memory()
    plain, _, kind = scheme.partition("+")
    if not kind:
        _check_place(scheme, rest)
        return _of_one_server(scheme, f"{scheme}://{rest}")
    hosts, path, query, login = _parts(scheme, rest)
    places = _listed(hosts)
    shown = f"{scheme}://{places}"
    if kind == "cluster":
        if path.strip("0") or _database_option(query).strip("0"):
            msg = f"The URL names a database, and a cluster has only 0; write {scheme}://host:6379."
            raise CacheConfigurationError(msg)
        host, port = hosts[0]
        template = _of_one_server(plain, f"{plain}://{login}{_bracketed(host)}:{port}{query}")

        def of_cluster(asynchronous: bool) -> ClusterSource:  # noqa: FBT001 - as Address has it
            source = template.source(asynchronous)
            assert isinstance(source, ConnectionFactory)
            return ClusterSource(source, hosts)

        return Address(shown, places, of_cluster)
    service, _, database = path.partition("/")
    if not service:
        msg = f"The URL names no service; write {scheme}://host:26379/service-name/0."
        raise CacheConfigurationError(msg)
    _check_database(database, f"{scheme}://host:26379/service-name/0")
    leading_to = f"{plain}://{login}sentinel/{database or 0}{query}"
    _of_one_server(plain, leading_to)  # checks the options now
    return Address(
        f"{shown}/{service}",
        f"{service} (through Sentinels at {places})",
        _through_sentinel(hosts, service, leading_to),
    )


def address_of_client(client: object) -> Address:
    """Return the address of the server that the caller's client connects to.

    Raises:
        CacheConfigurationError: If it is not a client of redis-py, decodes responses, or is a sync
            client without a ``socket_timeout``. The returned address raises it when asked for
            connections of the other kind, sync or async.
    """
    kinds = (redis.Redis, redis.cluster.RedisCluster)
    async_kinds = (redis.asyncio.Redis, redis.asyncio.cluster.RedisCluster)
    if not isinstance(client, kinds + async_kinds):
        found_kind = (
            f"the class {client.__qualname__} itself"
            if isinstance(client, type)
            else f"a {type(client).__module__}.{type(client).__qualname__}"
        )
        msg = (
            f"RedisHandle takes a redis.Redis(...), a redis.asyncio.Redis(...) or a RedisCluster of "
            f"either kind, not {found_kind}. For a URL write RedisHandle.from_url(url)."
        )
        raise CacheConfigurationError(msg)
    is_async = isinstance(client, async_kinds)
    found = _source_of(client, is_async)
    options = (found.template if isinstance(found, ClusterSource) else found).arguments
    if options.get("decode_responses"):
        msg = (
            "The client has decode_responses=True, which damages the bytes of entries. "
            "Give the cache a client of its own with decode_responses=False."
        )
        raise CacheConfigurationError(msg)
    name = f"{type(client).__module__}.{type(client).__qualname__}"
    if not is_async and options.get("socket_timeout") is None:
        msg = (
            "The sync client has no socket_timeout, so a request would wait for a silent server "
            f"forever. Write redis.{type(client).__qualname__}(..., socket_timeout=0.1)."
        )
        raise CacheConfigurationError(msg)

    def source(asynchronous: bool) -> AnySource:  # noqa: FBT001 - as Address has it
        if asynchronous is is_async:
            return found
        wanted = (
            "redis.asyncio.Redis(...)" if asynchronous else "redis.Redis(..., socket_timeout=0.1)"
        )
        has, lacks = ("sync", "async") if asynchronous else ("async", "sync")
        msg = (
            f"This RedisHandle wraps a {name}, which serves only the {has} methods. "
            f"For the {lacks} methods pass RedisHandle({wanted}), "
            "or RedisHandle.from_url(url), which serves both."
        )
        raise CacheConfigurationError(msg)

    place = _listed(found.seeds) if isinstance(found, ClusterSource) else found.shown
    return Address(name, place, source)


def _of_one_server(scheme: str, url: str) -> Address:
    try:
        # redis-py would report an unknown option only at the first request.
        redis.ConnectionPool.from_url(url).make_connection()
    except (TypeError, ValueError, RedisError):
        msg = f"The URL has an option that redis-py does not take; see its documentation of {scheme}://."
        raise CacheConfigurationError(msg) from None
    parts = urlsplit(url)
    if scheme == "unix":
        place = shown = f"unix://{parts.path}"
    else:
        place = f"{_bracketed(parts.hostname or 'localhost')}:{parts.port or 6379}"
        shown = f"{scheme}://{place}"

    def source(asynchronous: bool) -> ConnectionFactory:  # noqa: FBT001 - as Address has it
        pool = redis.asyncio.ConnectionPool if asynchronous else redis.ConnectionPool
        return ConnectionFactory.of_pool(pool.from_url(url))

    return Address(shown, place, source)


def _through_sentinel(
    hosts: tuple[tuple[str, int], ...], service: str, url: str
) -> Callable[[bool], ConnectionFactory]:
    def source(asynchronous: bool) -> ConnectionFactory:  # noqa: FBT001 - as Address has it
        options = dict(redis.ConnectionPool.from_url(url).connection_kwargs)
        del options["host"]
        options.pop("port", None)
        login = {
            "socket_timeout": 1.0,
            "socket_connect_timeout": 1.0,
            "retry": never_again(asynchronous=asynchronous),
        }
        secure = {"ssl": True} if url.startswith("rediss") else {}
        kind: Any = redis.asyncio.sentinel.Sentinel if asynchronous else redis.sentinel.Sentinel
        sentinel = kind(list(hosts), sentinel_kwargs=login | secure, **secure)
        pool = sentinel.master_for(service, **options, **secure).connection_pool
        return replace(ConnectionFactory.of_pool(pool), guides=sentinel.sentinels)

    return source


def _source_of(client: Any, is_async: bool) -> AnySource:  # noqa: ANN401, FBT001 - of any kind
    """Return a factory of connections to the server or cluster of the caller's client."""
    if isinstance(client, redis.Redis | redis.asyncio.Redis):
        return ConnectionFactory.of_pool(client.connection_pool)
    options = dict(client.get_connection_kwargs())
    nodes = [(node.host, int(node.port)) for node in client.nodes_manager.startup_nodes.values()]
    if is_async:
        kind = options.pop("connection_class", redis.asyncio.Connection)
        for name in _OF_NODES:
            options.pop(name, None)
        template = ConnectionFactory(kind, options, client)
    else:
        options.pop("host", None)
        options.pop("port", None)
        host, port = nodes[0]
        template = ConnectionFactory.of_pool(
            redis.Redis(host=host, port=port, **options).connection_pool
        )
    return ClusterSource(template, tuple(nodes), client.nodes_manager.remap_host_port)


def _in_memory() -> Address:
    """Return a factory of connections to a server inside this process."""
    try:
        fakeredis: Any = importlib.import_module("fakeredis")
        importlib.import_module("lupa")
    except ImportError:
        msg = "memory:// needs the extra 'memory' of this package, which brings fakeredis[lua]."
        raise CacheConfigurationError(msg) from None
    server = fakeredis.FakeServer()

    def source(asynchronous: bool) -> ConnectionFactory:  # noqa: FBT001 - as Address has it
        kind = fakeredis.FakeAsyncRedis if asynchronous else fakeredis.FakeRedis
        return ConnectionFactory.of_pool(kind(server=server).connection_pool)

    return Address("memory://", "memory://", source)


def _check_options(scheme: str, rest: str) -> None:
    """Refuse options that damage entries, and a password that is not percent-encoded."""
    try:
        parts = urlsplit(f"{scheme}://{rest}")
    except ValueError:
        raise _no_place(scheme) from None
    if "@" in f"{parts.path}{parts.query}{parts.fragment}" and scheme != "unix":
        msg = "The URL has an '@' after its host: percent-encode '/', '?' and '#' in the password as %2F, %3F, %23."
        raise CacheConfigurationError(msg)
    if parse_qs(parts.query).get("decode_responses", ["false"])[-1].lower() not in _FALSE:
        msg = "The URL asks for decode_responses, which damages the bytes of entries; leave it out."
        raise CacheConfigurationError(msg)
    if "+" not in scheme:
        _port_of(scheme, rest)


def _check_place(scheme: str, rest: str) -> None:
    """Refuse what redis-py would misread: it takes a database that is not a number for 0."""
    parts = urlsplit(f"{scheme}://{rest}")
    if scheme == "unix":
        if parts.hostname or not parts.path.strip("/"):
            msg = "The URL of a socket has three slashes and a path: write unix:///run/redis.sock."
            raise CacheConfigurationError(msg)
    else:
        if "," in (parts.hostname or ""):
            msg = (
                f"The URL names several hosts; write {scheme}+cluster://host:6379,host:6379 or "
                f"{scheme}+sentinel://host:26379,host:26379/service-name/0."
            )
            raise CacheConfigurationError(msg)
        _check_database(parts.path.removeprefix("/"), f"{scheme}://host:6379/0")
    _check_database(_database_option(f"?{parts.query}"), f"{scheme}://...?db=0")


def _database_option(query: str) -> str:
    return parse_qs(query.removeprefix("?")).get("db", [""])[-1]


def _check_database(database: str, example: str) -> None:
    if database and not (database.isascii() and database.isdigit()):
        msg = f"The URL's database is not a number; write {example}."
        raise CacheConfigurationError(msg)


def _port_of(scheme: str, place: str) -> int | None:
    try:
        return urlsplit(f"{scheme}://{place}").port
    except ValueError:
        raise _no_place(scheme) from None


def _no_place(scheme: str) -> CacheConfigurationError:
    return CacheConfigurationError(
        f"The address after {scheme}:// has no valid host and port; write {scheme}://host:6379/0."
    )


def _parts(scheme: str, rest: str) -> tuple[tuple[tuple[str, int], ...], str, str, str]:
    """Return the hosts, path, query and login of a URL with several hosts."""
    parts = urlsplit(f"{scheme}://{rest}")
    login, at, places = parts.netloc.rpartition("@")
    default = _DEFAULT_PORT[scheme.partition("+")[2]]
    hosts = []
    for place in places.split(","):
        host = urlsplit(f"//{place}").hostname if place else None
        if not host:
            msg = f"The URL names no host; write {scheme}://host:{default},host:{default}."
            raise CacheConfigurationError(msg)
        hosts.append((host, _port_of(scheme, place) or default))
    query = f"?{parts.query}" if parts.query else ""
    return tuple(hosts), parts.path.strip("/"), query, login + at


def _listed(hosts: Iterable[tuple[str, int]]) -> str:
    return ",".join(f"{_bracketed(host)}:{port}" for host, port in hosts)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
