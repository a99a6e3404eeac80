"""A folder with a schema, in which the command is run."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from strawberry_response_cache.cli import app

SCHEMA = """
import os
import strawberry
from strawberry_response_cache import (
    CacheScope, ResponseCache, ResponseCacheExtension, cache_control, restrict_cache,
)

@strawberry.type
class Book:
    id: strawberry.ID
    title: str

@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def book(self, id: strawberry.ID) -> Book:
        return Book(id=id, title="Emma")

    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def greeting(self) -> str:
        return "hello"

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self) -> str:
        return "alice"

    @cache_control(ttl=60)
    @strawberry.field
    def turned(self, info: strawberry.Info) -> str:
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return "alice"

    @cache_control(ttl=600)
    @strawberry.field
    def motto(self) -> str:
        return "longer than the others"

    @strawberry.field
    def bare(self) -> str:
        return "never"

cache = ResponseCache.from_environment(telemetry=False)
extension = ResponseCacheExtension(
    cache,
    tenant=lambda context: context["tenant"],
    session=lambda context: context["session"],
    vary={"locale": lambda context: context["locale"]},
)
schema = strawberry.Schema(Query, extensions=[extension])
plain = strawberry.Schema(Query)
"""

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run() -> Run:
    """Run the command; returns its exit code and all that it printed."""

    def run(*arguments: str, stdin: str | None = None) -> tuple[int, str]:
        result = CliRunner().invoke(app, [*arguments], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.exit_code, result.output

    return run


@pytest.fixture
def as_json(run: Run) -> Callable[..., Any]:
    """Run the command with `--json`; returns what it printed."""

    def read(*arguments: str, stdin: str | None = None) -> Any:
        return json.loads(run(*arguments, "--json", stdin=stdin)[1])

    return read


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str) -> Iterator[Any]:
    """The module `shop`, whose cache is on the real server, as the environment says."""
    (tmp_path / "shop.py").write_text(SCHEMA)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    monkeypatch.setenv("RESPONSE_CACHE_URL", valkey_url)
    monkeypatch.setenv("RESPONSE_CACHE_PREFIX", "shop")
    monkeypatch.setenv("RESPONSE_CACHE_EARLY_REFRESH", "0")
    for name in ("READ", "CONNECT", "INVALIDATE"):
        monkeypatch.setenv(f"RESPONSE_CACHE_{name}_DEADLINE", "20")
    module = importlib.import_module("shop")
    yield module
    module.cache.close()


@pytest.fixture
def ask(shop: Any) -> Callable[..., Any]:
    """Ask the shop."""

    def ask(
        query: str, *, tenant: str = "acme", session: object = None, variables: Any = None
    ) -> Any:
        context = {"tenant": tenant, "session": session, "locale": "en"}
        result = shop.schema.execute_sync(query, variables, context_value=context)
        assert not result.errors
        return result.data

    return ask
