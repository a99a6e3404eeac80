"""For how long, and how often, the release of a lease is tried again."""

from itertools import pairwise
from typing import Any

import pytest

from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core.drivers import driving
from strawberry_response_cache.core.drivers.driving import LeaseTries
from strawberry_response_cache.core.protocol import Lease, NotYet, Release, Renew, Unavailable

KEYS = Keyspace("test").keys(["a"])
LEASE = Lease("token", "epoch", 1)
FAILED = Unavailable("TimeoutError")


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(driving, "time", clock)
    return clock


def tried(tries: LeaseTries, clock: Clock, *results: Any) -> list[float]:
    """Return when it is tried again, the last of the results coming for ever."""
    times: list[float] = []
    for number in range(1000):
        pause = tries.pause_after(results[min(number, len(results) - 1)])
        if pause is None:
            return times
        clock.now += pause
        times.append(clock.now)
    raise AssertionError


def test_a_failed_release_is_tried_again_until_the_lease_would_expire(clock: Clock) -> None:
    times = tried(LeaseTries(Release(KEYS, LEASE), 10, lambda: 0.0), clock, FAILED)
    assert times[0] == 0.01
    assert 8 <= times[-1] < 10
    assert len(times) < 15


def test_a_release_that_succeeded_is_not_tried_again(clock: Clock) -> None:
    assert tried(LeaseTries(Release(KEYS, LEASE, in_doubt=True), 10), clock, None) == []


def test_only_a_release_is_tried_again(clock: Clock) -> None:
    assert tried(LeaseTries(Renew(KEYS, LEASE, 10_000), 10), clock, FAILED) == []


def test_a_lease_that_may_have_been_granted_is_released_until_it_would_have_expired(
    clock: Clock,
) -> None:
    """The time counts from the first answer of the server, which may have stalled for longer."""
    tries = LeaseTries(Release(KEYS, LEASE, in_doubt=True), 10, lambda: 0.0)
    stalled = [FAILED] * 12
    times = tried(tries, clock, *stalled, NotYet())
    answered = times[11]
    assert answered > 10
    later = [each - answered for each in times[12:]]
    assert later[-1] >= 8
    assert max(b - a for a, b in pairwise(later)) <= 2


def test_many_releases_are_tried_again_at_different_times(clock: Clock) -> None:
    first = {
        LeaseTries(Release(KEYS, LEASE, in_doubt=True), 10).pause_after(NotYet()) for _ in range(50)
    }
    assert len(first) == 50
