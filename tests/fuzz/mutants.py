"""The mutants that the fuzz has to catch: each takes one protection out, in this process only.

Those of the core are here, those of the GraphQL layer in `graphql.mutants`.

A mutant that no longer fits the code fails where it is applied, and one whose damaged place is
never reached is seen by its count of `Struck`: it would prove nothing.
"""

from collections.abc import Generator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Final

from strawberry_response_cache.core import protocol as _port
from strawberry_response_cache.core._invalidation_log import Ticket
from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._pub_sub import Hearers
from strawberry_response_cache.core.algorithm import generating, storing
from strawberry_response_cache.core.algorithm.call import Call
from strawberry_response_cache.core.algorithm.flights import Flight, Flights, Generation, Landed
from strawberry_response_cache.core.algorithm.parts import Parts
from strawberry_response_cache.core.algorithm.waiting import WaitBudget
from strawberry_response_cache.core.drivers import driving
from strawberry_response_cache.core.drivers.async_lookups import SharedLookups
from strawberry_response_cache.core.protocol import (
    Commit,
    Forget,
    Granted,
    Lease,
    Lookup,
    Refused,
    Stale,
    Stored,
)
from strawberry_response_cache.core.protocol import scripts as _scripts
from strawberry_response_cache.core.protocol.entry import Entry, ValueRecording
from strawberry_response_cache.core.protocol.script import Script
from strawberry_response_cache.core.protocol.script import script as new_script
from strawberry_response_cache.core.redis import async_link, sync_link
from strawberry_response_cache.core.redis.subscriber import Heartbeat
from tests.fuzz.checker import HUNG
from tests.fuzz.graphql.mutants import GRAPHQL_MUTANTS
from tests.fuzz.mutant import LOCALLY, Mutant, Struck, patch
from tests.fuzz.options import Fault

# -- Commits and joiners -----------------------------------------------------------------------------


def unconditional_commit(struck: Struck) -> None:
    """Store whatever was generated, whatever was invalidated meanwhile."""
    calls = Commit.calls

    def damaged(self: Commit) -> Sequence[_port.StoreCall]:
        struck()
        ((_, keys, arguments),) = calls(self)
        (entry,) = (one for one in arguments if isinstance(one, bytes))
        life = self.recording.ttl_ms + self.recording.stale_ms
        return (("SET", keys[:1], (entry, "PX", life)), ("UNLINK", keys[1:2], ()))

    def stored(self: Commit, replies: Sequence[Any]) -> _port.Committed:
        return Stored()

    patch(Commit, "calls", damaged)
    patch(Commit, "interpret", stored)


def joiners_keep_a_refused_value(struck: Struck) -> None:
    """Share with joiners what the commit refused."""
    settle = storing.settle

    def damaged(call: Call[Any], flight: Flight, committed: object, landed: Landed) -> None:
        if isinstance(committed, Refused):
            struck()
            committed = Stored()
        settle(call, flight, committed, landed)

    patch(storing, "settle", damaged)


def no_seal_before_the_commit(struck: Struck) -> None:
    """Let callers join while the commit is under way, when an invalidation can no longer refuse it."""
    seal, settle = Flights.seal, Flights.settle

    def not_yet(self: Flights, flight: Flight) -> None:
        struck()

    def late(self: Flights, flight: Flight, outcome: Any, *, early: Any = None) -> None:
        seal(self, flight)
        settle(self, flight, outcome, early=early)

    patch(Flights, "seal", not_yet)
    patch(Flights, "settle", late)


def clock_read_after_the_generation(struck: Struck) -> None:
    """Judge the commit by the clock at its end rather than at the start of the generation."""
    commit = storing.commit

    def damaged(
        call: Call[Any],
        flight: Flight,
        lease: Lease,
        value: Any,
        recorded: Any,
    ) -> Generator[Any, Any, Any]:
        # A lookup that finds its own lease tells the clock of now.
        seen = yield Lookup(call.keys, call.limits.lease_ms, "", lease.token)
        if isinstance(seen, Granted | Stale) and seen.lease is not None:
            struck()
            lease, recorded = seen.lease, replace(recorded, clock=None)
        return (yield from commit(call, flight, lease, value, recorded))

    patch(generating, "commit", damaged)


# -- Invalidations ------------------------------------------------------------------------------------------


def epoch_not_compared(struck: Struck) -> None:
    """Let entries and leases outlive `clear`."""
    _rewrite("LOOKUP", "found.epoch ~= epoch", "false")
    _rewrite("COMMIT", "epoch ~= ARGV[2]", "not epoch")
    struck()


