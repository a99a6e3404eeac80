"""Background effects of the threads: releasing, shortening and renewing leases."""

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
    """A background effect.

    Attributes:
        tries: The effect, and when it is tried again after a failure.
        not_before: When it is due.
        every: Seconds after which it is repeated, also after a failure; 0 for once.
    """

    tries: LeaseTries
    not_before: float = 0.0
    every: float = 0.0


class SyncHousekeeping:
    """A thread, started on demand, that performs background effects; refreshes have threads of their own.

    A lease is renewed while its generation runs. A failed release is tried again for as long as the lease may
    live, and as soon as the server answers anyone: a server that hung may have granted the lease only then. So no
    caller waits on an abandoned lease.

    Args:
        transport: Sends the effects.
        lease: The life of a lease, in seconds.
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
        transport.recoveries.listen(self)

    def ask(self, effect: Effect[Any]) -> None:
        """Perform an effect soon, or at once if no thread can be started."""
        if not self._take([_Errand(LeaseTries(effect, self._lease))]):
            self._transport.perform(effect)

    def server_is_back(self) -> None:
        """Try what the server did not answer."""
        with self._changed:
            for errand in self._waiting:
                if errand.tries.waits_for_server:
                    errand.not_before = 0.0
            self._changed.notify_all()

    @contextmanager
    def repeating(self, effects: Sequence[Effect[Any]], every: float) -> Iterator[None]:
        """Repeat effects while the code inside runs.

        If no thread can be started they are not performed: a long generation then loses its lease, and its
        value is not stored.

        Args:
            effects: The effects.
            every: Seconds before the first time and between two times.
        """
        first = time.monotonic() + every
        errands = [_Errand(LeaseTries(effect, self._lease), first, every) for effect in effects]
        self._take(errands)
        try:
            yield
        finally:
            with self._changed:
                for errand in errands:
                    errand.every = 0.0
                self._waiting.difference_update(errands)

    def _take(self, errands: Sequence[_Errand]) -> bool:
        """Add errands, if there is a thread for them."""
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
                # Do not wake the thread for an errand that is due later: most generations end before.
                if any(errand.not_before < self._wakes_at for errand in errands):
                    self._changed.notify_all()
            return self._is_running

    def drain(self) -> None:
        """Wait until every effect was tried once, without further tries.

        Repeated effects of running generations continue.
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
            results = self._transport.perform_all([errand.tries.effect for errand in due])
            with self._changed:
                for errand, result in zip(due, results, strict=True):
                    if (pause := self._pause_after(errand, result)) is not None:
                        errand.not_before = time.monotonic() + pause
                        self._waiting.add(errand)

    @staticmethod
    def _pause_after(errand: _Errand, result: object) -> float | None:
        """Return in how many seconds an errand is due again; None if it is done."""
        return errand.every or errand.tries.pause_after(result)

    def _next(self) -> Sequence[_Errand]:
        """Wait for a due errand; return None if there was none for a while."""
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
