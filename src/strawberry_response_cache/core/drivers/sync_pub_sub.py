"""The subscription of the threads to messages: invalidations, and leases that have ended."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._pub_sub import Hearers
from strawberry_response_cache.core.drivers.driving import DriverSettings, listening, new_memory
from strawberry_response_cache.core.redis.sync_backplane import SyncBackplane
from strawberry_response_cache.core.redis.sync_transport import SyncTransport


class SyncPubSub:
    """Wakes callers that wait for leases, and invalidates local memory; the sync form of `AsyncPubSub`."""

    def __init__(
        self, transport: SyncTransport, settings: DriverSettings, outdate: Callable[..., object]
    ) -> None:
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._sleepers: dict[str, list[threading.Event]] = {}
        self.memory = new_memory(settings, self._is_trusted)
        hearers = Hearers(memory=self.memory, wake=self._wake, outdate=outdate)
        self._backplane = SyncBackplane(transport.sources, listening(settings, hearers))
        if self.memory is not None:
            self._backplane.start()

    def sleep(self, seconds: float, lease_key: str) -> None:
        """Wait until a message says that the lease has ended, but no longer than these seconds."""
        bell = threading.Event()
        with self.ringing(bell, [lease_key]):
            bell.wait(seconds)

    @contextmanager
    def ringing(self, bell: threading.Event, lease_keys: Sequence[str]) -> Iterator[None]:
        """Set an event when a message says that one of these leases has ended, while the code inside runs."""
        if lease_keys:
            self._backplane.start()
        with self._lock:
            for key in lease_keys:
                self._sleepers.setdefault(key, []).append(bell)
        try:
            yield
        finally:
            with self._lock:
                for key in lease_keys:
                    sleepers = self._sleepers.get(key)
                    if sleepers is not None and bell in sleepers:
                        sleepers.remove(bell)
                        if not sleepers:
                            del self._sleepers[key]

    def close(self) -> None:
        """Stop the subscription."""
        self._backplane.close()

    def retire(self) -> None:
        """Stop the subscription for good: waiting callers use timers."""
        self._backplane.retire()

    def _wake(self, lease_key: str) -> None:
        with self._lock:
            sleepers = self._sleepers.pop(lease_key, [])
        for sleeper in sleepers:
            sleeper.set()

    def _is_trusted(self) -> bool:
        return self._backplane.is_live()
