"""Servers that accept a connection and then send nothing: connecting has a deadline of its own."""

import socket
from collections.abc import Callable, Iterator

import pytest

from strawberry_response_cache.core import CacheDetail, ResponseCache
from tests.faults.callers import Callers
from tests.faults.proxy import Proxy
from tests.faults.stopwatch import Stopwatch
from tests.middleware.service import Shop


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where whoever connects is never answered."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    ("url", "longest"),
    [
        ("redis://127.0.0.1:{port}", 2),
        ("rediss://127.0.0.1:{port}", 2),
        # A second for each of them.
        ("redis+sentinel://127.0.0.1:{port},127.0.0.1:{port}/service", 4),
    ],
)
async def test_connecting_to_a_silent_peer_takes_the_connect_deadline_at_most(
    new_cache: Callable[..., ResponseCache],
    callers: Callers,
    stopwatch: Stopwatch,
    silent_port: int,
    url: str,
    longest: float,
) -> None:
    cache = new_cache(url.format(port=silent_port), connect_deadline=0.3, invalidate_deadline=20)
    with stopwatch:
        response = await callers.remember(cache, ["a"], 60, lambda: "generated")
    assert response.detail is CacheDetail.STORE_FAILURE
    assert stopwatch.seconds < longest


async def test_the_middleware_and_its_application_wait_for_a_silent_server_once(
    new_hurried: Callable[..., ResponseCache], proxy: Proxy
) -> None:
    """After a failed lookup of the middleware, the application does not look up the entry again."""
    cache = new_hurried(breaker_failures=100)
    shop = Shop(cache)
    assert await shop.is_answered_in_front()
    before, entered = cache.statistics().store["get"], shop.entered

    proxy.black_hole()
    response = await shop.call()

    after = cache.statistics().store["get"]
    assert response.data
    assert shop.entered == entered + 1
    assert (after.calls - before.calls, after.failures - before.failures) == (1, 1)
    assert cache.statistics().bypasses == {"store_failure": 1}

    proxy.heal()
    assert await shop.is_answered_in_front()