def forget_leaves_the_lease(struck: Struck) -> None:
    """Invalidate a key's entry, but let what is being generated for it be stored."""
    calls = Forget.calls

    def damaged(self: Forget) -> Sequence[_port.StoreCall]:
        struck()
        return calls(self)[1:]

    patch(Forget, "calls", damaged)


def stale_entries_outlive_invalidations(struck: Struck) -> None:
    """Judge tags of fresh entries only, as if the stale window were made for invalidated data."""
    _rewrite(
        "LOOKUP",
        "elseif is_outdated(found) then",
        "elseif redis.call('PTTL', entry) > found.stale and is_outdated(found) then",
    )
    struck()


def tags_of_entries_not_looked_at(struck: Struck) -> None:
    """Take the clock of the tenant for that of each entry."""
    _rewrite("LOOKUP", "found.clock ~= clock", "false")
    struck()


def last_look_counts_for_ever(struck: Struck) -> None:
    """Look at the tags of what a process knows at the first look only."""
    _rewrite("LOOKUP", "tonumber(as_of) == clock", "true")
    struck()


def second_pass_left_out(struck: Struck) -> None:
    """Stamp the slots of a tenant once only."""

    def damaged(self: Keyspace) -> int:
        struck()
        return 1

    patch(Keyspace, "passes", property(damaged))


def run_id_ignored(struck: Struck) -> None:
    """Believe a server that came back with an old snapshot."""

    def damaged(_: object) -> str:
        struck()
        return ""

    for module in (async_link, sync_link):
        assert hasattr(module, "run_id_of"), "run_id_of is gone"
        setattr(module, "run_id_of", damaged)  # noqa: B010 - two modules, one name


def lookups_shared_after_they_were_sent(struck: Struck) -> None:
    """Give a caller what was read before it came."""
    ask = SharedLookups.ask

    def damaged(self: SharedLookups, lookup: Lookup, then: Any, subject: Subject) -> None:
        known = self._batches.get(lookup.keys.tags)
        key = lookup.keys.lease if lookup.lease_ms else lookup.keys.entry
        if (
            known is not None
            and known.ask is not None
            and known.ask.is_sent
            and key in known.shared
        ):
            struck()
            known.shared[key].append(then)
            return
        ask(self, lookup, then, subject)

    patch(SharedLookups, "ask", damaged)


# -- Waiting -----------------------------------------------------------------------------------------


def wait_budget_ignored(struck: Struck) -> None:
    """Wait for the run of another for as long as it takes."""

    def damaged(self: WaitBudget, now: float) -> float:
        struck()
        return 3600.0

    patch(WaitBudget, "left", damaged)


def wait_budget_ignored_by_operations(struck: Struck) -> None:
    """The same, for requesters of operations."""
    wait_budget_ignored(struck)


def flights_not_sealed_by_invalidations(struck: Struck) -> None:
    """Let callers who come after an invalidation wait for runs that it will refuse."""
    seal_outdated = Flights.seal_outdated

    def damaged(
        self: Flights, table: str, tags: AbstractSet[str] | None, clock: int | None = None
    ) -> list[Generation]:
        known = dict(self._open)
        if seal_outdated(self, table, tags, clock):
            struck()
        self._open.update(known)
        return []

    patch(Flights, "seal_outdated", damaged)


def leases_of_another_life_honoured(struck: Struck) -> None:
    """Wait for leases that a restart brought back, though by their epoch nothing can be stored."""
    _rewrite("LOOKUP", "of ~= epoch or tonumber(since) < floor", "false")
    struck()


# -- Parts -------------------------------------------------------------------------------------------


def tags_of_parts_left_out(struck: Struck) -> None:
    """Let what is made of other entries outlive the invalidation of these."""

    fold = Parts.fold

    def damaged(
        self: Parts,
        recording: ValueRecording,
        keys: EntryKeys,
        lease: Lease | None,
        apart: AbstractSet[str] = frozenset(),
    ) -> tuple[ValueRecording, int | None] | None:
        folded = fold(self, recording, keys, lease, apart)
        if folded is None:
            return None
        if folded[0].tags != recording.tags:
            struck()
        return replace(folded[0], tags=recording.tags), folded[1]

    patch(Parts, "fold", damaged)


def forget_leaves_the_wholes(struck: Struck) -> None:
    """Invalidate a key's entry, but not what was made of it."""
    calls = Forget.calls

    def damaged(self: Forget) -> Sequence[_port.StoreCall]:
        struck()
        return calls(self)[:2]

    patch(Forget, "calls", damaged)


