"""The audits of GraphQL over HTTP, which the package graphql-http has: `npm ci --prefix tests/clients` installs it."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
import strawberry
import uvicorn
from strawberry.asgi import GraphQL as StockGraphQL

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    ResponseCacheMiddleware,
    cache_control,
)
from strawberry_response_cache.asgi import GraphQL

HERE: Final = Path(__file__).parent
NODE: Final = shutil.which("node")

pytestmark = pytest.mark.skipif(
    NODE is None or not (HERE / "node_modules" / "graphql-http").is_dir(),
    reason="needs Node and `npm ci --prefix tests/clients`",
)


@contextmanager
def served(view: Any) -> Iterator[str]:
    """Serve a view in a thread, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(view, lifespan="off", log_level="critical"))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/graphql"
        finally:
            server.should_exit = True
            thread.join()


def audited(url: str) -> dict[str, tuple[str, str | None]]:
    """Return the status of each audit, and why it was not met."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, "audits.mjs", url],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = map(json.loads, done.stdout.splitlines())
    return {each["id"]: (each["status"], each["reason"]) for each in found}


RUNS: Final = [0]


@strawberry.type
class Query:
    @cache_control(ttl=600)
    @strawberry.field
    def number(self) -> int:
        RUNS[0] += 1
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    def number(self) -> int:
        return 1


def schema(*extensions: ResponseCacheExtension) -> strawberry.Schema:
    return strawberry.Schema(Query, Mutation, extensions=extensions)


def test_audits_have_the_same_results_with_and_without_this_package() -> None:
    with served(StockGraphQL[Any, Any](schema())) as url:
        expected = audited(url)
    assert RUNS[0] > 20
    assert sum(status == "ok" for status, _ in expected.values()) > 50
    with ResponseCache.from_url("memory://", prefix="audits") as cache:
        extension = ResponseCacheExtension(cache, tenant=None)
        with served(GraphQL[Any, Any](schema(extension))) as url:
            RUNS[0] = 0
            assert audited(url) == expected
            assert 0 < RUNS[0] < 10
            RUNS[0] = 0
            assert audited(url) == expected
            assert RUNS[0] == 2  # requests with extensions that are not known


def test_audits_have_the_same_results_with_and_without_the_middleware() -> None:
    with served(StockGraphQL[Any, Any](schema())) as url:
        expected = audited(url)
    with ResponseCache.from_url("memory://", prefix="audits") as cache:
        extension = ResponseCacheExtension(cache, tenant=None)
        executed = schema(extension)
        entered = [0]

        async def application(*arguments: Any) -> None:
            entered[0] += 1
            await GraphQL[Any, Any](executed)(*arguments)

        front = ResponseCacheMiddleware(application, extension, schema=executed, tenant=None)
        with served(front) as url:
            assert audited(url) == expected
            assert audited(url) == expected
            before, entered[0] = entered[0], 0
            assert audited(url) == expected
            assert entered[0] < before / 2
