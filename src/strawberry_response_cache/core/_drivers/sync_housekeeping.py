"""What the threads ask of the store and nobody waits for: leases given back, and made shorter or longer."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from strawberry_response_cache.core._drivers.driving import Tries
from strawberry_response_cache.core._port import Effect, Release, Unavailable
from strawberry_response_cache.core._redis.sync_transport import SyncTransport

_IDLE: Final = 1.0
"""Seconds without anything to do after which the thread ends."""


@dataclass(slots=True)
class _Errand:
    effect: Effect[Any]
    tries: Tries
    not_before: float = 0.0


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
        self._waiting: list[_Errand] = []
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
                self._waiting.append(_Errand(effect, Tries(self._lease)))
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
            results = self._transport.perform_all([errand.effect for errand in due])
            with self._changed:
                for errand, result in zip(due, results, strict=True):
                    failed = isinstance(result, Unavailable) and isinstance(errand.effect, Release)
                    if failed and (pause := errand.tries.pause()) is not None:
                        errand.not_before = time.monotonic() + pause
                        self._waiting.append(errand)

    def _next(self) -> Sequence[_Errand] | None:
        """Wait for something to do; None if there was nothing for a while."""
        with self._changed:
            idle_until = time.monotonic() + _IDLE
            while True:
                now = time.monotonic()
                due = [errand for errand in self._waiting if errand.not_before <= now]
                self._waiting = [errand for errand in self._waiting if errand.not_before > now]
                if due:
                    return due
                if self._is_draining or (now >= idle_until and not self._waiting):
                    self._waiting.clear()
                    self._is_running = False
                    self._changed.notify_all()
                    return None
                until = min((each.not_before for each in self._waiting), default=idle_until)
                self._changed.wait(max(0.0, until - now))
