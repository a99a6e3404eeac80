"""Threads that wait for one of the connections get it in the order in which they came."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, ResponseCache
from strawberry_response_cache.core._redis.turns import Turns
from tests.conftest import Eventually


class Line:
    """Threads that wait for turns, one behind the other."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.served: list[int] = []
        self.threads: list[threading.Thread] = []

    def join(self, timeout: float | None = None) -> threading.Thread:
        number = len(self.threads)

        def wait() -> None:
            if self.turns.take(timeout):
                self.served.append(number)

        thread = threading.Thread(target=wait)
        self.threads.append(thread)
        before = len(self.turns._waiting)
        thread.start()
        while len(self.turns._waiting) == before and thread.is_alive():
            thread.join(0.001)
        return thread


def test_so_many_have_turns_at_once() -> None:
    turns = Turns(2)
    assert [turns.take(0.01) for _ in range(3)] == [True, True, False]
    turns.end()
    assert turns.take(0.01)


async def test_whoever_waited_longest_is_next(eventually: Eventually) -> None:
    turns = Turns(1)
    assert turns.take()
    line = Line(turns)
    for _ in range(5):
        line.join()
    for number in range(5):
        turns.end()
        await eventually(lambda: len(line.served) > number)  # noqa: B023 - awaited here
    assert line.served == [*range(5)]


def test_who_ends_a_turn_does_not_take_the_next_from_those_who_wait() -> None:
    turns = Turns(1)
    assert turns.take()
    line = Line(turns)
    waiting = line.join()
    turns.end()
    assert not turns.take(0.01)
    waiting.join(60)
    assert line.served == [0]


def test_who_gave_up_waiting_is_passed_over() -> None:
    turns = Turns(1)
    assert turns.take()
    line = Line(turns)
    line.join(timeout=0.01).join(60)
    patient = line.join()
    turns.end()
    patient.join(60)
    assert line.served == [1]


@pytest.mark.parametrize("has_come", [False, True])
def test_who_is_interrupted_while_waiting_keeps_no_turn(
    monkeypatch: pytest.MonkeyPatch, has_come: bool
) -> None:
    """Whether the turn had come by then or not."""
    turns = Turns(1)
    assert turns.take()

    class Lock:
        def acquire(self, *, timeout: float = 0) -> bool:
            if timeout:
                if has_come:
                    turns.end()
                raise KeyboardInterrupt
            return True

        def release(self) -> None:
            pass

    monkeypatch.setattr(threading, "Lock", Lock)
    with pytest.raises(KeyboardInterrupt):
        turns.take(60)
    monkeypatch.undo()
    if not has_come:
        turns.end()
    assert turns.take(0.01)


def test_reads_and_purges_of_threads_wait_for_their_own_kind_alone(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url)
    link: Any = cache._engine.sync_driver().transport
    link = link._link
    taken = 0
    while link._urgent_turns.take(0.01):
        taken += 1
    assert taken == 2
    assert cache.remember_sync(["a"], 60, lambda: "v").detail is CacheDetail.GENERATED
    for _ in range(taken):
        link._urgent_turns.end()
    while link._turns.take(0.01):
        pass
    cache.invalidate_sync("t")


def test_an_open_breaker_lets_nobody_wait_for_a_turn(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url, breaker_failures=1, breaker_seconds=600)
    link: Any = cache._engine.sync_driver().transport
    link = link._link
    link._breaker.failed(link._breaker.admit())
    while link._turns.take(0.01):
        pass
    assert cache.remember_sync(["a"], 60, lambda: "v").detail is CacheDetail.STORE_FAILURE
