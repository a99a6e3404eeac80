"""The long run: ``python -m tests.fuzz --minutes 30 --processes 3``.

It goes in rounds, each on a server of its own and with faults of its own. It ends with 1, and with
what led to it, at the first violation.
"""

import argparse
import asyncio
import dataclasses
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.fuzz.mutants import MUTANTS
from tests.fuzz.options import Fault, Options
from tests.fuzz.orchestrator import Report, run
from tests.fuzz.subjects import SUBJECTS

_ROUND = 60
"""Seconds, at most."""
_FACES = tuple(SUBJECTS)
_MOMENTS_SHOWN = 60
_VIOLATIONS_SHOWN = 10
_ANSWERING = {Fault.FORGET_SCRIPTS, Fault.EVICT, Fault.CRASH}
"""The faults under which every question is answered all the same."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run rounds until time is up or a promise is broken; return the exit code."""
    chosen = _parser().parse_args(arguments)
    print(f"seed {chosen.seed}")
    total: Counter[str] = Counter()
    deadline = time.monotonic() + 60 * chosen.minutes
    number = 0
    while (left := deadline - time.monotonic()) > 0:
        options = dataclasses.replace(
            _round(chosen, number), seed=chosen.seed + number, seconds=min(_ROUND, left)
        )
        report = asyncio.run(run(options))
        total += report.counted
        _print_round(number, report)
        if report.violations:
            _print_violations(report)
            return 1
        number += 1
    _print_total(total)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--callers", type=int, default=40, help="tasks in each process")
    parser.add_argument("--threads", type=int, default=3, help="threads in each process")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311 - it is printed
    parser.add_argument(
        "--face", choices=sorted(SUBJECTS), help="what callers use; rounds take turns if not given"
    )
    parser.add_argument("--mutant", choices=sorted(MUTANTS), default="")
    parser.add_argument(
        "--slots-per-tenant", type=int, help="slots of a tenant; drawn for each round if not given"
    )
    parser.add_argument(
        "--local-bytes", type=int, help="of local memory; drawn for each round if not given"
    )
    parser.add_argument(
        "--faults",
        type=_faults,
        help=f"none, or some of {', '.join(Fault)}, separated by commas; drawn for each round if "
        "not given",
    )
    return parser


def _faults(text: str) -> tuple[Fault, ...]:
    return () if text == "none" else tuple(Fault(name) for name in text.split(","))


def _round(chosen: argparse.Namespace, number: int) -> Options:
    """Draw what a round is like, where it was not chosen."""
    draw = random.Random(f"{chosen.seed} round {number}")  # noqa: S311 - it has to be reproducible
    faults = chosen.faults
    if faults is None:
        # The first round of each face is without any, so that what it finds needs none.
        is_first = number < (1 if chosen.face else len(_FACES))
        faults = () if is_first else tuple(draw.sample(list(Fault), draw.randint(1, len(Fault))))
    options = Options(
        face=chosen.face or _FACES[number % len(_FACES)],
        processes=chosen.processes,
        callers=chosen.callers,
        threads=chosen.threads,
        mutant=chosen.mutant,
        faults=faults,
        slots_per_tenant=draw.choice((1, 4))
        if chosen.slots_per_tenant is None
        else chosen.slots_per_tenant,
        local_bytes=draw.choice((0, 50_000)) if chosen.local_bytes is None else chosen.local_bytes,
        latency=draw.choice((0.03, 0.1, 0.3)),
        # A worker that is killed all the time answers hardly anything.
        fault_interval=draw.choice((0.5, 3)),
    )
    # Where the server answers, a busy machine must not look as if it did not.
    connect_deadline = draw.choice((0.3, 1))
    silent = not _ANSWERING.issuperset(faults)
    return (
        dataclasses.replace(options, read_deadline=0.3, connect_deadline=connect_deadline)
        if silent
        else options
    )


def _print_round(number: int, report: Report) -> None:
    faults = ", ".join(report.options.faults) or "no faults"
    counted = report.counted
    writes = counted["invalidates"] + sum(
        count for name, count in counted.items() if name.startswith("writes")
    )
    print(
        f"round {number} ({report.options.face}): {counted['calls']} calls, {writes} writes, "
        f"the longest call {report.longest:.1f} s; {faults}",
        flush=True,
    )


def _print_total(total: Counter[str]) -> None:
    print("\nno violation")
    for name, count in sorted(total.items()):
        print(f"{count:10,}  {name}")


def _print_violations(report: Report) -> None:
    print(f"\nVIOLATED with {report.options}")
    for violation in report.violations[:_VIOLATIONS_SHOWN]:
        print(f"- {violation.kind} (process {violation.process}): {violation.what}")
    print(f"{len(report.violations)} in all")
    end_ns = report.violations[0].moment_ns
    before = [moment for moment in report.record if moment[0] <= end_ns]
    if before:
        print("\nWhat was done there, in seconds before the first of them, by which process:")
        for moment_ns, process, _, what in before[-_MOMENTS_SHOWN:]:
            print(f"{(moment_ns - end_ns) / 1e9:10.6f}  {process}  {what}")


if __name__ == "__main__":
    sys.exit(main())
