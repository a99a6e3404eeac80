"""Event loops that end after one call, such as `async_to_sync` starts: each has connections of its own."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._engine import ENDED_LOOPS
from tests.conftest import UNHURRIED
from tests.core.logs import facts_of, ours

TIMES = ENDED_LOOPS + 5


@pytest.fixture
def lasting(valkey_url: str) -> Iterator[ResponseCache]:
    """A cache that outlives the event loops of a test."""
    with ResponseCache.from_url(valkey_url, prefix="loops", telemetry=False, **UNHURRIED) as cache:
        yield cache


async def one() -> int:
    return 1


async def remember_and_close(cache: ResponseCache, times: int = 1) -> None:
    for _ in range(times):
        await cache.remember(["a"], 60, one)
    await cache.aclose()


def connections(raw: Any) -> int:
    """How many connections the server has accepted, that of the test included."""
    return int(raw.info("stats")["total_connections_received"])


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # nobody closed these connections
def test_short_lived_loops_each_open_connections_and_one_log_line_says_so(
    lasting: ResponseCache, raw_valkey: Any, caplog: pytest.LogCaptureFixture
) -> None:
    before = connections(raw_valkey)
    for _ in range(TIMES):
        asyncio.run(lasting.remember(["a"], 60, one))
    assert connections(raw_valkey) - before >= TIMES
    [line] = ours(caplog.records)
    assert "an event loop that lasts" in line.getMessage()
    assert facts_of(line)
    asyncio.run(remember_and_close(lasting))
    gc.collect()
    assert len(raw_valkey.client_list()) == 1  # what ended is closed: this is the test's


def test_short_lived_loops_that_close_the_cache_are_not_logged(
    lasting: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(TIMES):
        asyncio.run(remember_and_close(lasting))
    assert ours(caplog.records) == []


def test_one_loop_and_short_lived_threads_share_their_connections(
    lasting: ResponseCache, raw_valkey: Any, caplog: pytest.LogCaptureFixture
) -> None:
    before = connections(raw_valkey)

    asyncio.run(remember_and_close(lasting, TIMES))
    for _ in range(TIMES):
        thread = threading.Thread(target=lasting.remember_sync, args=(["a"], 60, lambda: 1))
        thread.start()
        thread.join()
    assert connections(raw_valkey) - before < ENDED_LOOPS
    assert ours(caplog.records) == []
