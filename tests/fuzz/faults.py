"""What goes wrong while callers are at work, one thing after the other."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable

from tests.fuzz.options import Fault, Options
from tests.fuzz.server import Server


class Faults:
    """Does to the server, and to workers, what the options name.

    Args:
        options: The run.
        server: The server under the callers.
        crash: Kills a worker and starts another.
    """

    def __init__(self, options: Options, server: Server, crash: Callable[[], None]) -> None:
        self._options = options
        self._server = server
        self._crash = crash
        self._random = random.Random(f"{options.seed} faults")  # noqa: S311 - it has to be reproducible
        self.counted: Counter[str] = Counter()

    async def run(self, over: asyncio.Event) -> None:
        """Do one thing after the other until it is over; what was begun is brought to its end."""
        faults = [fault for fault in self._options.faults if fault is not Fault.CUT]
        while faults and not over.is_set():
            pause = self._random.uniform(0, self._options.fault_interval)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), pause)
                return
            fault = self._random.choice(faults)
            await self._do(fault)
            self.counted[fault.value] += 1

    async def _do(self, fault: Fault) -> None:
        match fault:
            case Fault.RESTART:
                await asyncio.to_thread(self._server.save)
                await asyncio.sleep(self._random.uniform(0, self._options.fault_interval))
                await asyncio.to_thread(self._server.restart, empty=False)
            case Fault.WIPE:
                await asyncio.to_thread(self._server.restart, empty=True)
            case Fault.FREEZE:
                with self._server.frozen():
                    await asyncio.sleep(self._random.uniform(0, 3 * self._options.read_deadline))
            case Fault.CRASH:
                self._crash()
            case _:
                await asyncio.to_thread(self._command, fault)

    def _command(self, fault: Fault) -> None:
        with self._server.client() as client:
            match fault:
                case Fault.DISCONNECT:
                    client.client_kill_filter(_type="normal", skipme=True)
                case Fault.FORGET_SCRIPTS:
                    client.script_flush()
                case Fault.EVICT:
                    tables = sorted(client.scan_iter(match="*:t", count=1000))
                    if tables:
                        client.unlink(self._random.choice(tables))
                case _:
                    raise AssertionError(fault)
