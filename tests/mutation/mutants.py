"""Runs tests on mutants, each in a fork of the process that has collected the tests."""

import ast
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import is_dataclass
from itertools import accumulate
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Final, NamedTuple

import coverage
import pytest

from tests.mutation.operators import Mutation, mutations

KILLED: Final = "killed"
TIMEOUT: Final = "timeout"
SURVIVED: Final = "survived"
STAYS: Final = "stays"

_NOTICED: Final = 1
_FAULT: Final = 3
"""What a process that tries a mistake ends with: a test has noticed it, or it could not be written."""

_SOURCE: Final = Path(__file__).parents[2] / "src"
_PACKAGE: Final = "strawberry_response_cache"
_GENERATED: Final = {"__init__", "__repr__", "__eq__", "__hash__"}
"""What a dataclass makes of its fields."""


class _Process(NamedTuple):
    """A process that runs tests, and where it writes what it found."""

    pid: int
    found: Path
    began: float
    mutation: Mutation


class Judge:
    """Tells which mutants of a module tests notice.

    Args:
        name: The module's, such as ``graphql/keys/plan.py``.
        items: The tests that concern it.
        patience: How many seconds of tests are given to one mutant.
    """

    def __init__(self, name: str, items: list[pytest.Item], patience: float) -> None:
        self._path = _SOURCE / _PACKAGE / name
        dotted = ".".join([_PACKAGE, *Path(name).with_suffix("").parts])
        self._module = importlib.import_module(dotted)
        self._tree = ast.parse(self._path.read_text(encoding="utf-8"))
        self._items = items
        self._patience = patience
        self._seconds: dict[str, float] = {}
        self._tests: dict[int, set[str]] = {}
        self._kills: Counter[str] = Counter()

    def verdicts(self, only: str, processes: int) -> Iterator[tuple[Mutation, str]]:
        """Yield each mutant with its verdict, once the tests passed without a mistake."""
        self._run_as_it_is()
        waiting = [each for each in mutations(self._tree) if each.function.startswith(only)][::-1]
        running: list[_Process] = []
        while waiting or running:
            while waiting and len(running) < processes:
                running.append(self._start(waiting.pop()))
            for process in list(running):
                if (verdict := self._ended(process)) is not None:
                    running.remove(process)
                    yield process.mutation, verdict
            time.sleep(0.01)

    # -- Without a mistake -----------------------------------------------------------------------------

    def _run_as_it_is(self) -> None:
        """Learn how long each test takes, and which lines of the module it runs."""
        began = time.monotonic()
        pid, found = _fork(self._measure)
        _, status = os.waitpid(pid, 0)
        if status:
            sys.exit(f"The tests fail without a mistake:\n{found.read_text('utf-8')[-2000:]}")
        self._seconds, lines = json.loads(found.read_text("utf-8").splitlines()[-1])
        self._tests = {int(line): set(tests) for line, tests in lines.items()}
        print(
            f"{self._path.name}: {len(self._items)} tests, {time.monotonic() - began:.0f} s",
            flush=True,
        )

    def _measure(self) -> int:
        measured = coverage.Coverage(data_file=None, include=[str(self._path)], config_file=False)
        measured.start()
        seconds: dict[str, float] = {}
        for at, item in enumerate(self._items):
            measured.switch_context(item.nodeid)
            began = time.process_time()
            if (failed := _failed(item, self._items[at + 1 :])) is not None:
                print(failed)
                return 1
            seconds[item.nodeid] = time.process_time() - began
        measured.stop()
        lines = measured.get_data().contexts_by_lineno(str(self._path))
        print("\n" + json.dumps([seconds, lines]))
        return 0

    # -- With one --------------------------------------------------------------------------------------

    def _start(self, mutation: Mutation) -> _Process:
        before = getattr(mutation.node, mutation.field)
        setattr(mutation.node, mutation.field, mutation.value)
        pid, found = _fork(lambda: self._try(mutation))
        setattr(mutation.node, mutation.field, before)
        return _Process(pid, found, time.monotonic(), mutation)

    def _concerning(self, mutation: Mutation) -> list[pytest.Item]:
        """Return the tests that run the function: those that find most in little time first."""
        of_lines = (self._tests.get(line, ()) for line in mutation.lines)
        tests = {test for tests in of_lines for test in tests} if mutation.lines else self._seconds
        items = [item for item in self._items if item.nodeid in tests]
        items.sort(key=self._cost)
        until = accumulate(self._seconds[item.nodeid] for item in items)
        return [item for item, end in zip(items, until, strict=True) if end <= self._patience]

    def _cost(self, item: pytest.Item) -> float:
        """Return how long it takes with this test to find a mistake, as far as is known."""
        return (self._seconds[item.nodeid] + 0.01) / (self._kills[item.nodeid] + 0.05)

    def _try(self, mutation: Mutation) -> int:
        try:
            made = _run(self._tree, self._module, self._path)
        except Exception:  # noqa: BLE001 - the module cannot be imported, which any test notices
            return _NOTICED
        try:
            _write(made, self._module, self._path)
        except Exception:  # noqa: BLE001 - a fault of this tool, which is no test that notices
            traceback.print_exc()
            return _FAULT
        items = self._concerning(mutation)
        for at, item in enumerate(items):
            if (failed := _failed(item, items[at + 1 :])) is not None:
                print(f"\n{failed}")
                return _NOTICED
        return 0

    def _ended(self, process: _Process) -> str | None:
        ended, status = os.waitpid(process.pid, os.WNOHANG)
        limit = 60 + 10 * sum(
            self._seconds[item.nodeid] for item in self._concerning(process.mutation)
        )
        if not ended and time.monotonic() - process.began < limit:
            return None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if not ended:
            os.waitpid(process.pid, 0)
            return TIMEOUT
        if os.waitstatus_to_exitcode(status) == _FAULT:
            sys.exit(f"A mistake cannot be written:\n{process.found.read_text('utf-8')}")
        if status:
            self._kills.update(process.found.read_text("utf-8").splitlines()[-1:])
        process.found.unlink()
        return KILLED if status else SURVIVED


