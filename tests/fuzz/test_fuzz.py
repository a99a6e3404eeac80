"""A short run of the fuzz, and the mutants that it has to catch."""

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.checker import STALE
from tests.fuzz.mutants import MUTANTS
from tests.fuzz.options import Fault, Options
from tests.fuzz.orchestrator import run

LONGEST = 40
"""Seconds that a mutant is given on the slowest of machines."""


@pytest.mark.quick
async def test_no_promise_is_broken_while_everything_collides() -> None:
    report = await run(Options(seconds=5))
    assert report.violations == []
    for what in ("fresh", "generated", "joined", "refused", "stale", "ttl_zero", "uncacheable"):
        assert report.counted[f"answer {what}"], what
    assert report.counted["purges"]
    assert report.counted["cancellations"]
    assert report.counted["errors"]
    assert report.counted["runs"] < report.counted["answers"]


@pytest.mark.quick
async def test_no_promise_is_broken_while_everything_goes_wrong() -> None:
    faults = tuple(Fault)
    report = await run(
        Options(
            seed=1,
            seconds=8,
            faults=faults,
            fault_interval=0.2,
            read_deadline=0.3,
            connect_deadline=1,
        )
    )
    assert report.violations == []
    assert sum(report.counted[fault] for fault in faults) > 3


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
async def test_the_fuzz_catches(mutant: str) -> None:
    report = await run(Options(seconds=LONGEST, mutant=mutant, stop_at=STALE))
    assert report.counted["struck by the mutant"]
    assert STALE in {violation.kind for violation in report.violations}


def test_the_long_run_ends_with_the_first_violation_and_what_led_to_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--minutes", "1", "--processes", "2", "--mutant", "joiners_keep_a_refused_value"]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert STALE in printed
    assert "got joined" in printed
