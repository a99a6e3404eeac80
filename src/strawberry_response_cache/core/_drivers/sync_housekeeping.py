"""What the threads ask of the store and nobody waits for: leases given back, and made shorter or longer."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from strawberry_response_cache.core._drivers.driving import Tries
from strawberry_response_cache.core._port import Effect, Release, Unavailable
from strawberry_response_cache.core._redis.sync_transport import SyncTransport

_IDLE: Final = 1.0
"""Seconds without anything to do after which the thread ends."""


class SyncHousekeeping:
    """One thread, started when first needed, apart from those of refreshes, which may all be taken.

    A lease that was not given back is tried again for as long as it may live: nobody is to wait for a
    lease behind which nobody generates.

    Args:
        transport: Where effects go.
        lease: Seconds that a lease lives.
    """

    def __init__(self, transport: SyncTransport, lease: float) -> None:
        self._transport = transport
        self._lease = lease
        self._changed = threading.Condition()
        self._new: list[Effect[Any]] = []
        self._late: list[tuple[float, Effect[Any], Tries]] = []
        self._is_running = False
        self._is_draining = False

    def ask(self, effect: Effect[Any]) -> None:
        """Ask for an effect soon; where no thread can be had, at once."""
        with self._changed:
            if not self._is_running:
                with suppress(RuntimeError):
                    thread = threading.Thread(
                        target=self._run, name="response-cache-housekeeping", daemon=True
                    )
                    thread.start()
                    self._is_running = True
            if self._is_running:
                self._new.append(effect)
                self._changed.notify_all()
                return
        self._transport.perform(effect)

    def drain(self) -> None:
        """Wait until everything was asked for once, and try nothing again."""
        with self._changed:
            self._is_draining = True
            self._changed.notify_all()
            while self._is_running:
                self._changed.wait()
            self._is_draining = False

    def _run(self) -> None:
        while (due := self._next()) is not None:
            results = self._transport.perform_all([effect for effect, _ in due])
            with self._changed:
                for (effect, tries), result in zip(due, results, strict=True):
                    failed = isinstance(result, Unavailable) and isinstance(effect, Release)
                    if failed and (pause := tries.pause()) is not None:
                        self._late.append((time.monotonic() + pause, effect, tries))

    def _next(self) -> Sequence[tuple[Effect[Any], Tries]] | None:
        """Wait for something to do; None if there was nothing for a while."""
        with self._changed:
            idle_until = time.monotonic() + _IDLE
            while True:
                now = time.monotonic()
                if self._is_draining:
                    self._late.clear()
                due = [(effect, tries) for at, effect, tries in self._late if at <= now]
                due += [(effect, Tries(self._lease)) for effect in self._new]
                if due:
                    self._late = [each for each in self._late if each[0] > now]
                    self._new.clear()
                    return due
                if self._is_draining or (now >= idle_until and not self._late):
                    self._is_running = False
                    self._changed.notify_all()
                    return None
                until = min((at for at, _, _ in self._late), default=idle_until)
                self._changed.wait(max(0.0, until - now))
