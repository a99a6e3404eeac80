"""The state that outlives a call: a driver, with its flights, for each event loop and one for threads."""

import asyncio
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from strawberry_response_cache.core._announcements import Announcements, OnInvalidate
from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.core._counters import Counters
from strawberry_response_cache.core._errors import CacheStoreError
from strawberry_response_cache.core._faults import faults
from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._handle import RedisHandle
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._invalidation_log import InvalidationLog
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._observer import Observer
from strawberry_response_cache.core._queue import InvalidationQueue
from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core._statistics import CacheStatistics
from strawberry_response_cache.core.algorithm.call import Limits
from strawberry_response_cache.core.drivers.async_driver import AsyncDriver
from strawberry_response_cache.core.drivers.driving import DriverSettings
from strawberry_response_cache.core.drivers.sync_driver import SyncDriver
from strawberry_response_cache.core.protocol import NoLease, Trouble, Unavailable

ENDED_LOOPS: Final = 10
"""How many event loops end before a line is logged: a program that starts only a few is no problem."""

_NO_LEASE: Final = "takes no lease", "what is not in the cache is generated and not stored"
_NO_ANSWER: Final = "failed", "responses are generated and not stored until it answers"

_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()


def _drop_inherited_flights() -> None:
    for engine in list(_engines):
        engine.drop_drivers()
        engine.counters.reset()
    faults.reset()


os.register_at_fork(after_in_child=_drop_inherited_flights)


class Engine:
    """The shared part of a cache and of all its tenants.

    Attributes:
        name: The cache's prefix.
        counters: What is counted in this process.
        invalidated: The latest invalidations that this process made.
    """

    def __init__(
        self,
        handle: RedisHandle,
        keyspace: Keyspace,
        settings: CacheSettings,
        observer: Observer,
        on_invalidate: OnInvalidate | None,
    ) -> None:
        self.handle = handle
        self.settings = settings
        self.has_memory = settings.local_bytes > 0
        self.observer = observer
        self.name = keyspace.prefix
        self.counters = Counters(settings.operation_names)
        self.invalidated = InvalidationLog()
        self.limits = Limits(
            lease_ms=round(settings.lease * 1000),
            max_bytes=settings.max_entry_bytes,
            compress_above=settings.compress_above,
            early_refresh=settings.early_refresh,
            jitter=settings.jitter,
            confirmed=Bounded(settings.confirmed_bytes) if settings.confirmed_bytes else None,
        )
        self.announcements = Announcements(on_invalidate, keyspace.prefix)
        self.queue = InvalidationQueue(
            max_queued=settings.max_queued_invalidations,
            max_tags=settings.max_tags,
            patience=2 * settings.invalidate_deadline + 1,
            on_taken=self.announcements.announce,
        )
        self.unstorable = Interval()
        self._failures = _FailureLog(keyspace.prefix, handle)
        self._driver_settings = DriverSettings(
            cache=settings,
            channel=keyspace.channel,
            name=keyspace.prefix,
            server=handle.place,
            counters=self.counters,
            observer=observer,
            on_failure=self._failures.note,
        )
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self.drop_drivers()
        _engines.add(self)
        observer.watch(self)

    def drop_drivers(self) -> None:
        """Drop all drivers and running replays: after a fork, they belong to the parent."""
        self._async: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncDriver] = (
            weakref.WeakKeyDictionary()
        )
        self._sync: SyncDriver | None = None
        self._loops = _LoopLog(self.handle)
        self.queue.after_fork()
        self.announcements.after_fork()

    def async_driver(self) -> AsyncDriver:
        """Return the driver of the running event loop.

        Raises:
            CacheConfigurationError: If the handle was made around a sync client.
        """
        loop = asyncio.get_running_loop()
        driver = self._async.get(loop)
        if driver is None:
            transport = self.handle.async_transport(self.settings)
            driver = AsyncDriver(transport, self._driver_settings)
            with self._lock:
                for ended in [known for known in self._async if known.is_closed()]:
                    del self._async[ended]
                self._async[loop] = driver
                alive = len(self._async)
            self._loops.began(alive)
        return driver

    def sync_driver(self) -> SyncDriver:
        """Return the driver of all threads.

        Raises:
            CacheConfigurationError: If the handle was made around an async client.
        """
        driver = self._sync
        if driver is not None:
            return driver
        with self._lock:
            if self._sync is None:
                transport = self.handle.sync_transport(self.settings)
                self._sync = SyncDriver(transport, self._driver_settings)
            return self._sync

    async def aclose(self) -> None:
        """Wait for background work, then close the connections of the running loop and of the threads."""
        loop = asyncio.get_running_loop()
        # Background work that is ending still uses this driver and must not create another.
        if (driver := self._async.get(loop)) is not None:
            await driver.drain()
            with self._lock:
                is_ours = self._async.get(loop) is driver
                if is_ours:
                    del self._async[loop]
                    self._loops.closed()
            if is_ours:
                await driver.retire()
                await driver.drain()  # work that started before the driver was removed
                await self.handle.release_async(driver.transport)
        if self._sync is not None:
            # Background work of the threads may need this event loop to end.
            closing = ThreadPoolExecutor(1, thread_name_prefix="response-cache-close")
            try:
                await asyncio.get_running_loop().run_in_executor(closing, self.close)
            finally:
                closing.shutdown(wait=False)
        await self.announcements.drain_async()

    def close(self) -> None:
        """Wait for background work of the threads, then close their connections."""
        if (driver := self._sync) is not None:
            driver.drain()
            with self._lock:
                is_ours = self._sync is driver
                if is_ours:
                    self._sync = None
            if is_ours:
                driver.retire()
                driver.drain()  # work that started before the driver was removed
                self.handle.release_sync(driver.transport)
        self.announcements.drain()

    def check(self, result: Unavailable | None) -> None:
        """Raise if the result of an effect is a failure.

        Raises:
            CacheStoreError: If the store did not take the effect.
        """
        if result is not None:
            msg = (
                f"Redis at {self.handle.place} did not take it ({result.error_name}). "
                f"{result.trouble.advice}"
            )
            raise CacheStoreError(msg, error_type=result.error_type)

    def statistics(self) -> CacheStatistics:
        """Return what was counted so far, and the present state of local memory, queue and breakers."""
        drivers, counters = self.drivers(), self.counters
        memories = [driver.memory for driver in drivers if driver.memory is not None]
        return CacheStatistics(
            operations=counters.requests["operation"].statistics(),
            by_operation={} if counters.operations is None else counters.operations.statistics(),
            fields=counters.requests["field"].statistics(),
            values=counters.requests["value"].statistics(),
            bypasses=dict(counters.bypasses),
            loads={scope: each.statistics() for scope, each in counters.loads.items()},
            store={name: each.statistics() for name, each in counters.calls.items()},
            invalidations=dict(counters.invalidations),
            verified=dict(counters.verified),
            pending_invalidations=self.queue.pending,
            local_entries=sum(map(len, memories)),
            local_bytes=sum(memory.size for memory in memories),
            evictions=counters.evictions,
            is_breaker_open=any(driver.transport.has_open_breaker for driver in drivers),
            faults=faults.count,
        )

    def drivers(self) -> list[AsyncDriver | SyncDriver]:
        """Return the drivers of all event loops and of the threads."""
        with self._lock:
            sync = [] if self._sync is None else [self._sync]
            return [*self._async.values(), *sync]


