"""One run: a server, a network, workers and faults; and what was seen."""

import asyncio
import dataclasses
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz import checker as kinds
from tests.fuzz.checker import Moment, Violation
from tests.fuzz.faults import Faults
from tests.fuzz.mutants import MUTANTS
from tests.fuzz.network import Network
from tests.fuzz.options import Fault, Options
from tests.fuzz.patience import eventually
from tests.fuzz.process import WorkerProcess
from tests.fuzz.server import Server
from tests.fuzz.subjects import SUBJECTS
from tests.fuzz.truth import Truth
from tests.fuzz.worker import LOST_NEWS, Place

_CUTS = 0.002
_CONNECTIONS_OF_THE_RUN = 3
"""Those by which the server was seen to start, and is asked at the end."""


@dataclass(slots=True)
class Report:
    """What a run came to."""

    options: Options
    counted: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    record: list[Moment] = field(default_factory=list)
    """What all processes did where the first violation was seen, in order of time."""
    longest: float = 0
    """Seconds that the slowest call took."""


async def run(options: Options) -> Report:
    """Run the fuzz once; a mutant brings its circumstances along."""
    if options.mutant:
        mutant = MUTANTS[options.mutant]
        options = dataclasses.replace(options, face=mutant.face, **mutant.options)
    report = Report(options)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz-")))
        subject = SUBJECTS[options.face]
        truth = Truth.create(directory / "truth", data=subject.data, keys=subject.keys)
        stack.callback(truth.close)
        server = await asyncio.to_thread(Server, directory)
        stack.callback(server.stop)
        run_ = _Run(options, report, truth, server, directory / "truth")
        await stack.enter_async_context(run_.network())
        await run_.go()
    report.violations.sort(key=lambda violation: violation.moment_ns)
    report.record.sort()
    return report


class _Run:
    def __init__(
        self, options: Options, report: Report, truth: Truth, server: Server, path: Path
    ) -> None:
        self._options = options
        self._report = report
        self._truth = truth
        self._server = server
        self._path = path
        self._workers: list[WorkerProcess] = []
        self._replacements = 0

    @asynccontextmanager
    async def network(self) -> AsyncIterator[None]:
        """Let every second worker see the server through a slow network."""
        options = self._options
        cuts = _CUTS if Fault.CUT in options.faults else 0
        network = Network(
            self._server.port, f"{options.seed} network", latency=options.latency, cuts=cuts
        )
        self._ports = (self._server.port, await network.start())
        try:
            yield
        finally:
            await network.stop()
            self._report.counted["cut"] += network.counted_cuts

    async def go(self) -> None:
        """Start workers, let things go wrong, and see how it ends."""
        options = self._options
        over = asyncio.Event()
        faults = Faults(options, self._server, self._crash)
        try:
            for number in range(options.processes):
                self._start(number)
            await asyncio.gather(*(worker.ready() for worker in self._workers))
            for worker in self._workers:
                worker.begin()
            trouble = asyncio.ensure_future(faults.run(over))
            await self._until_it_is_over()
            over.set()
            await trouble
        finally:
            self._truth.stop()
            over.set()
            await self._collect()
        self._report.counted += faults.counted
        await self._judge_what_is_left()

    def _start(self, number: int) -> WorkerProcess:
        url = f"redis://127.0.0.1:{self._ports[number % 2]}"
        place = Place(number, url, self._path)
        worker = WorkerProcess(self._options, place, self._report.violations.append)
        self._workers.append(worker)
        return worker

    def _crash(self) -> None:
        victim = next((worker for worker in self._workers if worker.running), None)
        if victim is None:
            return
        victim.kill()
        self._replacements += 1
        worker = self._start(self._options.processes * self._replacements + victim.place.process)
        # It may begin as soon as it can: its pipe holds the word until then.
        worker.begin()

    async def _until_it_is_over(self) -> None:
        deadline = time.monotonic() + self._options.seconds
        while time.monotonic() < deadline and not self._truth.stopped:
            await asyncio.sleep(0.1)
            if any(not worker.running and not worker.killed for worker in self._workers):
                return

    async def _collect(self) -> None:
        report = self._report
        for worker in self._workers:
            problem = await worker.gone()
            if problem is not None:
                report.violations.append(Violation(kinds.HUNG, problem, worker.place.process))
            if worker.account is not None:
                report.counted += Counter(worker.account.counted)
                report.longest = max(report.longest, worker.account.longest)
                report.record += worker.account.record

    async def _judge_what_is_left(self) -> None:
        """Check that everything in the server ends by itself, and soon where it is a lease."""
        again = self._report.counted[LOST_NEWS]
        most_connections = self._options.most_connections() + again + _CONNECTIONS_OF_THE_RUN
        with self._server.client() as client:
            connections = client.info("stats")["total_connections_received"]
            if not self._options.faults and connections > most_connections:
                self._left(f"{connections} connections were opened, not {most_connections}")
            lives = {key.decode(): client.pttl(key) for key in client.scan_iter(count=1000)}
            leases = [key for key in lives if ":l:" in key]
            for key, life in lives.items():
                if life == -1 or (key in leases and life > 1000 * self._options.lease):
                    self._left(f"{key} in the server, which ends in {life} ms")
            self._report.counted["leases left to end"] += len(leases)
            if leases and not await eventually(lambda: not client.exists(*leases)):
                self._left("leases in the server beyond their life")

    def _left(self, what: str) -> None:
        self._report.violations.append(Violation(kinds.LEFT, what, -1))
