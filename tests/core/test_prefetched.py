"""A prefetched entry has the age that it has when it is used, not when it was found."""

from dataclasses import dataclass
from typing import Any

import pytest

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._invalidation_log import InvalidationLog
from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core.protocol import Fresh, Lookup, Unavailable
from strawberry_response_cache.core.protocol.entry import Entry, ValueRecording
from tests.conftest import driver_of

KEYSPACE = Keyspace("test")
KEYS: EntryKeys = KEYSPACE.keys(["a"])
SUBJECT = Subject("test", scope="field")


@dataclass
class Clock:
    """Goes on when a test says so."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def looked_up(clock: Clock, remaining_ms: int) -> Prefetched:
    """Return a run that found one entry."""
    prefetched = Prefetched(clock=clock)
    take(prefetched, Fresh(Entry(ValueRecording(b"1", 60_000), "w", "e", 7, remaining_ms)))
    return prefetched


def take(prefetched: Prefetched, answer: Fresh | Unavailable) -> InvalidationLog:
    """Note what the store answered; return the log of what is invalidated from now on."""
    log = InvalidationLog()
    assert prefetched.take([Lookup(KEYS, 0)], [answer], KEYSPACE, log, log.ticket()) == []
    return log


def test_a_prefetched_entry_has_its_age_at_the_time_of_use() -> None:
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


def test_a_failed_prefetch_returns_nothing_and_says_that_redis_is_down() -> None:
    prefetched = Prefetched()
    take(prefetched, Unavailable("TimeoutError", asked=True))
    assert prefetched.is_down
    assert prefetched.pop(KEYS) is None


@pytest.mark.parametrize(("cost_ms", "is_left"), [(0, True), (100, True), (10_000, False)])
def test_a_prefetched_entry_that_may_be_due_for_a_refresh_is_not_returned(
    cost_ms: int, *, is_left: bool
) -> None:
    prefetched = Prefetched(clock=Clock())
    take(
        prefetched, Fresh(Entry(ValueRecording(b"1", 60_000, cost_ms=cost_ms), "w", "e", 7, 40_000))
    )
    assert (prefetched.find(KEYS, 1.0) is not None) is is_left
    assert prefetched.has(KEYS) is is_left


END = {
    "its tag": lambda log: log.invalidate(KEYS.tags, ["t"]),
    "the entry": lambda log: log.forget(KEYS.entry),
    "everything": lambda log: log.clear(KEYS.tags),
    "more than is remembered": lambda log: [log.invalidate("other", ["x"]) for _ in range(2000)],
}
LEAVE = {
    "another tag": lambda log: log.invalidate(KEYS.tags, ["x"]),
    "another entry": lambda log: log.forget("x"),
    "the same tag of another tenant": lambda log: log.invalidate("other", ["t"]),
}


@pytest.mark.parametrize(
    ("end", "is_left"),
    [(end, False) for end in END.values()] + [(leave, True) for leave in LEAVE.values()],
    ids=[*END, *LEAVE],
)
def test_a_prefetched_entry_that_is_invalidated_before_its_use_is_not_returned(
    end: Any, *, is_left: bool
) -> None:
    entry = Entry(ValueRecording(b"1", 60_000, tags=("t",)), "w", "e", 7, 40_000)
    found, popped = Prefetched(clock=Clock()), Prefetched(clock=Clock())
    for prefetched in (found, popped):
        end(take(prefetched, Fresh(entry)))
    assert (found.find(KEYS, 0.0) is not None) is is_left
    assert (popped.pop(KEYS) is not None) is is_left


@pytest.mark.parametrize("synchronous", [False, True])
async def test_a_prefetched_entry_that_is_invalidated_during_its_lookup_is_not_returned(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, *, synchronous: bool
) -> None:
    tenant, prefetched = tenant_of(memory_cache), Prefetched()
    keys = tenant.keys(["a"])
    memory_cache.remember_sync(["a"], 60, lambda: "old", tags=["t"])
    driver = driver_of(memory_cache, synchronous=synchronous)
    asking: Any = type(driver if synchronous else driver.lookups)
    ask: Any = asking.ask_all if synchronous else asking.find_all

    def asked(*given: Any) -> Any:
        answers = ask(*given)
        memory_cache.invalidate_sync("t")
        return answers

    async def found(*given: Any) -> Any:
        answers = await ask(*given)
        await memory_cache.invalidate("t")
        return answers

    if synchronous:
        monkeypatch.setattr(asking, "ask_all", asked)
        tenant.prefetch_sync(prefetched, [keys], SUBJECT)
    else:
        monkeypatch.setattr(asking, "find_all", found)
        await tenant.prefetch(prefetched, [keys], SUBJECT)
    assert prefetched.has(keys)
    assert prefetched.pop(keys) is None