class _LoopLog:
    """Logs once that many event loops ended without closing the cache; each had connections of its own."""

    def __init__(self, handle: RedisHandle) -> None:
        self._handle = handle
        self._begun = 0
        self._is_told = handle.address == "memory://"

    def began(self, alive: int) -> None:
        """Count an event loop that begins to use the cache; ``alive`` loops use it now. Log if many have ended."""
        self._begun += 1
        if self._is_told or (ended := self._begun - alive) < ENDED_LOOPS:
            return
        self._is_told = True
        logger.warning(
            "Redis at %s: %s event loops have ended that used the cache. Each opened connections of its own, which "
            "takes longer than an answer. Use an event loop that lasts, such as that of an ASGI server, or the "
            "sync methods and a sync view.",
            self._handle.place,
            ended,
            extra={"server.address": self._handle.address},
        )

    def closed(self) -> None:
        """Take an event loop out of the count, because it closed the cache."""
        self._begun -= 1


class _FailureLog:
    """Logs failures of the store once per interval, with their number."""

    def __init__(self, name: str, handle: RedisHandle) -> None:
        self._name = name
        self._handle = handle
        self.interval = Interval()
        self._refusals = Interval()

    def note(self, failure: Unavailable | NoLease) -> None:
        """Count a failure, and log it at most once per interval. It is ignored if the server was not asked."""
        if isinstance(failure, NoLease):
            self._log(self._refusals, _NO_LEASE, failure.trouble.value, failure.trouble)
        elif failure.asked:
            self._log(self.interval, _NO_ANSWER, failure.error_type, failure.trouble)

    def _log(
        self, interval: Interval, what: tuple[str, str], error_type: str, trouble: Trouble
    ) -> None:
        if (count := interval.counted()) is None:
            return
        logger.warning(
            "Redis at %s %s (%s%s); %s. %s",
            self._handle.place,
            what[0],
            error_type.rpartition(".")[2],
            count.words,
            what[1],
            trouble.advice,
            extra={
                "response_cache.name": self._name,
                "response_cache.failures": count.number,
                "server.address": self._handle.address,
                "error.type": error_type,
            },
        )
