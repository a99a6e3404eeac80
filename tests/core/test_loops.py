"""asyncio's event loop and uvloop, on which uvicorn runs where it is installed, each with and without TLS."""

import asyncio
import os
import resource
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from tests.conftest import driver_of
from tests.servers.certificates import throw_away
from tests.servers.tls import behind_tls

BIG = "x" * 1_000_000
LOOPS: dict[str, Callable[[], Any]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

if sys.version_info >= (3, 12):

    def eager_loop() -> asyncio.AbstractEventLoop:
        """A loop that begins tasks at once."""
        loop = asyncio.new_event_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    LOOPS["eager"] = eager_loop

pytestmark = pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)


@pytest.fixture(scope="module")
def tls_url() -> Iterator[str]:
    """A server behind TLS."""
    with throw_away() as certificates, behind_tls(certificates) as server:
        yield server.url


async def big() -> str:
    """Generate."""
    return BIG


async def misses_and_hits(url: str) -> None:
    """Store, read and invalidate what does not fit into one read of a socket."""
    async with ResponseCache.from_url(
        url, prefix="loops", read_deadline=20, connect_deadline=20
    ) as cache:
        for status in (CacheStatus.MISS, CacheStatus.HIT, CacheStatus.HIT):
            response = await cache.remember(["a"], 60, big, tags=["t"])
            assert (response.status, response.value == BIG) == (status, True)
        await cache.invalidate("t")
        for status in (CacheStatus.MISS, CacheStatus.HIT):
            crowd = await asyncio.gather(
                *(cache.remember([str(number)], 60, big) for number in range(20))
            )
            assert {(each.status, each.value == BIG) for each in crowd} == {(status, True)}
        await cache.clear()


def test_misses_are_stored_and_hit_on_each_event_loop(
    new_loop: Callable[[], Any], valkey_url: str
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(misses_and_hits(valkey_url))


def test_misses_are_stored_and_hit_over_tls_on_each_event_loop(
    new_loop: Callable[[], Any], tls_url: str
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(misses_and_hits(tls_url))


def test_after_a_silent_server_made_a_caller_generate_later_calls_hit_on_each_event_loop(
    new_loop: Callable[[], Any], valkey_url: str, raw_valkey: Any
) -> None:
    async def main() -> None:
        async with ResponseCache.from_url(valkey_url, prefix="loops", read_deadline=0.2) as cache:
            while (await cache.remember(["a"], 60, big)).status is not CacheStatus.HIT:
                pass
            raw_valkey.client_pause(60_000, all=False)
            response = await cache.remember(["a"], 60, big)
            assert response.detail is CacheDetail.STORE_FAILURE
            raw_valkey.client_unpause()
            while (await cache.remember(["a"], 60, big)).status is not CacheStatus.HIT:
                pass

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


async def busy(connection: Any, seconds: float, raw: Any) -> None:
    """Be a loop that does nothing else for a while, in which the server, which was paused, answers."""
    while connection._transport.get_write_buffer_size():  # uvloop writes at the end of a turn
        await asyncio.sleep(0)
    ends = time.monotonic() + seconds
    raw.client_unpause()
    answers = select.poll()  # which takes any number of descriptors
    answers.register(connection._transport.get_extra_info("socket").fileno(), select.POLLIN)
    assert answers.poll(60_000)
    time.sleep(max(0.0, ends - time.monotonic()))  # noqa: ASYNC251 - that is the point


def test_an_answer_that_came_while_the_loop_was_busy_counts(
    new_loop: Callable[[], Any], valkey_url: str, raw_valkey: Any
) -> None:
    """So does the answer of the batch that waited for the same connection."""

    async def main() -> None:
        async with ResponseCache.from_url(
            valkey_url, prefix="loops", read_deadline=1, max_connections=1
        ) as cache:
            for key in ("a", "b"):
                while (await cache.remember([key], 60, big)).status is not CacheStatus.HIT:
                    pass
            link: Any = driver_of(cache).transport
            link = link._link
            for _ in range(2):
                (connection,) = link._connections.idle
                raw_valkey.client_pause(60_000, all=False)
                first = asyncio.create_task(cache.remember(["a"], 60, big))
                while not link._batches:
                    await asyncio.sleep(0)
                second = asyncio.create_task(cache.remember(["b"], 60, big))
                while not link._waiting:
                    await asyncio.sleep(0)
                await busy(connection, 1.1, raw_valkey)
                # Loops differ in what they do first when both are due: read, or look at the clock.
                connection._timer.cancel()
                connection._time_is_up()
                assert {each.status for each in (await first, await second)} == {CacheStatus.HIT}

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def test_an_answer_that_came_while_the_loop_was_busy_counts_with_thousands_of_descriptors(
    new_loop: Callable[[], Any], valkey_url: str, raw_valkey: Any
) -> None:
    async def large() -> str:
        return BIG * 3

    async def main() -> None:
        async with ResponseCache.from_url(
            valkey_url, prefix="loops", read_deadline=1, compress_above=10_000_000
        ) as cache:
            while (await cache.remember(["a"], 60, large)).status is not CacheStatus.HIT:
                pass
            link: Any = driver_of(cache).transport
            link = link._link
            for _ in range(2):
                (connection,) = link._connections.idle
                raw_valkey.client_pause(60_000, all=False)
                asking = asyncio.create_task(cache.remember(["a"], 60, large))
                while not link._batches:
                    await asyncio.sleep(0)
                await busy(connection, 1.1, raw_valkey)
                assert (await asking).status is CacheStatus.HIT

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3000:
        pytest.skip(f"this system allows {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    taken = [os.dup(0) for _ in range(1100)]
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
