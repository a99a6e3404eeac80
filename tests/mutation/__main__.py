"""A mutation run: ``python -m tests.mutation graphql/keys/plan.py``.

It writes one small mistake at a time into a module and runs the tests that concern the module. A
mistake that no test notices is a survivor. `modules.toml` says which tests concern a module, and
which survivors stay, each with its reason. No file is changed: the tests are collected once, and each
mistake is written into the functions of a fork of that process.
"""

import argparse
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.mutants import KILLED, STAYS, SURVIVED, TIMEOUT, Judge
from tests.mutation.operators import Mutation

_FOLDER = Path(__file__).parent
_OPTIONS = "-q -s -n0 --tb=no -p no:cacheprovider -k".split()
_NO_VALKEY = "not valkey"
"""What is asked of a server in this process as well; starting one would take longest."""


class _Run:
    """Hands the collected tests to a judge instead of running them.

    Args:
        name: The module's, such as ``graphql/keys/plan.py``.
        stays: Which survivors stay, each with its reason.
        only: What the names of functions begin with.
        processes: How many mutants are tried at once.
    """

    def __init__(self, name: str, stays: dict[str, str], only: str, processes: int) -> None:
        self._name, self._stays, self._only, self._processes = name, stays, only, processes
        self.holes = 0

    def pytest_configure(self) -> None:
        """Look for no smallest example: that one fails is enough to know."""
        import hypothesis  # its plugin is to be loaded first

        phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
        repeatable = hypothesis.settings.get_profile("repeatable")
        hypothesis.settings.register_profile("mutation", repeatable, phases=phases)
        hypothesis.settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge each mutant."""
        if session.testsfailed:
            raise session.Failed
        judge = Judge(self._name, session.items)
        self.holes = self._tell(judge.verdicts(self._only, self._processes))
        return True

    def _tell(self, verdicts: Iterator[tuple[Mutation, str]]) -> int:
        """Print what became of the mutants, by function; return how many have to be killed."""
        functions: dict[str, Counter[str]] = defaultdict(Counter)
        unused = set(self._stays)
        for mutation, verdict in verdicts:
            said = f"{mutation.function}: {mutation.text}"
            if verdict == SURVIVED and said in self._stays:
                verdict = STAYS  # noqa: PLW2901 - it has a reason
                unused.discard(said)
            functions[mutation.function][verdict] += 1
            if verdict == SURVIVED:
                print(f"  {self._name}:{mutation.line} {said}", flush=True)
        total: Counter[str] = Counter()
        for function, counted in functions.items():
            total += counted
            print(f"  {function:50} " + ", ".join(f"{n} {v}" for v, n in sorted(counted.items())))
        for said in () if self._only else sorted(unused):
            print(f"  no survivor any more: {said}")
        caught = total[KILLED] + total[TIMEOUT]
        score = caught / max(1, total.total())
        print(f"{self._name}: {score:.1%} of {total.total()} caught, {dict(total)}", flush=True)
        return total[SURVIVED]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run over modules; return 1 if a mutant survived that has no reason to stay."""
    concerns: dict[str, dict[str, Any]] = tomllib.loads((_FOLDER / "modules.toml").read_text("utf-8"))
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("module", choices=list(concerns))
    parser.add_argument("--only", default="", help="functions whose names begin with this")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args(arguments)
    concern = concerns[chosen.module]
    run = _Run(chosen.module, concern.get("survivors", {}), chosen.only, chosen.processes)
    tests = [f"tests/{each}" for each in concern["tests"]]
    code = pytest.main([*_OPTIONS, _NO_VALKEY, *tests], [run])
    return int(code) or (1 if run.holes else 0)


if __name__ == "__main__":
    sys.exit(main())
