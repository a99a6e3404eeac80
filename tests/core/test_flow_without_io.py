"""The algorithm itself, driven by hand; then every interleaving of two callers and an invalidation.

No store, no loop and no threads: a caller is a Python generator that says what it needs done. The
exhaustive part keeps a tiny model of the store beside it and proves that no caller gets a value
older than an invalidation that was acknowledged before the caller began, and that mutants do not pass.
"""

import math
import threading
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from strawberry_response_cache.core import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.algorithm.call import Call, Limits
from strawberry_response_cache.core.algorithm.flights import (
    Flight,
    Flights,
    Generation,
    Landed,
    Landing,
)
from strawberry_response_cache.core.algorithm.remembering import remember
from strawberry_response_cache.core.algorithm.requests import (
    CallerGoneError,
    Detach,
    Flow,
    Generate,
    Join,
    Pause,
)
from strawberry_response_cache.core.algorithm.waiting import WaitBudget
from strawberry_response_cache.core.drivers.sync_driver import ThreadWaiter
from strawberry_response_cache.core.protocol import (
    Commit,
    Fresh,
    Granted,
    Held,
    Lease,
    Lookup,
    LookupAnswer,
    Moved,
    NoLease,
    Refused,
    Release,
    Stale,
    Stored,
    Throttle,
    Unavailable,
    Unreadable,
)
from strawberry_response_cache.core.protocol.entry import (
    Entry,
    UnreadableEntryError,
    ValueRecording,
)
from strawberry_response_cache.core.serialization.serializer import NotStored

KEYS = EntryKeys("{n}:e:k", "{n}:l:k", "{n}:t")
LEASE = Lease("token", "epoch", 3)


MARKER = ValueRecording(b"0", 500)


class Numbers:
    """A serializer of whole numbers; 13 is not for storing, 17 is a failure, and b"?" is not readable.

    In place of 15, a marker is stored; and of 16, if there is nothing to serve instead.
    """

    serves_stale: ClassVar[bool] = True

    def record(self, value: int, metas: object) -> ValueRecording | NotStored:
        if value == 13:
            return NotStored(CacheDetail.UNCACHEABLE)
        if value == 17:
            return NotStored(CacheDetail.UNCACHEABLE, Unavailable("of the value"))
        if value in {15, 16}:
            failed = Unavailable("of a piece") if value == 16 else None
            return NotStored(CacheDetail.UNCACHEABLE, failed, MARKER)
        return ValueRecording(b"%d" % value, 1000)

    def read(self, recording: ValueRecording) -> int:
        if recording.payload == b"?":
            raise UnreadableEntryError
        return int(recording.payload)

    def known_tags(self) -> frozenset[str]:
        return frozenset({"number"})


def entry(payload: bytes = b"7", remaining_ms: int = 400, write_id: str = "wid") -> Entry:
    """An entry as the store would hand it out."""
    return Entry(ValueRecording(payload, 1000, 500), write_id, "epoch", 3, remaining_ms)


