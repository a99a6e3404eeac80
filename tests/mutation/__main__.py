"""A mutation run: ``python -m tests.mutation graphql/keys/plan.py``.

It writes one small mistake at a time into a module and runs the tests that concern the module. A
mistake that no test notices is a survivor. `modules.toml` says which tests concern a module, and
which survivors stay, each with its reason. No file is changed: the tests are collected once, and each
mistake is written into the functions of a fork of that process.
"""

import argparse
import os
import subprocess
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
_OPTIONS = ["-q", "-s", "-n0", "--tb=no", "-p", "no:cacheprovider", "-k"]
_SERVERS = {"valkey", "new_server"}
"""Fixtures that start a server: in the process of each mistake, for one that is started before is not shared."""
_NO_VALKEY = "not valkey"
"""What is asked of a server in this process as well; starting one would take longest."""


class _Run:
    """Hands the collected tests to a judge instead of running them.

    Args:
        name: The module's, such as ``graphql/keys/plan.py``.
        stays: Which survivors stay, each with its reason.
        chosen: The options of the command.
    """

    def __init__(self, name: str, stays: dict[str, str], chosen: argparse.Namespace) -> None:
        self._name, self._stays, self._chosen = name, stays, chosen
        self.holes = 0

    def pytest_configure(self) -> None:
        """Look for no smallest example: that one fails is enough to know."""
        import hypothesis  # its plugin is to be loaded first

        phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
        usual = hypothesis.settings.get_profile("quick" if self._chosen.quick else "repeatable")
        hypothesis.settings.register_profile("mutation", usual, phases=phases)
        hypothesis.settings.load_profile("mutation")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[Any]) -> None:
        """Leave out what starts a server in each fork, if that is asked for."""
        if not self._chosen.in_process:
            return
        left_out = [each for each in items if not _SERVERS.isdisjoint(each.fixturenames)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [each for each in items if _SERVERS.isdisjoint(each.fixturenames)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge each mutant."""
        if session.testsfailed:
            raise session.Failed
        chosen = self._chosen
        judge = Judge(self._name, session.items, chosen.seconds)
        self.holes = self._tell(judge.verdicts(chosen.only, chosen.processes))
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
        for said in () if self._chosen.only else sorted(unused):
            print(f"  no survivor any more: {said}")
        caught = total[KILLED] + total[TIMEOUT]
        score = caught / max(1, total.total())
        print(f"{self._name}: {score:.1%} of {total.total()} caught, {dict(total)}", flush=True)
        return total[SURVIVED]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run over modules; return 1 if a mutant survived that has no reason to stay."""
    concerns: dict[str, dict[str, Any]] = tomllib.loads(
        (_FOLDER / "modules.toml").read_text("utf-8")
    )
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", help="such as graphql/keys/plan.py; all, if none is named"
    )
    parser.add_argument("--only", default="", help="functions whose names begin with this")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--seconds", type=float, default=600, help="of tests for one mutant, for a look"
    )
    parser.add_argument(
        "--quick", action="store_true", help="with the tests that `uv run pytest` takes alone"
    )
    parser.add_argument(
        "--in-process", action="store_true", help="without tests that start a server, for a look"
    )
    chosen = parser.parse_args(arguments)
    names = chosen.modules or list(concerns)
    if len(names) > 1:  # each in a process in which nothing was imported
        options = ["--seconds", str(chosen.seconds), "--processes", str(chosen.processes)]
        options += ["--quick"] if chosen.quick else []
        options += ["--in-process"] if chosen.in_process else []
        command = [sys.executable, "-m", "tests.mutation", *options]
        return max([subprocess.call([*command, name]) for name in names])
    concern = concerns[names[0]]
    run = _Run(names[0], concern.get("survivors", {}), chosen)
    tests = [f"tests/{each}" for each in concern["tests"]]
    os.environ["MUTATION_RUN"] = "1"
    marks = ["-m", "not exhaustive" if chosen.quick else ""]
    code = pytest.main([*_OPTIONS, _NO_VALKEY, *marks, *tests], [run])
    return int(code) or (1 if run.holes else 0)


if __name__ == "__main__":
    sys.exit(main())
