"""A worker's process, as seen by whoever started it."""

import asyncio
import multiprocessing
from collections.abc import Callable

from tests.fuzz.checker import Violation
from tests.fuzz.options import Options
from tests.fuzz.patience import eventually
from tests.fuzz.worker import Account, Place, Ready, main

_PROCESSES = multiprocessing.get_context("forkserver")
# Imports once, for all workers of this session.
_PROCESSES.set_forkserver_preload(["tests.fuzz.worker"])


class WorkerProcess:
    """Starts a worker, and hears what it has to say.

    Args:
        options: The run.
        place: Which worker it is, and where.
        tell: Told of each violation as it is seen.

    Attributes:
        account: What the worker told at its end.
        killed: Whether its death is no violation.
    """

    def __init__(self, options: Options, place: Place, tell: Callable[[Violation], None]) -> None:
        self.place = place
        self.account: Account | None = None
        self.killed = False
        self._tell = tell
        self._ready = asyncio.Event()
        self._gone = asyncio.Event()
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=main, args=(options, place, theirs), daemon=True)
        self._process.start()
        theirs.close()
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._hear)

    def _hear(self) -> None:
        try:
            message = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self._pipe.close()
            self._ready.set()
            self._gone.set()
            return
        match message:
            case Ready():
                self._ready.set()
            case Violation() as violation:
                self._tell(violation)
            case Account() as account:
                self.account = account

    async def ready(self) -> None:
        """Wait until the worker could begin."""
        await self._ready.wait()

    def begin(self) -> None:
        """Let it begin."""
        if not self._gone.is_set():
            self._pipe.send(Ready())

    def kill(self) -> None:
        """Kill it, as a process is killed that used too much memory."""
        self.killed = True
        self._process.kill()

    @property
    def running(self) -> bool:
        """Whether it is still there."""
        return not self._gone.is_set()

    async def gone(self) -> str | None:
        """Wait for its end, and kill it if that does not come.

        Returns:
            What was wrong with its end, if anything.
        """
        # The worker itself waits for its calls first, and says then which do not end.
        if not await eventually(lambda: not self.running, times=3):
            self._process.kill()
            await self._gone.wait()
        await asyncio.to_thread(self._process.join)
        code = self._process.exitcode
        self._process.close()
        if self.killed or (code == 0 and self.account is not None):
            return None
        return f"worker {self.place.process} ended with {code} and {self.account or 'no account'}"
