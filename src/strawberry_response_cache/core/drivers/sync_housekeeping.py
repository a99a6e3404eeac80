"""What the threads ask of the store and nobody waits for: leases given back, and made shorter or longer."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core.drivers.driving import LeaseTries
from strawberry_response_cache.core.protocol import Effect
from strawberry_response_cache.core.redis.sync_transport import SyncTransport

_IDLE: Final = 1.0
"""Seconds without anything to do after which the thread ends."""


@dataclass(eq=False, slots=True)
class _Errand:
    """Something to ask of the store.

    Attributes:
        effect: What.
        tries: For how long it is tried again after it failed.
        not_before: When.
        every: Seconds after which it is asked again, whatever came of it; 0 for once.
    """

    effect: Effect[Any]
    tries: LeaseTries
    not_before: float = 0.0
    every: float = 0.0


class SyncHousekeeping:
    """One thread, started when first needed, apart from those of refreshes, which may all be taken.

    A lease is renewed while its generation runs. One that was not given back is tried again for as long
    as it may live: nobody is to wait for a lease behind which nobody generates.

    Args:
        transport: Where effects go.
        lease: Seconds that a lease lives.
    """

    def __init__(self, transport: SyncTransport, lease: float) -> None:
        self._transport = transport
        self._lease = lease
        self._changed = renewed_in_child(self, "_changed", threading.Condition)
        self._waiting: set[_Errand] = set()
        self._wakes_at = 0.0
        self._is_running = False
        self._is_draining = False
        self._is_asking = False

    def ask(self, effect: Effect[Any]) -> None:
        """Ask for an effect soon; where no thread can be had, at once."""
        if not self._take([_Errand(effect, LeaseTries(effect, self._lease))]):
            self._transport.perform(effect)

    @contextmanager
    def repeating(self, effects: Sequence[Effect[Any]], every: float) -> Iterator[None]:
        """Ask for effects again and again while the code inside runs.

        Where no thread can be had they are not: a long generation loses its lease, and its value is not
        stored.

        Args:
            effects: What.
            every: Seconds between two times, and before the first.
        """
        first = time.monotonic() + every
        errands = [
            _Errand(effect, LeaseTries(effect, self._lease), first, every) for effect in effects
        ]
        self._take(errands)
        try:
            yield
        finally:
            with self._changed:
                for errand in errands:
                    errand.every = 0.0
                self._waiting.difference_update(errands)

    def _take(self, errands: Sequence[_Errand]) -> bool:
        """Take errands on, if there is a thread for them."""
        with self._changed:
            if not self._is_running:
                with suppress(RuntimeError):
                    thread = threading.Thread(
                        target=self._run, name="response-cache-housekeeping", daemon=True
                    )
                    thread.start()
                    self._is_running = True
            if self._is_running:
                self._waiting.update(errands)
                # What is due later than it wakes is no reason to wake it: most generations end before.
                if any(errand.not_before < self._wakes_at for errand in errands):
                    self._changed.notify_all()
            return self._is_running

    def drain(self) -> None:
        """Wait until everything was asked for once, and try nothing again.

        What is repeated while a generation runs goes on: its caller is not done.
        """
        with self._changed:
            self._is_draining = True
            self._changed.notify_all()
            self._changed.wait_for(self._is_quiet)
            self._is_draining = False

    def _is_quiet(self) -> bool:
        return not self._is_running or not (
            self._is_asking or any(not errand.every for errand in self._waiting)
        )

    def _run(self) -> None:
        while due := self._next():
            results = self._transport.perform_all([errand.effect for errand in due])
            with self._changed:
                for errand, result in zip(due, results, strict=True):
                    if (pause := self._pause_after(errand, result)) is not None:
                        errand.not_before = time.monotonic() + pause
                        self._waiting.add(errand)

    @staticmethod
    def _pause_after(errand: _Errand, result: object) -> float | None:
        """Return in how many seconds an errand is due again; None if it is over."""
        return errand.every or errand.tries.pause_after(result)

    def _next(self) -> Sequence[_Errand]:
        """Wait for something to do; nothing if there was nothing for a while."""
        with self._changed:
            self._is_asking = False
            idle_until = time.monotonic() + _IDLE
            while True:
                now = time.monotonic()
                due = [errand for errand in self._waiting if errand.not_before <= now]
                if due:
                    self._waiting.difference_update(due)
                    self._is_asking = True
                    return due
                if self._is_draining:
                    self._waiting = {errand for errand in self._waiting if errand.every}
                    self._changed.notify_all()
                if not self._waiting and (self._is_draining or now >= idle_until):
                    self._is_running = False
                    self._changed.notify_all()
                    return ()
                until = min((each.not_before for each in self._waiting), default=idle_until)
                self._wakes_at = until
                self._changed.wait(max(0.0, until - now))
                self._wakes_at = 0.0
