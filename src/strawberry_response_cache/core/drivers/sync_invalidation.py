"""Invalidations and pings of the threads, outside of flows and with deadlines of their own."""

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TypeVar

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._queue import REPLAY_INTERVAL, InvalidationQueue
from strawberry_response_cache.core.drivers.driving import (
    DriverSettings,
    Tries,
    log_lost_invalidations,
    will_never_do,
)
from strawberry_response_cache.core.protocol import Effect, Unavailable
from strawberry_response_cache.core.redis.sync_transport import SyncTransport

R = TypeVar("R")


class SyncInvalidation:
    """Tries invalidations until they succeed or their deadline ends, and replays the queued ones."""

    def __init__(self, transport: SyncTransport, settings: DriverSettings) -> None:
        self._transport = transport
        self._settings = settings
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._replaying: threading.Thread | None = None
        self._stopping = renewed_in_child(self, "_stopping", threading.Event)
        self._queue: InvalidationQueue | None = None
        self._latest: Unavailable | None = None

    def invalidate(
        self, effect: Effect[Unavailable | None], why_pending: Callable[[], Unavailable | None]
    ) -> Unavailable | None:
        """Try one effect until it succeeds, its deadline ends, or another try is useless; see `AsyncInvalidation`."""
        tries = Tries(self._settings.cache.invalidate_deadline)
        while True:
            result = self.perform(effect, tries.left)
            if result is None or will_never_do(result) or (pause := tries.pause()) is None:
                return result
            time.sleep(pause)
            if (reason := why_pending()) is not None:
                return reason

    def perform(self, effect: Effect[R], deadline: float | None = None) -> R:
        """Perform an effect once, with a deadline of its own."""
        seconds = self._settings.cache.invalidate_deadline if deadline is None else deadline
        result = self._transport.perform(effect, deadline=seconds)
        if isinstance(result, Unavailable):
            self._settings.on_failure(result)
            self._latest = result
        return result

    def replay(self, queue: InvalidationQueue, *, within: float | None = None) -> bool:
        """Replay the queue once; see `AsyncInvalidation`."""
        ends = None if within is None else time.monotonic() + within
        with closing(queue.replay()) as steps:
            result: Unavailable | None = None
            while True:
                try:
                    effect = steps.send(result)
                except StopIteration as end:
                    return bool(end.value)
                seconds = self._settings.replay_deadline
                if ends is not None and (seconds := ends - time.monotonic()) <= 0:
                    return False
                result = self.perform(effect, seconds)

    def keep_replaying(self, queue: InvalidationQueue) -> None:
        """Replay the queue in the background until nothing is pending."""
        with self._lock:
            if self._replaying is not None and self._replaying.is_alive():
                return
            self._stopping.clear()
            self._queue = queue
            thread = threading.Thread(
                target=self._keep_replaying,
                args=(queue,),
                name="response-cache-replay",
                daemon=True,
            )
            # If no thread can be started, each later caller of the tenant replays the queue once.
            with suppress(RuntimeError):
                thread.start()
                self._replaying = thread

    def _keep_replaying(self, queue: InvalidationQueue) -> None:
        while not self._stopping.is_set() and not self.replay(queue):
            self._stopping.wait(REPLAY_INTERVAL)

    def drain(self) -> None:
        """If the queue is being replayed, replay it once more; log what is lost."""
        with self._lock:
            replaying, self._replaying = self._replaying, None
        if replaying is not None and replaying.is_alive():
            self._stopping.set()
            replaying.join()
            if self._queue is not None and not self.replay(self._queue):
                log_lost_invalidations(self._settings, self._latest)