def _fork(function: Callable[[], int]) -> tuple[int, Path]:
    """Run a function in a process of its own; return its id and the file that it prints to."""
    handle, name = tempfile.mkstemp(prefix="mutation-")
    if (pid := os.fork()) == 0:
        os.setsid()  # what the tests start ends with it
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        code = 1
        try:
            code = function()
        except BaseException:  # noqa: BLE001 - this process ends here, whatever happens
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    os.close(handle)
    return pid, Path(name)


def _failed(item: pytest.Item, others: list[pytest.Item]) -> str | None:
    """Run a test; return its name if it failed."""
    before = item.session.testsfailed
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=others[0] if others else None)
    return item.nodeid if item.session.testsfailed > before else None


def _run(tree: ast.Module, module: ModuleType, path: Path) -> ModuleType:
    """Run a changed tree as a module of its own."""
    made = ModuleType(module.__name__)
    made.__file__ = str(path)
    exec(compile(ast.fix_missing_locations(tree), str(path), "exec"), made.__dict__)  # noqa: S102 - our own code
    return made


def _write(made: ModuleType, module: ModuleType, path: Path) -> None:
    """Write what a changed tree makes into the functions and constants of an imported module."""
    _write_functions(made, str(path))
    for name, value in vars(made).items():
        if isinstance(value, type) and is_dataclass(value) and value.__module__ == module.__name__:
            for method in _GENERATED & vars(value).keys():
                setattr(getattr(module, name), method, vars(value)[method])
        elif not isinstance(value, type | FunctionType) and not name.startswith("__"):
            setattr(module, name, value)


def _write_functions(made: ModuleType, path: str) -> None:
    """Give the functions of a file what its changed copy makes of them."""
    functions: dict[tuple[str, int], list[FunctionType]] = defaultdict(list)
    for each in gc.get_objects():
        # By the exact type: `isinstance` asks a lazy object for its class, which may raise.
        if type(each) is FunctionType and each.__code__.co_filename == path:
            functions[each.__code__.co_qualname, each.__code__.co_firstlineno].append(each)
    for same in functions.values():
        for new in [each for each in same if each.__globals__ is made.__dict__][:1]:
            for old in same:
                code = new.__code__
                if not code.co_freevars:  # it reads nothing any more of what it closes over
                    code = code.replace(co_freevars=old.__code__.co_freevars)
                old.__code__ = code
                old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
