"""The breaker: failures in a row open it, one probe at a time closes it."""

from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import (
    CacheDetail,
    CacheSettings,
    CacheStatus,
    ResponseCache,
)
from strawberry_response_cache.core.redis.breaker import Breaker, BreakerOpenError


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, seconds=10, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed(breaker.admit())


def test_failures_in_a_row_open_the_breaker(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert not breaker.is_open
    fail(breaker, 1)

    assert breaker.is_open
    assert breaker.turns_away()
    with pytest.raises(BreakerOpenError):
        breaker.admit()


def test_the_breaker_counts_only_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)

    assert not breaker.is_open


def test_calls_that_fail_together_count_as_one_failure(breaker: Breaker) -> None:
    began = [breaker.admit() for _ in range(50)]
    for each in began:
        breaker.failed(each)

    assert not breaker.is_open


def test_one_probe_at_a_time_is_let_through_when_it_is_due(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10

    probe = breaker.admit()
    with pytest.raises(BreakerOpenError):
        breaker.admit()
    breaker.failed(probe)
    with pytest.raises(BreakerOpenError):
        breaker.admit()
    clock.now += 10
    breaker.admit()


def test_a_probe_that_succeeds_closes_a_breaker(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    breaker.admit()
    breaker.succeeded()

    assert not breaker.is_open
    assert not breaker.turns_away()
    breaker.admit()
    breaker.admit()


def test_an_older_call_that_fails_during_a_probe_does_not_block_the_next_probe(
    breaker: Breaker, clock: Clock
) -> None:
    older = breaker.admit()
    fail(breaker, 3)
    clock.now += 10
    probe = breaker.admit()
    breaker.failed(older)
    breaker.failed(probe)
    clock.now += 10

    breaker.admit()


def test_the_breaker_opens_when_a_call_sent_after_the_first_failure_fails(
    breaker: Breaker,
) -> None:
    """Calls that were sent before the first failure count as one, so one pause of the server does not open it."""
    together = [breaker.admit() for _ in range(4)]
    breaker.failed(together.pop())
    later = breaker.admit()
    for each in together:
        breaker.failed(each)
    assert not breaker.is_open

    assert breaker.failed(later) == 5
    assert breaker.is_open


def test_the_breaker_returns_the_number_of_failures_when_it_opens_and_closes(
    breaker: Breaker, clock: Clock
) -> None:
    told = [breaker.failed(breaker.admit()) for _ in range(3)]
    clock.now += 10
    told.append(breaker.failed(breaker.admit()))
    clock.now += 10
    breaker.admit()

    assert told == [0, 0, 3, 0]
    assert (breaker.succeeded(), breaker.succeeded()) == (4, 0)


def test_a_hint_that_the_server_is_back_lets_one_probe_through_at_once(breaker: Breaker) -> None:
    fail(breaker, 3)
    breaker.hurry()
    breaker.admit()

    assert breaker.turns_away(), "one at a time"


def test_a_hint_that_the_server_is_back_does_not_open_or_close_the_breaker(
    breaker: Breaker,
) -> None:
    breaker.hurry()
    assert not breaker.is_open
    fail(breaker, 3)
    breaker.hurry()
    assert breaker.is_open


async def test_a_server_that_is_down_opens_the_breaker_and_callers_get_their_values(
    new_cache: Callable[..., ResponseCache], unused_port: int, face: Any
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}", breaker_failures=2, breaker_seconds=3600)
    responses = [await face.remember(cache, ["a"], 60, lambda: "value") for _ in range(5)]

    assert {response.detail for response in responses} == {CacheDetail.STORE_FAILURE}
    assert {response.status for response in responses} == {CacheStatus.BYPASS}
    assert cache.statistics().is_breaker_open


def test_the_breaker_opens_after_5_failures_and_probes_each_second_by_default() -> None:
    assert CacheSettings().breaker_failures == 5
    assert CacheSettings().breaker_seconds == 1
