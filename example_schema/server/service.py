"""The service from start to stop."""

import socket
import sys
from contextlib import AsyncExitStack

import uvicorn

from example_schema.api.context import Services
from example_schema.api.mistakes import QueryWithMistakes
from example_schema.api.query import Query
from example_schema.api.schema import create_schema
from example_schema.books.directory import Directory
from example_schema.database.file import open_engine
from example_schema.server.app import GRAPHQL_PATH, create_app
from example_schema.server.errors import StartError
from example_schema.server.load import under_load
from example_schema.server.metrics import METRICS_PATH, metrics_route
from example_schema.server.options import Options
from example_schema.server.redis import RedisServer
from example_schema.server.welcome import welcome
from strawberry_response_cache import (
    CacheConfigurationError,
    CacheSettings,
    CacheStoreError,
    ResponseCache,
)

_SHUTDOWN_SECONDS = 5
_OPERATION_NAMES = 50


class _Server(uvicorn.Server):
    """Says that it is ready when it is, and can be told to stop."""

    def __init__(self, config: uvicorn.Config, words: str) -> None:
        super().__init__(config)
        self._words = words

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets=sockets)
        print(self._words, flush=True)


async def serve(options: Options, listener: socket.socket, redis: RedisServer) -> None:
    """Serve the ledger until the process is told to stop.

    Args:
        options: Where the prepared database is.
        listener: A listening socket; closed at the end.
        redis: The server of the cache.

    Raises:
        StartError: REDIS_URL is not a URL that the cache understands.
    """
    async with AsyncExitStack() as stack:
        engine = open_engine(options.database)
        stack.push_async_callback(engine.dispose)
        cache = _open_cache(redis, options)
        stack.push_async_callback(cache.aclose)
        await _warn_if_unreachable(cache, redis)

        services = Services(engine, await Directory.load(engine), cache)
        query = QueryWithMistakes if options.mistakes else Query
        schema = create_schema(cache, query=query, verify=options.verify)
        beside = [metrics_route()] if options.metrics else []
        api = _address(listener)
        app = create_app(schema, services, *beside)
        server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                log_level="warning",
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            ),
            welcome(api, redis.name, _metrics_of(api) if options.metrics else None),
        )
        if options.load:
            await stack.enter_async_context(under_load(api, mistakes=options.mistakes))
        await server.serve(sockets=[listener])


def _open_cache(redis: RedisServer, options: Options) -> ResponseCache:
    deadline = options.redis_deadline
    try:
        return ResponseCache.from_url(
            redis.url,
            prefix="ledger",
            read_deadline=deadline,
            connect_deadline=max(deadline, CacheSettings().connect_deadline),
            invalidate_deadline=max(deadline, CacheSettings().invalidate_deadline),
            operation_names=_OPERATION_NAMES if options.metrics else 0,
        )
    except CacheConfigurationError as error:
        message = f"REDIS_URL cannot be used: {error}"
        raise StartError(message) from error


async def _warn_if_unreachable(cache: ResponseCache, redis: RedisServer) -> None:
    try:
        await cache.ping()
    except CacheStoreError:
        print(
            f"Warning: {redis.name} does not answer. Requests are served, but nothing will be "
            "cached until it does.",
            file=sys.stderr,
            flush=True,
        )


def _metrics_of(api: str) -> str:
    return f"{api.removesuffix(GRAPHQL_PATH)}{METRICS_PATH}"


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    # An IPv6 address has colons of its own.
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"http://{authority}{GRAPHQL_PATH}"
