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
class _Scheduled:
    """An effect that the thread performs.

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
        self._waiting: set[_Scheduled] = set()
        self._wakes_at = 0.0
        self._is_running = False
        self._is_draining = False
        self._is_asking = False
        transport.recoveries.listen(self)

    def ask(self, effect: Effect[Any]) -> None:
        """Perform an effect soon, or at once if no thread can be started."""
        if not self._schedule([_Scheduled(LeaseTries(effect, self._lease))]):
            self._transport.perform(effect)

    def server_is_back(self) -> None:
        """Try again to release the leases whose last try the server did not answer."""
        with self._changed:
            for scheduled in self._waiting:
                if scheduled.tries.waits_for_server:
                    scheduled.not_before = 0.0
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
        repeated = [_Scheduled(LeaseTries(effect, self._lease), first, every) for effect in effects]
        self._schedule(repeated)
        try:
            yield
        finally:
            with self._changed:
                for scheduled in repeated:
                    scheduled.every = 0.0
                self._waiting.difference_update(repeated)

    def _schedule(self, added: Sequence[_Scheduled]) -> bool:
        """Add effects for the thread, and start it if it does not run; return whether it runs."""
        with self._changed:
            if not self._is_running:
                with suppress(RuntimeError):
                    thread = threading.Thread(
                        target=self._run, name="response-cache-housekeeping", daemon=True
                    )
                    thread.start()
                    self._is_running = True
            if self._is_running:
                self._waiting.update(added)
                # Do not wake the thread for an effect that is due later: most generations end before.
                if any(scheduled.not_before < self._wakes_at for scheduled in added):
                    self._changed.notify_all()
            return self._is_running

    def drain(self) -> None:
        """Wait until every effect was tried once; do not try those again that fail.

        Repeated effects of running generations continue.
        """
        with self._changed:
            self._is_draining = True
            self._changed.notify_all()
            self._changed.wait_for(self._is_quiet)
            self._is_draining = False

    def _is_quiet(self) -> bool:
        return not self._is_running or not (
            self._is_asking or any(not scheduled.every for scheduled in self._waiting)
        )

    def _run(self) -> None:
        while due := self._next():
            results = self._transport.perform_all([scheduled.tries.effect for scheduled in due])
            with self._changed:
                for scheduled, result in zip(due, results, strict=True):
                    if (pause := self._pause_after(scheduled, result)) is not None:
                        scheduled.not_before = time.monotonic() + pause
                        self._waiting.add(scheduled)

    @staticmethod
    def _pause_after(scheduled: _Scheduled, result: object) -> float | None:
        """Return in how many seconds an effect is due again; None if it is done."""
        return scheduled.every or scheduled.tries.pause_after(result)

    def _next(self) -> Sequence[_Scheduled]:
        """Wait until effects are due, and return them; an empty sequence ends the thread."""
        with self._changed:
            self._is_asking = False
            idle_until = time.monotonic() + _IDLE
            while True:
                now = time.monotonic()
                due = [scheduled for scheduled in self._waiting if scheduled.not_before <= now]
                if due:
                    self._waiting.difference_update(due)
                    self._is_asking = True
                    return due
                if self._is_draining:
                    self._waiting = {scheduled for scheduled in self._waiting if scheduled.every}
                    self._changed.notify_all()
                if not self._waiting and (self._is_draining or now >= idle_until):
                    self._is_running = False
                    self._changed.notify_all()
                    return ()
                until = min((each.not_before for each in self._waiting), default=idle_until)
                self._wakes_at = until
                self._changed.wait(max(0.0, until - now))
                self._wakes_at = 0.0
