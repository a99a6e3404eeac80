"""A ledger over each kind of server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from strawberry_response_cache.core._faults import faults
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.graphql.invalidation import mutation
from tests.conftest import IN_PROCESS, STORES
from tests.graphql.ledger import Ledger, Mutation, Query

UntilInvalidated = Callable[[], Awaitable[None]]


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    """The two kinds of server; what a socket is made of is the core's affair.

    A test that asks very often takes ``quick``, whichever answers fastest.
    """
    if request.param == "memory" or (request.param == "quick" and IN_PROCESS):
        return "memory://"
    found: str = request.getfixturevalue("valkey_url")
    return found


@pytest.fixture
def empty_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store, whichever answers fastest."""
    return "memory://" if IN_PROCESS else str(request.getfixturevalue("valkey_url"))


@pytest.fixture
def make_ledger(cache: ResponseCache) -> Callable[..., Ledger]:
    def make(*others: Any, **options: Any) -> Ledger:
        chosen: dict[str, Any] = {
            "tenant": lambda context: context["tenant"],
            "session": lambda context: context["user"],
            "vary": {"locale": lambda context: context["locale"]},
            "debug": True,
        } | options
        extension = ResponseCacheExtension(cache, **chosen)
        schema = strawberry.Schema(Query, Mutation, extensions=[extension, *others])
        extension.check(schema)
        return Ledger(schema)

    return make


@pytest.fixture
def ledger(make_ledger: Callable[..., Ledger]) -> Ledger:
    return make_ledger()


@pytest.fixture(scope="module")
def store(quick_url: str) -> Iterator[ResponseCache]:
    """One cache for all generated examples, which clear it or stay apart by the name of their schema."""
    with ResponseCache.from_url(
        quick_url,
        prefix="properties",
        telemetry=False,
        read_deadline=20,
        connect_deadline=20,
        invalidate_deadline=20,
        early_refresh=0,
    ) as cache:
        yield cache


@pytest.fixture
def until_invalidated() -> UntilInvalidated:
    """Wait until the mutations of this loop that have ended, or were cut off, have invalidated."""

    async def wait() -> None:
        while tasks := [*mutation._tasks]:
            await asyncio.wait(tasks)

    return wait


@pytest.fixture(autouse=True)
def _no_caught_faults(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Fail a test in which a fault of this package was caught, unless the test is about faults."""
    monkeypatch.setattr(faults, "_log", Interval())
    before = faults.count
    yield
    if request.node.get_closest_marker("faults") is None:
        assert faults.count == before, "a fault of this package was caught; the log names it"