def clock_of_parts_left_out(struck: Struck) -> None:
    """Let a part out of local memory, invalidated elsewhere just now, go into a younger entry."""
    fold = Parts.fold

    def damaged(
        self: Parts,
        recording: ValueRecording,
        keys: EntryKeys,
        lease: Lease | None,
        apart: AbstractSet[str] = frozenset(),
    ) -> tuple[ValueRecording, int | None] | None:
        folded = fold(self, recording, keys, lease, apart)
        if folded is None or lease is None:
            return folded
        if folded[1] != lease.clock:
            struck()
        return folded[0], lease.clock

    patch(Parts, "fold", damaged)


# -- Local memory --------------------------------------------------------------------------------------


def local_memory_filled_unchecked(struck: Struck) -> None:
    """Keep what was read from Redis, though news of its invalidation came while it was read."""
    keep = Memory.keep

    def damaged(self: Memory, keys: EntryKeys, entry: Entry, ticket: Ticket) -> None:
        if ticket != self.ticket():
            struck()
        keep(self, keys, entry, self.ticket())

    patch(Memory, "keep", damaged)


def deaf_to_news(struck: Struck) -> None:
    """Keep in local memory what other processes invalidate."""

    def damaged(message: bytes, hearers: Hearers) -> None:
        struck()

    assert hasattr(driving, "hear"), "hear is gone"
    driving.hear = damaged


def trusts_silence(struck: Struck) -> None:
    """Believe local memory although nothing was heard for longer than the lag."""
    is_live = Heartbeat.is_live

    def damaged(self: Heartbeat) -> bool:
        if not is_live(self):
            struck()
        return True

    patch(Heartbeat, "is_live", damaged)


_ONE_THAT_KNOWS_ALL: Final = {"processes": 1, "nesting": False, "batch_share": 0.0}
"""The options of a run whose only process knows of every run and every invalidation."""

MUTANTS: Final[dict[str, Mutant]] = {
    mutant.damage.__name__: mutant
    for mutant in (
        *GRAPHQL_MUTANTS,
        Mutant(unconditional_commit),
        Mutant(joiners_keep_a_refused_value),
        Mutant(no_seal_before_the_commit),
        Mutant(clock_read_after_the_generation),
        Mutant(epoch_not_compared, {"invalidation_kinds": ("clear",)}),
        Mutant(forget_leaves_the_lease, {"invalidation_kinds": ("key",)}),
        Mutant(stale_entries_outlive_invalidations, {"ttls": (0.03,), "stales": (5,)}),
        Mutant(tags_of_entries_not_looked_at),
        Mutant(last_look_counts_for_ever),
        # Only an invalidation of tags has several slots to go through, and only single values are made of others.
        Mutant(
            second_pass_left_out,
            {"slots_per_tenant": 4, "invalidation_kinds": ("tags",), "batch_share": 0.0},
        ),
        Mutant(run_id_ignored, {"faults": (Fault.RESTART,)}),
        Mutant(lookups_shared_after_they_were_sent),
        Mutant(wait_budget_ignored, {"wait_budget": 1, "hang_share": 0.005}, kind=HUNG),
        Mutant(
            wait_budget_ignored_by_operations,
            # Most writes make a run useless that hangs, and end the wait for it.
            {
                "wait_budget": 1,
                "hang_share": 0.03,
                "written": ("rate",),
                "invalidation_share": 0.0,
            },
            kind=HUNG,
            face="graphql",
        ),
        Mutant(
            flights_not_sealed_by_invalidations,
            {**_ONE_THAT_KNOWS_ALL, "wait_budget": 60, "hang_share": 0.05},
            kind=HUNG,
        ),
        Mutant(
            leases_of_another_life_honoured,
            {
                **_ONE_THAT_KNOWS_ALL,
                "lease": 15,
                "wait_budget": 15,
                "faults": (Fault.RESTART,),
                "fault_interval": 3,
            },
            kind=HUNG,
        ),
        Mutant(tags_of_parts_left_out),
        Mutant(forget_leaves_the_wholes, {"invalidation_kinds": ("key",)}),
        Mutant(clock_of_parts_left_out, {**LOCALLY, "batch_share": 0.0}),
        Mutant(local_memory_filled_unchecked, LOCALLY),
        Mutant(deaf_to_news, LOCALLY),
        Mutant(trusts_silence, {**LOCALLY, "local_max_lag": 0.1}),
    )
}


def _rewrite(script: str, old: str, new: str) -> None:
    known: Script = getattr(_scripts, script)
    assert known.text.count(old) == 1, f"{script} has no {old!r} any more"
    text = known.text.replace(old, new)
    setattr(_scripts, script, new_script(f"damaged {script}", text))
