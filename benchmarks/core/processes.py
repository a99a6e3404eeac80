"""A thousand callers in each of three processes, all at once, for one cold key.

The generator takes 200 ms. The time is that of the last process to be served. This module is also the
program of each process: ``python -m benchmarks.core.processes <candidate> <server>``.
"""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Self

from benchmarks.core.async_candidates import CACHES, LARGEST_CROWD, opened
from benchmarks.core.rounds import interleaved_sync
from benchmarks.core.server import Server
from benchmarks.core.table import Row, count
from benchmarks.core.work import Work

PROCESSES = 3
SECONDS = 0.2


def scene(server: Server, rounds: int) -> list[Row]:
    """Measure all caches, each with processes of its own."""
    with ExitStack() as stack:
        crowds = {name: stack.enter_context(_Processes(name, server.url)) for name in CACHES}
        samples = interleaved_sync(rounds, {name: each.crowd for name, each in crowds.items()})
    what = f"{LARGEST_CROWD} callers in each of {PROCESSES} processes of a cold key"
    return [
        Row(what, name, seconds, (), crowds[name].counted()) for name, seconds in samples.items()
    ]


class _Processes:
    """Processes that wait for a key to ask for, all callers at once."""

    def __init__(self, name: str, server_url: str) -> None:
        self._command = [sys.executable, "-m", __name__, name, server_url]
        self._name = name
        self._started: list[subprocess.Popen[str]] = []
        self._runs: list[int] = []
        self._errors: list[int] = []

    def __enter__(self) -> Self:
        for _ in range(PROCESSES):
            self._started.append(
                subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
        self._answers()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.terminate()
            process.communicate()

    def crowd(self) -> float:
        """Let all of them ask for a new key, and return the seconds of the slowest."""
        for process in self._started:
            assert process.stdin is not None
            print(f"cold {len(self._runs)}", file=process.stdin, flush=True)
        answers = self._answers()
        self._runs.append(sum(int(answer["runs"]) for answer in answers))
        self._errors.append(sum(int(answer["errors"]) for answer in answers))
        return max(answer["seconds"] for answer in answers)

    def counted(self) -> str:
        """Say how often the generator ran, and how many callers got an error."""
        errors = f", {count(self._errors, 'error')}" if any(self._errors) else ""
        return count(self._runs, "run") + errors

    def _answers(self) -> list[dict[str, float]]:
        answers = []
        for process in self._started:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                msg = f"A process of {self._name} ended early."
                raise SystemExit(msg)
            answers.append(json.loads(line))
        return answers


async def _serve(name: str, server_url: str) -> None:
    """Ask for each key that is named on the standard input, with all callers at once."""
    async with opened({name: CACHES[name]}, server_url, lambda: Work(seconds=SECONDS)) as made:
        candidate = made[name]
        await candidate.get(f"warm {time.time_ns()}")
        print(json.dumps({}), flush=True)
        while key := (await asyncio.to_thread(sys.stdin.readline)).strip():
            before = candidate.work.runs
            started = time.perf_counter()
            results = await asyncio.gather(
                *(candidate.get(key) for _ in range(LARGEST_CROWD)), return_exceptions=True
            )
            answer = {
                "seconds": time.perf_counter() - started,
                "runs": candidate.work.runs - before,
                "errors": sum(isinstance(result, BaseException) for result in results),
            }
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
