"""What was looked up ahead is as old as it is when it is come to, not as it was when it was found."""

from dataclasses import dataclass

import pytest

from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core.protocol import Fresh, Lookup, Unavailable
from strawberry_response_cache.core.protocol.entry import Entry, Recording

KEYSPACE = Keyspace("test")
KEYS: EntryKeys = KEYSPACE.keys(["a"])


@dataclass
class Clock:
    """Goes on when a test says so."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def looked_up(clock: Clock, remaining_ms: int) -> Prefetched:
    """Return a run that found one entry."""
    prefetched = Prefetched(clock=clock)
    found = Fresh(Entry(Recording(b"1", 60_000), "w", "e", 7, remaining_ms))
    assert prefetched.take([Lookup(KEYS, 0)], [found], KEYSPACE) == []
    return prefetched


def test_an_entry_has_aged_since_it_was_found() -> None:
    clock = Clock()
    prefetched = looked_up(clock, 40_000)
    clock.now += 2.5
    found = prefetched.pop(KEYS)
    assert found is not None
    assert found.entry.remaining_ms == 37_500
    assert found.entry.age == pytest.approx(22.5)
    assert (found.entry.epoch, found.entry.clock) == ("e", 7)


def test_a_prefetched_entry_is_returned_once() -> None:
    prefetched = looked_up(Clock(), 40_000)
    assert prefetched.has(KEYS)
    assert prefetched.pop(KEYS) is not None
    assert not prefetched.has(KEYS)
    assert prefetched.pop(KEYS) is None


@pytest.mark.parametrize("later", [40.0, 41.0])
def test_a_prefetched_entry_is_not_returned_after_its_ttl(later: float) -> None:
    clock = Clock()
    prefetched = looked_up(clock, 40_000)
    clock.now += later
    assert prefetched.pop(KEYS) is None


def test_without_a_store_there_is_nothing_and_nothing_more_is_asked() -> None:
    prefetched = Prefetched()
    prefetched.take([Lookup(KEYS, 0)], [Unavailable("TimeoutError", asked=True)], KEYSPACE)
    assert prefetched.is_down
    assert prefetched.pop(KEYS) is None


@pytest.mark.parametrize(("cost_ms", "is_left"), [(0, True), (100, True), (10_000, False)])
def test_an_entry_that_may_be_due_is_left_to_the_lookup_that_decides(
    cost_ms: int, *, is_left: bool
) -> None:
    prefetched = Prefetched(clock=Clock())
    found = Fresh(Entry(Recording(b"1", 60_000, cost_ms=cost_ms), "w", "e", 7, 40_000))
    prefetched.take([Lookup(KEYS, 0)], [found], KEYSPACE)
    assert (prefetched.find(KEYS, 1.0) is not None) is is_left
    assert prefetched.has(KEYS) is is_left
