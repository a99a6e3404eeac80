"""Threads that wait for one of the connections get it in the order in which they came."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, ResponseCache
from strawberry_response_cache.core.redis.fair_semaphore import Turns
from tests.conftest import Eventually, driver_of


class Line:
    """Threads that wait for turns, one behind the other, and keep them until they are let go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.served: list[int] = []
        self.threads: list[threading.Thread] = []
        self._go: list[threading.Event] = []

    def join(self, timeout: float | None = None) -> None:
        """Begin to wait, and return when that has begun or is over."""
        number, go = len(self.threads), threading.Event()

        def wait() -> None:
            if self.turns.take(timeout):
                self.served.append(number)
                assert go.wait(60)
            self.turns.end()

        thread = threading.Thread(target=wait)
        self.threads.append(thread)
        self._go.append(go)
        before = len(self.turns._waiting)
        thread.start()
        while (
            len(self.turns._waiting) == before and number not in self.served and thread.is_alive()
        ):
            thread.join(0.001)

    def let_go(self, number: int) -> None:
        """Let one end its turn."""
        self._go[number].set()
        self.threads[number].join(60)

    def end(self) -> None:
        """Let all go."""
        for go in self._go:
            go.set()
        for thread in self.threads:
            thread.join(60)


@pytest.fixture
def turns() -> Turns:
    """A single turn."""
    return Turns(1)


@pytest.fixture
def line(turns: Turns) -> Iterator[Line]:
    """Those who wait for it."""
    line = Line(turns)
    yield line
    turns.end()
    line.end()


def test_as_many_threads_as_the_limit_have_turns_at_once() -> None:
    line = Line(Turns(2))
    for _ in range(3):
        line.join(timeout=0.01)
    line.threads[2].join(60)
    assert sorted(line.served) == [0, 1]
    line.let_go(0)
    line.join()
    assert sorted(line.served) == [0, 1, 3]
    line.end()


async def test_the_thread_that_waited_longest_is_next(
    turns: Turns, line: Line, eventually: Eventually
) -> None:
    assert turns.take()
    for _ in range(5):
        line.join()
    turns.end()
    for number in range(5):
        await eventually(lambda: len(line.served) > number)  # noqa: B023 - awaited here
        line.let_go(number)
    assert line.served == [*range(5)]


def test_a_thread_that_ends_its_turn_does_not_take_the_next_turn_from_waiting_threads(
    turns: Turns, line: Line
) -> None:
    assert turns.take()
    line.join()
    turns.end()
    assert not turns.take(0.01)
    line.let_go(0)
    assert line.served == [0]
    assert turns.take(0.01)


async def test_a_thread_whose_wait_timed_out_gets_no_turn(
    turns: Turns, line: Line, eventually: Eventually
) -> None:
    assert turns.take()
    line.join(timeout=0.01)
    line.threads[0].join(60)
    line.join()
    turns.end()
    await eventually(lambda: line.served == [1])


@pytest.mark.parametrize("has_come", [False, True])
def test_a_thread_that_is_interrupted_while_waiting_keeps_no_turn(
    turns: Turns, line: Line, monkeypatch: pytest.MonkeyPatch, has_come: bool
) -> None:
    """Whether the thread had already been given the turn or not."""
    line.join()

    class Lock:
        def acquire(self, *, timeout: float = 0) -> bool:
            if timeout:
                if has_come:
                    line.let_go(0)
                raise KeyboardInterrupt
            return True

        def release(self) -> None:
            pass

    with monkeypatch.context() as patched:
        patched.setattr(threading, "Lock", Lock)
        with pytest.raises(KeyboardInterrupt):
            turns.take(60)
    line.let_go(0)
    line.join()
    assert line.served == [0, 1]


def test_a_thread_whose_turn_was_never_ended_may_take_a_turn_again(
    turns: Turns, line: Line
) -> None:
    assert turns.take()
    assert turns.take(0.01), "a signal's handler raised before the end"
    turns.end()
    line.join()
    assert line.served == [0]


def test_sync_reads_and_invalidations_do_not_wait_for_each_others_turns(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url)
    transport: Any = driver_of(cache, synchronous=True).transport
    link = transport._link
    link._urgent_turns._number = 0
    assert cache.remember_sync(["a"], 60, lambda: "v").detail is CacheDetail.GENERATED
    link._urgent_turns._number = 1
    link._turns._number = 0
    cache.invalidate_sync("t")


def test_behind_an_open_breaker_no_thread_waits_for_a_turn(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = new_cache(valkey_url, breaker_failures=1, breaker_seconds=600)
    transport: Any = driver_of(cache, synchronous=True).transport
    link = transport._link
    waited: list[object] = []
    monkeypatch.setattr(link._turns, "take", waited.append)
    link._breaker.failed(link._breaker.admit())
    assert cache.remember_sync(["a"], 60, lambda: "v").detail is CacheDetail.STORE_FAILURE
    assert waited == []
