"""A short run of the fuzz, and the mutants that it has to catch."""

from collections import Counter

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.checker import STALE
from tests.fuzz.mutants import MUTANTS
from tests.fuzz.options import FaceName, Fault, Options
from tests.fuzz.orchestrator import run

LONGEST = 90
"""Seconds that a mutant is given on the slowest of machines."""


ANSWERS = ("fresh", "generated", "joined", "refused", "stale", "ttl_zero", "uncacheable")
RESPONSES = [
    *(f"answer {what}" for what in ("hit", "miss", "bypass")),
    *(f"field {what}" for what in ("hit", "stale", "miss", "bypass")),
    *(f"reason {what}" for what in ("guarded", "restricted", "errors", "private_without_session")),
    *(f"writes {how}" for how in ("acknowledged", "cancelled and acknowledged", "by a job")),
    "query answered",
    "mutation answered",
    "cancellations",
    "errors: refused",
    "errors: drawn to fail",
]
ROUNDS = 6
"""Of seconds each: what a round reaches in them depends on the machine."""


async def test_no_violation_is_found_while_reads_invalidations_and_cancellations_collide() -> None:
    wanted = [f"answer {what}" for what in ANSWERS] + ["invalidates", "cancellations", "errors"]
    counted: Counter[str] = Counter()
    for seed in range(ROUNDS):
        report = await run(Options(seed=seed, seconds=5))
        assert report.violations == []
        counted += report.counted
        if all(counted[what] for what in wanted):
            break
    assert [what for what in wanted if not counted[what]] == []
    assert counted["runs"] < counted["answers"]


async def test_every_response_is_one_that_the_uncached_schema_could_give() -> None:
    counted: Counter[str] = Counter()
    for seed in range(ROUNDS):
        report = await run(Options(seed=seed, seconds=5, face="graphql"))
        assert report.violations == []
        counted += report.counted
        if all(counted[what] for what in RESPONSES):
            break
    assert [what for what in RESPONSES if not counted[what]] == []


async def test_queued_invalidations_are_kept_while_redis_is_away() -> None:
    """A mutation answers although Redis did not take its invalidation."""
    counted: Counter[str] = Counter()
    for seed in range(ROUNDS):
        report = await run(
            Options(
                seed=seed,
                seconds=8,
                face="graphql",
                faults=(Fault.FREEZE,),
                read_deadline=0.3,
                connect_deadline=0.3,
            )
        )
        assert report.violations == []
        counted += report.counted
        if counted["writes queued"]:
            break
    assert counted["writes queued"]


@pytest.mark.parametrize("face", ["core", "graphql"])
async def test_no_violation_is_found_while_all_kinds_of_faults_happen(face: FaceName) -> None:
    faults = tuple(Fault)
    counted: Counter[str] = Counter()
    for seed in range(ROUNDS):
        report = await run(
            Options(
                seed=seed,
                seconds=8,
                face=face,
                faults=faults,
                fault_interval=0.2,
                read_deadline=0.3,
                connect_deadline=1,
            )
        )
        assert report.violations == []
        counted += report.counted
        if sum(counted[fault] for fault in faults) > 3:
            break
    assert sum(counted[fault] for fault in faults) > 3


@pytest.mark.parametrize(
    ("face", "hang_share"), [("core", 0.005), ("graphql", 0.003)], ids=["core", "graphql"]
)
async def test_callers_wait_for_runs_that_hang_no_longer_than_the_wait_budget(
    face: FaceName, hang_share: float
) -> None:
    counted: Counter[str] = Counter()
    told = "answer waited_out" if face == "core" else "reason waited_out"
    for seed in range(ROUNDS):
        report = await run(
            Options(seed=seed, seconds=15, face=face, wait_budget=1, hang_share=hang_share)
        )
        assert report.violations == []
        counted += report.counted
        if counted[told]:
            break
    assert counted[told]


@pytest.mark.parametrize(
    "faults", [(), (Fault.RESTART,)], ids=["everything works", "the server restarts"]
)
async def test_no_caller_waits_for_a_run_that_an_invalidation_has_outdated(
    faults: tuple[Fault, ...],
) -> None:
    """A single process knows of every run, and of every invalidation that outdates a run."""
    report = await run(
        Options(
            seconds=20,
            processes=1,
            nesting=False,
            batch_share=0,
            lease=15,
            wait_budget=60,
            hang_share=0.005,
            faults=faults,
            fault_interval=3,
        )
    )
    assert report.violations == []
    assert report.counted["invalidates"]


SELDOM_CAUGHT = {"leases_of_another_life_honoured"}
"""Not within `LONGEST`; `tests/topologies/test_restart.py` and `test_failover.py` hold that promise."""


@pytest.mark.exhaustive
@pytest.mark.parametrize("mutant", sorted(MUTANTS.keys() - SELDOM_CAUGHT))
async def test_the_fuzz_catches_each_mutant(mutant: str) -> None:
    kind = MUTANTS[mutant].kind
    report = await run(Options(seconds=LONGEST, mutant=mutant, stop_at=kind))
    assert report.counted["struck by the mutant"]
    assert kind in {violation.kind for violation in report.violations}


def test_the_long_run_ends_with_the_first_violation_and_what_led_to_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--minutes", "1", "--processes", "2", "--mutant", "joiners_keep_a_refused_value"]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert STALE in printed
    assert "got joined" in printed