class Clock:
    """A clock that goes on with every look at it, and with each wait."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


CLOCK = Clock()
WAIT_BUDGET = 0.02


def new_flights(max_flights: int = 1000, max_waiting: int = 1000) -> Flights:
    return Flights(ThreadWaiter, max_flights=max_flights, max_waiting=max_waiting)


class Script:
    """One caller and the answers that a test gives it."""

    def __init__(
        self, flights: Flights | None = None, budget: WaitBudget | None = None, **more: Any
    ) -> None:
        self.flights = new_flights() if flights is None else flights
        self.call: Call[int] = Call(
            KEYS,
            Numbers(),
            self.flights,
            Limits(10_000),
            budget or WaitBudget(WAIT_BUDGET),
            jitter=lambda: 0,
            **({"clock": CLOCK} | more),
        )
        self.flow: Flow[int] = remember(self.call)
        self.response: CachedResponse[int] | None = None
        self.request: Any = next(self.flow)

    def answer(self, result: object = None) -> Any:
        """Answer what was asked for, and return what is asked for next."""
        if isinstance(self.request, Pause):
            CLOCK.now += self.request.seconds
        try:
            self.request = self.flow.send(result)
        except StopIteration as end:
            self.request, self.response = None, end.value
        return self.request

    def wait_in_vain(self) -> Any:
        """Let a wait for another end without an outcome, and return what is asked for next."""
        assert isinstance(self.request, Join)
        CLOCK.now += self.request.seconds
        return self.answer()

    def fail(self, error: BaseException) -> Any:
        """Raise in the caller what it waits for, and return what is asked for next."""
        self.request = self.flow.throw(error)
        return self.request

    @property
    def outcome(self) -> tuple[object, ...]:
        assert self.response is not None
        return (self.response.value, self.response.status, self.response.detail)


def test_a_fresh_entry_is_a_hit() -> None:
    caller = Script()

    assert isinstance(caller.request, Lookup)
    assert caller.request.lease_ms == 10_000
    caller.answer(Fresh(entry()))

    assert caller.response == CachedResponse(7, CacheStatus.HIT, CacheDetail.FRESH, 0.6, 0.4)


def test_a_stale_entry_without_the_lease_is_a_hit_at_once() -> None:
    caller = Script()
    caller.answer(Stale(entry(remaining_ms=-100), None))

    assert caller.response == CachedResponse(7, CacheStatus.HIT, CacheDetail.STALE, 1.1, 0)


def test_a_stale_entry_with_the_lease_is_refreshed_without_being_joined() -> None:
    caller = Script()
    generate = caller.answer(Stale(entry(remaining_ms=-100), LEASE))

    assert isinstance(generate, Generate)
    assert generate.lease is LEASE
    assert len(caller.flights) == 0
    commit = caller.answer(8)
    assert commit == Commit(KEYS, LEASE, ValueRecording(b"8", 1000), LEASE.clock)
    caller.answer(Stored())
    assert caller.outcome == (8, CacheStatus.MISS, CacheDetail.GENERATED)


@pytest.mark.parametrize(
    "stored", [NoLease(), Granted(LEASE), Stale(entry(remaining_ms=-1), LEASE)]
)
def test_a_marker_is_stored_in_place_of_a_value_only_if_the_caller_holds_the_lease(
    stored: LookupAnswer,
) -> None:
    caller = Script()
    caller.answer(stored)
    commit = caller.answer(15)

    if not isinstance(stored, NoLease):
        assert commit == Commit(KEYS, LEASE, MARKER, only_absent=True)
        caller.answer(Stored())
    assert caller.outcome == (15, CacheStatus.BYPASS, CacheDetail.UNCACHEABLE)


@pytest.mark.parametrize(
    ("remaining_ms", "value"),
    [(400, 15), (400, 16), (-100, 16)],
    ids=["fresh", "fresh, instead of a failure", "stale, instead of a failure"],
)
def test_a_marker_replaces_no_entry_that_is_fresh_or_served_in_place_of_a_failure(
    remaining_ms: int, value: int
) -> None:
    caller = Script()
    caller.answer(Stale(entry(remaining_ms=remaining_ms), LEASE))
    then = caller.answer(value)

    assert then == (Release(KEYS, LEASE) if value == 15 else Detach(Throttle(KEYS, LEASE, 10_000)))
    caller.answer()
    assert caller.outcome[0] == (15 if value == 15 else 7)


@pytest.mark.parametrize("remaining_ms", [-100, 400], ids=["stale", "early"])
def test_a_refresh_that_fails_serves_the_stale_value_and_delays_the_next_refresh(
    remaining_ms: int,
) -> None:
    caller, found = Script(), entry(remaining_ms=remaining_ms)
    found = replace(found, recording=replace(found.recording, cost_ms=3000))
    caller.answer(Stale(found, LEASE))

    assert caller.fail(LookupError()) == Detach(Throttle(KEYS, LEASE, 10_000))
    caller.answer()
    assert caller.outcome[:2] == (7, CacheStatus.HIT)
    assert caller.response is not None
    assert caller.response.saved == 0, "the generator ran all the same"


@pytest.mark.parametrize("remaining_ms", [-100, 400], ids=["stale", "early"])
def test_a_stale_value_is_served_instead_of_a_value_that_counts_as_a_failure(
    remaining_ms: int,
) -> None:
    caller = Script()
    caller.answer(Stale(entry(remaining_ms=remaining_ms), LEASE))
    assert caller.answer(17) == Detach(Throttle(KEYS, LEASE, 10_000))
    caller.answer()
    assert caller.outcome[:2] == (7, CacheStatus.HIT)

    first = Script()
    first.answer(Granted(LEASE))
    assert first.answer(17) == Release(KEYS, LEASE)
    first.answer()
    assert first.outcome == (17, CacheStatus.BYPASS, CacheDetail.UNCACHEABLE)


def test_an_error_is_raised_if_the_serializer_serves_nothing_stale() -> None:
    class Strict(Numbers):
        serves_stale: ClassVar[bool] = False

    caller = Script()
    caller.call.serializer = Strict()
    caller.answer(Stale(entry(remaining_ms=-100), LEASE))
    assert caller.fail(LookupError()) == Release(KEYS, LEASE)
    with pytest.raises(LookupError):
        caller.answer()


def test_a_caller_whose_wait_budget_is_spent_opens_no_flight() -> None:
    watcher = Script()
    while isinstance(watcher.answer(Held()), Pause):
        watcher.answer()
    assert isinstance(watcher.request, Generate)
    assert len(watcher.flights) == 0


def test_a_refresh_that_is_refused_returns_the_new_value() -> None:
    caller = Script()
    caller.answer(Stale(entry(remaining_ms=-100), LEASE))
    caller.answer(8)
    caller.answer(Refused())

    assert caller.outcome == (8, CacheStatus.MISS, CacheDetail.REFUSED)


def test_a_held_lease_is_waited_for() -> None:
    caller = Script()
    assert caller.answer(Held()) == Pause(0.005, KEYS.lease)
    assert isinstance(caller.answer(), Lookup)
    assert caller.answer(Held()) == Pause(0.01, KEYS.lease)
    assert isinstance(caller.answer(), Lookup)
    caller.answer(Fresh(entry()))

    assert caller.outcome == (7, CacheStatus.HIT, CacheDetail.FRESH)


def test_a_caller_that_gets_the_lease_after_waiting_generates() -> None:
    caller = Script()
    caller.answer(Held())
    caller.answer()
    assert isinstance(caller.answer(Granted(LEASE)), Generate)
    assert len(caller.flights) == 1
    assert isinstance(caller.answer(8), Commit)
    assert len(caller.flights) == 0, "sealed before the commit"
    caller.answer(Stored())

    assert caller.outcome == (8, CacheStatus.MISS, CacheDetail.GENERATED)


def test_a_caller_whose_wait_budget_is_spent_generates_without_storing() -> None:
    caller = Script()
    waited = 0.0
    while isinstance(request := caller.answer(Held()), Pause):
        waited += request.seconds
        assert isinstance(caller.answer(), Lookup)

    assert waited == pytest.approx(WAIT_BUDGET, abs=1e-4)
    assert request == Generate(None, KEYS, None)
    caller.answer(8)
    assert caller.outcome == (8, CacheStatus.BYPASS, CacheDetail.WAITED_OUT)


@pytest.mark.parametrize("found", [Granted(LEASE), NoLease()], ids=["leased", "leaseless"])
def test_a_run_that_hangs_is_waited_for_no_longer_than_the_wait_budget(found: LookupAnswer) -> None:
    leader = Script()
    leader.answer(found)
    joiner = Script(leader.flights)
    if isinstance(joiner.request, Lookup):
        joiner.answer(found)

    assert joiner.request.seconds == pytest.approx(WAIT_BUDGET)
    assert joiner.wait_in_vain() == Generate(None, KEYS, None)
    joiner.answer(8)
    assert joiner.outcome == (8, CacheStatus.BYPASS, CacheDetail.WAITED_OUT)
    leader.answer(7)
    if isinstance(leader.request, Commit):
        leader.answer(Stored())
    assert leader.outcome[0] == 7, "it is woken by nobody who left"


def test_all_waits_of_a_caller_share_one_wait_budget() -> None:
    leader = Script()
    leader.answer(Granted(LEASE))
    joiner = Script(leader.flights)
    first = joiner.request.seconds
    CLOCK.now += first / 2
    leader.answer(8)
    leader.answer(Refused())
    assert isinstance(joiner.answer(), Lookup)

    another = Script(leader.flights)
    another.answer(Granted(LEASE))
    assert isinstance(joiner.answer(Held()), Join)
    assert joiner.request.seconds == pytest.approx(first / 2, abs=1e-4)


def test_all_callers_of_a_request_share_its_wait_budget() -> None:
    budget = WaitBudget(WAIT_BUDGET)
    leader = Script()
    leader.answer(Granted(LEASE))
    first = Script(leader.flights, budget)
    assert first.wait_in_vain() == Generate(None, KEYS, None)

    below = Script(leader.flights, budget)
    assert below.request.seconds == 0
    elsewhere = Script(None, budget)
    assert elsewhere.answer(Held()) == Generate(None, KEYS, None)
    assert isinstance(Script(None, budget).answer(Granted(LEASE)), Generate)


def sealed(leader: Script, tags: AbstractSet[str] | None, clock: int | None = None) -> list[Lease]:
    """Tell the flights of a caller of an invalidation; return whose runs it makes useless."""
    return [run.lease for run in leader.flights.seal_outdated(KEYS.tags, tags, clock)]


def test_a_caller_after_an_invalidation_does_not_join_a_run_from_before() -> None:
    leader = Script()
    leader.answer(Granted(LEASE))
    before = Script(leader.flights)

    assert sealed(leader, {"number", "another"}) == [LEASE]

    after = Script(leader.flights)
    assert isinstance(after.request, Lookup)
    younger = Lease("younger", "epoch", 4)
    assert isinstance(after.answer(Granted(younger)), Generate)
    assert sealed(leader, {"number"}, clock=4) == [], "it began after that invalidation"
    after.answer(9)
    after.answer(Stored())
    assert after.outcome == (9, CacheStatus.MISS, CacheDetail.GENERATED)
    leader.answer(8)
    leader.answer(Refused())
    assert leader.outcome == (8, CacheStatus.MISS, CacheDetail.REFUSED)
    assert isinstance(before.answer(), Lookup)


@pytest.mark.parametrize("tags", [{"another"}, frozenset[str]()], ids=["another", "none"])
def test_a_run_that_an_invalidation_does_not_concern_is_joined(tags: AbstractSet[str]) -> None:
    leader = Script()
    leader.answer(Granted(LEASE))

    assert sealed(leader, tags) == []
    assert leader.flights.seal_outdated("another table", None) == []
    assert isinstance(Script(leader.flights).request, Join)


def test_clear_and_forget_end_the_flights_that_they_concern_for_later_callers() -> None:
    for tags in (None, {KEYS.own_tag}):
        leader = Script()
        leader.answer(Granted(LEASE))
        assert sealed(leader, tags) == [LEASE]


def test_an_invalidation_of_a_part_concerns_the_run_of_the_whole_that_has_read_it() -> None:
    leader = Script()
    generate = leader.answer(Granted(LEASE))
    part = Entry(ValueRecording(b"7", 1000, tags=("of the part",)), "wid", "epoch", 3, 400)
    taking: Flow[int] = remember(
        Call(
            EntryKeys("{n}:e:part", "{n}:l:part", "{n}:t"),
            Numbers(),
            leader.flights,
            Limits(10_000),
            WaitBudget(1),
            within=(generate.flight,),
        )
    )
    next(taking)
    with pytest.raises(StopIteration):
        taking.send(Fresh(part))

    assert sealed(leader, {"of the part"}) == [LEASE]


def test_an_invalidation_releases_the_lease_of_a_refresh_that_still_runs() -> None:
    leader = Script()
    leader.answer(Stale(entry(remaining_ms=-100), LEASE))
    assert sealed(leader, {"number"}) == [LEASE]

    done = Script()
    done.answer(Stale(entry(remaining_ms=-100), LEASE))
    done.answer(8)
    done.answer(Stored())
    assert sealed(done, {"number"}) == [], "it is over"


def test_joiners_look_up_again_when_a_run_from_before_an_invalidation_ends() -> None:
    leader = Script()
    leader.answer(Granted(LEASE))
    first, second = Script(leader.flights), Script(leader.flights)
    sealed(leader, None)

    assert leader.fail(KeyboardInterrupt()) == Release(KEYS, LEASE)
    assert isinstance(first.answer(), Lookup)
    assert isinstance(second.answer(), Lookup)


def test_after_a_failed_lookup_the_caller_generates_and_releases_a_lease_it_may_hold() -> None:
    caller = Script()
    detached = caller.answer(Unavailable("TimeoutError"))

    assert isinstance(detached, Detach)
    assert detached.effect.lease.token == caller.call.token
    assert isinstance(caller.answer(), Generate)
    assert len(caller.flights) == 1, "callers that come meanwhile share the run"
    caller.answer(8)
    assert caller.outcome == (8, CacheStatus.BYPASS, CacheDetail.STORE_FAILURE)
    assert len(caller.flights) == 0


def test_a_caller_generates_unstored_where_the_server_takes_no_writes() -> None:
    caller = Script()
    generate = caller.answer(NoLease())

    assert isinstance(generate, Generate)
    assert generate.lease is None
    caller.answer(8)
    assert caller.outcome == (8, CacheStatus.BYPASS, CacheDetail.NO_LEASE)


@pytest.mark.parametrize("found", [Unreadable("wid"), Fresh(entry(b"?"))], ids=["bytes", "value"])
def test_an_unreadable_entry_is_rejected_once_and_then_the_caller_generates_unstored(
    found: LookupAnswer,
) -> None:
    caller = Script()
    again = caller.answer(found)
    assert isinstance(again, Lookup)
    assert again.rejected == "wid"

    release = caller.answer(found)
    assert isinstance(release, Release)
    assert release.lease.token == again.token
    assert isinstance(caller.answer(), Generate)
    caller.answer(8)
    assert caller.outcome == (8, CacheStatus.BYPASS, CacheDetail.STORE_FAILURE)


def test_an_unreadable_entry_is_generated_again_under_the_lease_of_the_second_lookup() -> None:
    caller = Script()
    caller.answer(Unreadable("wid"))
    assert isinstance(caller.answer(Granted(LEASE)), Generate)
    caller.answer(8)
    caller.answer(Stored())
    assert caller.outcome == (8, CacheStatus.MISS, CacheDetail.GENERATED)


def test_an_unreadable_stale_entry_is_rejected() -> None:
    caller = Script()
    again = caller.answer(Stale(entry(b"?"), LEASE))
    assert (type(again), again.rejected) == (Lookup, "wid")


def test_an_entry_replaced_between_check_and_read_is_looked_up_once_more_and_not_rejected() -> None:
    caller = Script()
    again = caller.answer(Moved())
    assert (type(again), again.rejected) == (Lookup, "")

    assert isinstance(caller.answer(Moved()), Release)
    assert isinstance(caller.answer(), Generate)
    caller.answer(8)
    assert caller.outcome == (8, CacheStatus.BYPASS, CacheDetail.STORE_FAILURE)


@pytest.mark.parametrize(
    ("committed", "detail"),
    [(Refused(), CacheDetail.REFUSED), (Unavailable("TimeoutError"), CacheDetail.STORE_FAILURE)],
)
def test_an_unstored_value_reaches_only_the_leader_and_earlier_joiners(
    committed: object, detail: CacheDetail
) -> None:
    leader = Script()
    early = Script(leader.flights)
    leader.answer(Granted(LEASE))
    early.answer(Held())
    late = Script(leader.flights)
    assert isinstance(early.request, Join)
    assert isinstance(late.request, Join)
    leader.answer(8)
    leader.answer(committed)
    if isinstance(committed, Unavailable):
        assert leader.request == Detach(Release(KEYS, LEASE)), "nobody is to wait for it"
        leader.answer()
    early.answer()

    assert leader.outcome == (8, CacheStatus.MISS, detail)
    assert early.outcome == (8, CacheStatus.BYPASS, CacheDetail.JOINED)
    assert isinstance(late.answer(), Lookup), (
        "an invalidation may lie between the run and its coming"
    )


def test_a_caller_during_a_run_without_a_lease_shares_the_next_run() -> None:
    leader = Script()
    leader.answer(NoLease())
    first, second = Script(leader.flights), Script(leader.flights)
    for late in (first, second):
        late.answer(NoLease())
        assert isinstance(late.request, Join)
    leader.answer(8)

    assert isinstance(first.answer(), Generate)
    assert second.request.waiter.outcome is None
    first.answer(9)
    second.answer()
    assert first.outcome == (9, CacheStatus.BYPASS, CacheDetail.STORE_FAILURE)
    assert second.outcome == (9, CacheStatus.BYPASS, CacheDetail.JOINED)


def test_joiners_get_the_value_after_it_was_stored() -> None:
    leader = Script()
    leader.answer(Granted(LEASE))
    joiner = Script(leader.flights)
    leader.answer(8)
    assert joiner.request.waiter.outcome is None
    late = Script(leader.flights)
    assert isinstance(late.request, Lookup), "a flight that commits is not joined any more"
    leader.answer(Stored())
    joiner.answer()

    assert joiner.outcome == (8, CacheStatus.MISS, CacheDetail.JOINED)


def test_an_interrupted_leader_hands_its_lease_to_one_joiner() -> None:
    class GoneError(BaseException):
        pass

    leader = Script()
    leader.answer(Granted(LEASE))
    joiner, other = Script(leader.flights), Script(leader.flights)
    with pytest.raises(GoneError):
        leader.fail(GoneError())

    generate = joiner.answer()
    assert isinstance(generate, Generate)
    assert generate.lease is LEASE
    assert other.request.waiter.outcome is None
    joiner.answer(8)
    joiner.answer(Stored())
    other.answer()
    assert joiner.outcome == (8, CacheStatus.MISS, CacheDetail.GENERATED)
    assert other.outcome == (8, CacheStatus.MISS, CacheDetail.JOINED)


def test_an_interrupted_joiner_hands_the_lease_to_the_next_and_the_last_releases_it() -> None:
    leader = Script()
    leader.answer(Granted(LEASE))
    joiner, other = Script(leader.flights), Script(leader.flights)
    with pytest.raises(KeyboardInterrupt):
        leader.fail(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        joiner.fail(KeyboardInterrupt())

    release = other.fail(KeyboardInterrupt())
    assert release == Release(KEYS, LEASE)
    with pytest.raises(KeyboardInterrupt):
        other.answer()
    assert len(leader.flights) == 0


@pytest.mark.parametrize(
    "result", [Granted(LEASE), Stale(entry(), LEASE), Unavailable("x"), Moved()]
)
def test_a_caller_cancelled_during_its_lookup_releases_its_lease(result: LookupAnswer) -> None:
    caller = Script()
    release = caller.fail(CallerGoneError(result))

    assert isinstance(release, Release)
    assert release.lease.token == caller.call.token


def test_a_generator_that_asks_for_its_own_key_does_not_wait_for_itself() -> None:
    caller = Script()
    generate = caller.answer(Granted(LEASE))
    inner = Script(caller.flights, within=(generate.flight,))

    assert inner.request == Generate(None, KEYS, None)
    inner.answer(8)
    assert inner.outcome == (8, CacheStatus.BYPASS, CacheDetail.REENTRANT)
    caller.answer(9)
    caller.answer(Stored())
    assert caller.outcome == (9, CacheStatus.MISS, CacheDetail.GENERATED)


def test_a_value_that_is_not_stored_is_not_shared() -> None:
    leader = Script()
    leader.answer(Granted(LEASE))
    joiner = Script(leader.flights)
    assert leader.answer(13) == Release(KEYS, LEASE)
    leader.answer()

    assert leader.outcome == (13, CacheStatus.BYPASS, CacheDetail.UNCACHEABLE)
    assert joiner.answer() == Generate(None, KEYS, None)


def test_a_run_without_a_lease_is_shared_by_callers_whose_lookups_fail_meanwhile() -> None:
    one = Script()
    other = Script(one.flights)
    one.answer(Unavailable("x"))
    other.answer(Unavailable("x"))
    one.answer()
    assert isinstance(other.answer(), Join)
    one.answer(8)
    other.answer()

    assert other.outcome[0] == 8


# -- Every interleaving -------------------------------------------------------------------------------


class Store:
    """A model of the server: each effect is one atomic step."""

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self.holder: str | None = None
        self.clock = 0
        self.invalidated_at = 0

    def lookup(self, effect: Lookup) -> LookupAnswer:
        if self.entry and self.entry.clock >= self.invalidated_at:
            return Fresh(self.entry)
        if self.holder not in {None, effect.token}:
            return Held()
        self.holder = effect.token
        return Granted(Lease(effect.token, "epoch", self.clock))

    def commit(self, effect: Commit) -> Stored | Refused:
        if self.holder != effect.lease.token:
            return Refused()
        self.holder = None
        if self.invalidated_at > effect.lease.clock:
            return Refused()
        return self.store(effect)

    def store(self, effect: Commit) -> Stored:
        clock = effect.lease.clock if effect.clock is None else effect.clock
        self.entry = Entry(effect.recording, effect.lease.token, "epoch", clock, 1000)
        return Stored()

    def release(self, effect: Release) -> None:
        if self.holder == effect.lease.token:
            self.holder = None

    def invalidate(self) -> None:
        self.clock += 1
        self.invalidated_at = self.clock

    def forget(self) -> None:
        self.entry = self.holder = None


class CommitIgnoresTags(Store):
    def commit(self, effect: Commit) -> Stored | Refused:
        if self.holder != effect.lease.token:
            return Refused()
        self.holder = None
        return self.store(effect)

    def store(self, effect: Commit) -> Stored:
        self.entry = Entry(effect.recording, effect.lease.token, "epoch", self.clock, 1000)
        return Stored()


class UnconditionalSet(Store):
    def commit(self, effect: Commit) -> Stored | Refused:
        return self.store(effect)


class JoinersKeepARefusedValue(Flights):
    def settle(self, flight: Flight, outcome: Landing, *, early: Landing | None = None) -> None:
        super().settle(flight, early or outcome)


class WaitsForEver(WaitBudget):
    __slots__ = ()

    def left(self, now: float) -> float:
        return math.inf


class NotSealedByAnInvalidation(Flights):
    def seal_outdated(
        self, table: str, tags: AbstractSet[str] | None, clock: int | None = None
    ) -> list[Generation]:
        return []


class NoSealBeforeTheCommit(Flights):
    def seal(self, flight: Flight) -> None:
        """Leave it open."""

    def settle(self, flight: Flight, outcome: Landing, *, early: Landing | None = None) -> None:
        super().seal(flight)
        super().settle(flight, outcome, early=early)


@dataclass
class Caller:
    """One caller: what it waits for, and what it must not get."""

    flow: Flow[int]
    began: bool = False
    floor: int = 0
    request: Any = None
    generated: int | None = None
    committed: object = None
    returned: int | None = None


@dataclass
class World:
    """Two callers, a source of truth that is written and invalidated once, and a store.

    Attributes:
        store: The store.
        callers: The callers.
        flights: Those of each process.
        clock: The clock of all.
        forget: Whether the key is forgotten, instead of its tag invalidated.
        fault: What the first lookup is answered with, instead of the truth.
        hears: Whether the processes hear of the invalidation.
        hangs: Whether the generator of the first caller never returns.
        is_patient: Whether the callers wait for a run as long as they have to.
    """

    store: Store
    callers: list[Caller]
    flights: list[Flights]
    clock: Clock
    forget: bool = False
    fault: LookupAnswer | None = None
    hears: bool = False
    hangs: bool = False
    is_patient: bool = False
    version: int = 0
    invalidated: bool = False
    trace: list[str] = field(default_factory=list)

    def enabled(self) -> list[int]:
        """Who can make a step: the callers by number, and the invalidation as -1."""
        able = [
            number
            for number, caller in enumerate(self.callers)
            if caller.returned is None and self._can_go_on(number, caller.request)
        ]
        return able if self.invalidated else [*able, -1]

    def _can_go_on(self, number: int, request: Any) -> bool:
        if isinstance(request, Join) and request.waiter.outcome is None:
            # Only where another hangs is it worth a branch that it is waited for in vain.
            return self.hangs and not self.is_patient and request.seconds < math.inf
        return not (self.hangs and number == 0 and isinstance(request, Generate))

    def step(self, who: int) -> None:
        if who == -1:
            self._invalidate()
            return
        caller = self.callers[who]
        self.trace.append(f"{who}: {type(caller.request).__name__}")
        if not caller.began:
            caller.began, caller.floor = True, self.version
            self._resume(caller, None)
            return
        request = caller.request
        answer: object = None
        match request:
            case Lookup():
                answer, self.fault = self.fault or self.store.lookup(request), None
            case Commit() if caller.committed is None:
                caller.committed = self.store.commit(request)
                return  # its answer arrives in a step of its own
            case Commit():
                answer = caller.committed
            case Release():
                self.store.release(request)
            case Detach(Release() as effect):
                self.store.release(effect)
            case Pause(seconds) | Join(_, seconds) if seconds:
                self.clock.now += seconds
            case Generate():
                answer = caller.generated
        self._resume(caller, answer)

    def _invalidate(self) -> None:
        self.trace.append("invalidate")
        self.version += 1
        self.invalidated = True
        self.store.forget() if self.forget else self.store.invalidate()
        for flights in self.flights if self.hears else []:
            for run in flights.seal_outdated(KEYS.tags, {"number"}):
                self.store.release(Release(run.keys, run.lease))

    def _resume(self, caller: Caller, answer: object) -> None:
        try:
            caller.request = caller.flow.send(answer)
        except StopIteration as end:
            caller.returned = end.value.value
        else:
            caller.committed = None
            if isinstance(caller.request, Generate):
                caller.generated = self.version  # read at the start: the worst moment

    def verdict(self) -> str | None:
        """What went wrong, once nobody can make a step."""
        first = self.callers[0]
        for number, caller in enumerate(self.callers):
            is_of_use = self.is_patient and caller.floor <= (first.generated or 0)
            if caller.returned is None and self.hangs and (number == 0 or is_of_use):
                continue  # it hangs, or waits for a run that is of use to it
            if caller.returned is None:
                return f"caller {number} waits for ever: {self.trace}"
            if caller.returned < caller.floor:
                return f"caller {number} got a value older than its beginning: {self.trace}"
        return None


def explore(new_world: Callable[[], World]) -> tuple[int, str | None]:
    """Run every interleaving, or up to the first that goes wrong; return their number and it."""
    choices: list[int] = []
    runs = 0
    while True:
        world = new_world()
        widths: list[int] = []
        while able := world.enabled():
            if len(widths) == len(choices):
                choices.append(0)
            widths.append(len(able))
            world.step(able[choices[len(widths) - 1]])
        runs += 1
        if (wrong := world.verdict()) is not None:
            return runs, wrong
        while choices and choices[-1] == widths[len(choices) - 1] - 1:
            choices.pop()
        if not choices:
            return runs, None
        choices[-1] += 1


def worlds(
    store: type[Store] = Store,
    budget: type[WaitBudget] = WaitBudget,
    flights: type[Flights] = Flights,
    *,
    processes: int = 1,
    forget: bool = False,
    fault: LookupAnswer | None = None,
    hears: bool = False,
    hangs: bool = False,
    is_patient: bool = False,
) -> Callable[[], World]:
    """Make worlds of one kind; callers of one process share its flights."""

    def new() -> World:
        clock = Clock()
        shared = [
            flights(ThreadWaiter, max_flights=1000, max_waiting=1000) for _ in range(processes)
        ]
        callers = [
            Caller(
                remember(
                    Call(
                        KEYS,
                        Numbers(),
                        shared[number % processes],
                        Limits(10_000),
                        budget(0.005),
                        jitter=lambda: 0,
                        clock=clock,
                        token=f"token {number}",
                    )
                )
            )
            for number in range(2)
        ]
        return World(store(), callers, shared, clock, forget, fault, hears, hangs, is_patient)

    return new


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("hears", [False, True], ids=["unheard", "heard"])
@pytest.mark.parametrize("forget", [False, True], ids=["invalidate", "forget"])
def test_no_interleaving_returns_what_was_invalidated_before_its_caller_began(
    processes: int, forget: bool, hears: bool
) -> None:
    runs, wrong = explore(worlds(processes=processes, forget=forget, hears=hears))

    assert wrong is None
    assert runs > 200


@pytest.mark.parametrize(
    "fault",
    [
        Unavailable("TimeoutError"),
        NoLease(),
        pytest.param(Moved(), marks=pytest.mark.exhaustive),
        pytest.param(Unreadable("x"), marks=pytest.mark.exhaustive),
    ],
    ids=lambda f: type(f).__name__,
)
@pytest.mark.parametrize("processes", [1, 2])
def test_no_interleaving_returns_invalidated_data_when_the_first_lookup_fails(
    processes: int, fault: LookupAnswer
) -> None:
    runs, wrong = explore(worlds(processes=processes, fault=fault))

    assert wrong is None
    assert runs > 200


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("hears", [False, True], ids=["unheard", "heard"])
@pytest.mark.parametrize("forget", [False, True], ids=["invalidate", "forget"])
def test_no_interleaving_waits_for_ever_for_a_run_that_hangs(
    processes: int, forget: bool, hears: bool
) -> None:
    runs, wrong = explore(worlds(processes=processes, forget=forget, hears=hears, hangs=True))

    assert wrong is None
    assert runs > 20


def test_no_interleaving_waits_for_a_run_that_an_invalidation_has_outdated() -> None:
    runs, wrong = explore(worlds(hears=True, hangs=True, is_patient=True))

    assert wrong is None
    assert runs > 20


@pytest.mark.parametrize(
    "mutant",
    [
        {"budget": WaitsForEver, "hangs": True},
        {"flights": NotSealedByAnInvalidation, "hears": True, "hangs": True, "is_patient": True},
    ],
    ids=str,
)
def test_the_model_finds_a_mutant_that_waits_for_ever(mutant: dict[str, Any]) -> None:
    _, wrong = explore(worlds(**mutant))

    assert wrong is not None
    assert "waits for ever" in wrong


@pytest.mark.parametrize(
    ("mutant", "processes"),
    [
        ({"store": CommitIgnoresTags}, 1),
        ({"store": CommitIgnoresTags}, 2),
        ({"store": UnconditionalSet, "forget": True}, 1),
        ({"store": UnconditionalSet, "forget": True}, 2),
        ({"flights": JoinersKeepARefusedValue}, 1),
        ({"flights": NoSealBeforeTheCommit}, 1),
    ],
    ids=str,
)
def test_the_model_finds_a_mutant_that_returns_what_was_invalidated(
    mutant: dict[str, Any], processes: int
) -> None:
    _, wrong = explore(worlds(processes=processes, **mutant))

    assert wrong is not None
    assert "older than its beginning" in wrong


def test_the_model_finds_a_mutant_that_loses_its_waiters() -> None:
    class Forgetful(Flights):
        def settle(self, flight: Flight, outcome: Landing, *, early: Landing | None = None) -> None:
            flight.waiters.clear()
            super().settle(flight, outcome, early=early)

    _, wrong = explore(worlds(flights=Forgetful))

    assert wrong is not None
    assert "waits for ever" in wrong


def test_a_caller_above_max_waiting_generates_unstored_until_another_stops_waiting() -> None:
    flights = new_flights(max_waiting=1)
    leader = Script(flights)
    leader.answer(Granted(LEASE))
    waiting, crowded = Script(flights), Script(flights)
    assert isinstance(waiting.request, Join)
    assert crowded.request == Generate(None, KEYS, None)
    crowded.answer(8)
    assert crowded.outcome == (8, CacheStatus.BYPASS, CacheDetail.WAITED_OUT)

    leader.answer(7)
    leader.answer(Stored())
    waiting.answer()
    assert waiting.outcome == (7, CacheStatus.MISS, CacheDetail.JOINED)
    leader = Script(flights)
    leader.answer(Granted(LEASE))
    gone = Script(flights)
    with pytest.raises(CallerGoneError):
        gone.fail(CallerGoneError(None))
    assert isinstance(Script(flights).request, Join), "whoever is gone waits no longer"


def test_a_caller_above_max_waiting_for_another_process_looks_up_once_more_and_generates() -> None:
    flights = new_flights(max_waiting=1)
    watching, waiting, crowded = (Script(flights) for _ in range(3))
    assert isinstance(watching.answer(Held()), Pause)
    assert isinstance(waiting.answer(Held()), Join)
    assert isinstance(crowded.answer(Held()), Lookup)
    assert crowded.answer(Held()) == Generate(None, KEYS, None)
    crowded.answer(8)
    assert crowded.outcome == (8, CacheStatus.BYPASS, CacheDetail.WAITED_OUT)

    watching.answer()
    watching.answer(Fresh(entry()))
    waiting.answer()
    waiting.answer(Fresh(entry()))
    assert waiting.outcome == (7, CacheStatus.HIT, CacheDetail.FRESH)
    another, next_waiting = (Script(flights) for _ in range(2))
    assert isinstance(another.answer(Held()), Pause)
    assert isinstance(next_waiting.answer(Held()), Join), "nobody waits any more"


def test_a_run_above_max_flights_is_not_joined_but_stored() -> None:
    flights = new_flights(max_flights=1)
    flights.open("another", leased=True)
    leader, other = Script(flights), Script(flights)
    leader.answer(Granted(LEASE))
    assert len(flights) == 1
    assert isinstance(other.answer(Held()), Pause), "it waits for the lease, as it would elsewhere"
    leader.answer(7)
    leader.answer(Stored())
    assert leader.outcome == (7, CacheStatus.MISS, CacheDetail.GENERATED)
    assert len(flights) == 1


def test_flights_are_safe_among_threads() -> None:
    flights = new_flights()
    results: list[str] = []

    def caller() -> None:
        for number in range(200):
            joined = flights.join(KEYS.entry, (), leaseless=False)
            if joined is None:
                flight = flights.open(KEYS.entry, leased=True)
                flights.settle(flight, Landed(ValueRecording(b"%d" % number, 1)))
            else:
                flights.leave(*joined, ())
        results.append("done")

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == ["done"] * 8
    assert len(flights) == 0
