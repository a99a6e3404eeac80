"""What the two drivers of the algorithm have in common."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import LookedUp, Observer, PutIn, Subject
from strawberry_response_cache.core._pub_sub import hear
from strawberry_response_cache.core._requests import Generate
from strawberry_response_cache.core.protocol import (
    Commit,
    Fresh,
    Lookup,
    NoLease,
    NotYet,
    Release,
    Renew,
    Stale,
    Trouble,
    Unavailable,
)
from strawberry_response_cache.core.redis.subscriber import Subscription

R = TypeVar("R")

OnFailure = Callable[[Unavailable | NoLease], None]
"""Told of every effect that the store did not perform, and of every lease that it did not take."""

IDLE_LISTENING: Final = 5.0
"""Seconds between PINGs to a server whose news only wake those who wait."""

OWN_LAG: Final = 0.25
"""Seconds by which an invalidation is waited for longer than the server has: our loop may be busy."""

_REPLAY_SHARE: Final = 0.25
"""The part of an invalidation's deadline that each try of a queued one has: nobody waits for it, and the
next one may find a server that is back."""

_DOUBT: Final = 0.25
"""The shortest pause, in seconds, before it is asked again whether a late lookup took a lease."""
_LONGEST_PAUSE: Final = 2.0
"""The longest pause, in seconds, between two tries of giving a lease back."""
_STALLS: Final = 3
"""For how many lives of a lease a server may stall that has a lookup in its buffers."""

_WITHOUT_NEWS: Final = "local memory is off"
_WITHOUT_MEMORY: Final = "callers that wait for another process look again after a pause"


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """The numbers that a driver decides by; durations in seconds.

    Attributes:
        lease: The life of a lease, renewed at a third of it.
        invalidate_deadline: How long an invalidation is tried.
        connect_deadline: For a connection of the listener to news.
        read_deadline: For an answer to a read.
        max_background: Refreshes in the background at once.
        max_flights: Runs that others may join at once.
        max_waiting: Callers that wait for them at once.
        channel: Where news of invalidations and ended leases are told.
        name: The cache's, for the log.
        server: The server, for the log.
        local_bytes: The bound of local memory; 0 is off.
        local_ttl: The longest that an entry stays in local memory.
        local_max_lag: For how long it is trusted after the server was last heard.
    """

    lease: float
    invalidate_deadline: float
    connect_deadline: float
    read_deadline: float
    max_background: int
    max_flights: int
    max_waiting: int
    channel: str
    name: str
    server: str
    local_bytes: int
    local_ttl: float
    local_max_lag: float
    observer: Observer = field(repr=False)
    on_failure: OnFailure = field(repr=False)

    @property
    def lease_ms(self) -> int:
        """The life of a lease in milliseconds."""
        return round(self.lease * 1000)

    @property
    def replay_deadline(self) -> float:
        """Seconds for one try of an invalidation that was queued."""
        return max(self.read_deadline, self.invalidate_deadline * _REPLAY_SHARE)

    @property
    def listening_interval(self) -> float:
        """Seconds between two PINGs to a server whose news are listened to."""
        return self.local_max_lag / 4 if self.local_bytes else IDLE_LISTENING


def new_memory(settings: DriverSettings, is_trusted: Callable[[], bool]) -> Memory | None:
    """Return a local memory, if it is on.

    Args:
        settings: Its bounds.
        is_trusted: Whether every invalidation was heard of.
    """
    if not settings.local_bytes:
        return None
    return Memory(max_bytes=settings.local_bytes, ttl=settings.local_ttl, is_trusted=is_trusted)


def listening(
    settings: DriverSettings, memory: Memory | None, wake: Callable[[str], None]
) -> Subscription:
    """Return what to listen to, and who is told.

    Args:
        settings: The numbers to decide by.
        memory: The local memory, if it is on.
        wake: Told the key of a lease that has ended.
    """

    def were_lost() -> None:
        if memory is not None:
            memory.forget_everything()

    return Subscription(
        settings.channel,
        settings.listening_interval,
        settings.local_max_lag,
        settings.connect_deadline,
        settings.name,
        _WITHOUT_MEMORY if memory is None else _WITHOUT_NEWS,
        partial(hear, memory=memory, wake=wake),
        were_lost,
    )


def renewals(requests: Sequence[Generate], lease_ms: int) -> list[Renew]:
    """Return what keeps the leases of these generations alive."""
    return [
        Renew(request.keys, request.lease, lease_ms)
        for request in requests
        if request.lease is not None
    ]


def set_once(future: "asyncio.Future[R]", result: R) -> None:
    """Give a future its result, unless its caller is gone."""
    if not future.done():
        future.set_result(result)


def will_never_do(failure: Unavailable) -> bool:
    """Whether trying again is in vain: the server does not know us or does not let us."""
    return failure.trouble.is_lasting


def log_owed(settings: DriverSettings, failure: Unavailable | None) -> None:
    """Say that invalidations were queued and will not be replayed any more.

    Args:
        settings: Whose server did not take them.
        failure: Why it did not take the latest.
    """
    fault = failure or Unavailable("not_replayed", trouble=Trouble.NOT_ASKED)
    logger.error(
        "The cache is closed, and Redis at %s has not taken all queued invalidations (%s): what they "
        "were to invalidate can be read until its ttl and stale window end. %s",
        settings.server,
        fault.error_name,
        fault.trouble.advice,
        extra={
            "response_cache.name": settings.name,
            "server.address": settings.server,
            "error.type": fault.error_type,
        },
    )


class Tries:
    """The tries of one invalidation, with growing pauses between them, until its deadline.

    Args:
        seconds: The deadline for all of them together.
    """

    __slots__ = ("_ends", "_pause")

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._pause = 0.01

    @property
    def left(self) -> float:
        """Seconds until the deadline; never quite 0."""
        return max(0.001, self._ends - time.monotonic())

    def pause(self) -> float | None:
        """Return the seconds to wait before the next try, or None if there is no time for one."""
        pause, self._pause = self._pause, min(self._pause * 2, 0.2)
        return pause if time.monotonic() + pause < self._ends else None


class LeaseTries:
    """The tries of giving one lease back, with growing pauses, for as long as it may live.

    Where it is in doubt whether the lookup has arrived, its life may begin later than the tries: they go on
    through stalls of a server, and their time begins anew with its first answer.

    Args:
        effect: What is tried; anything but a release is tried once.
        lease: Seconds that a lease lives.
        jitter: Returns a number from 0 to below 1.
    """

    __slots__ = ("_ends", "_is_answered", "_is_release", "_jitter", "_lease", "_pause")

    def __init__(
        self, effect: object, lease: float, jitter: Callable[[], float] = random.random
    ) -> None:
        self._is_release = isinstance(effect, Release)
        is_in_doubt = isinstance(effect, Release) and effect.in_doubt
        self._lease = lease
        self._ends = time.monotonic() + lease * (_STALLS if is_in_doubt else 1)
        self._pause = 0.01
        self._is_answered = False
        self._jitter = jitter

    def pause_after(self, result: object) -> float | None:
        """Return the seconds to wait before the next try, or None if that was the last.

        Args:
            result: What came of the latest try.
        """
        if not self._is_release or not isinstance(result, Unavailable | NotYet):
            return None
        now = time.monotonic()
        if isinstance(result, NotYet):
            self._pause = max(self._pause, _DOUBT)
            if not self._is_answered:
                self._is_answered = True
                self._ends = now + self._lease
        pause = self._pause * (1 - self._jitter() / 2)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause if now + pause < self._ends else None


def report(
    observer: Observer, subject: Subject, effect: object, started_ns: int, result: object
) -> None:
    """Tell the observer of a lookup or a commit that is over."""
    error = result.error_type if isinstance(result, Unavailable) else None
    if isinstance(effect, Lookup):
        entry = result.entry if isinstance(result, Fresh | Stale) else None
        is_stale = entry is not None and entry.remaining_ms <= 0
        observer.looked_up(
            LookedUp(
                subject,
                started_ns,
                time.time_ns(),
                "miss" if entry is None else "stale" if is_stale else "hit",
                None if entry is None else entry.age,
                None if entry is None else entry.ttl,
                None if entry is None else len(entry.recording.payload),
                error,
            )
        )
    elif isinstance(effect, Commit):
        recording = effect.recording
        ttl, size, tags = recording.ttl_ms / 1000, len(recording.payload), len(recording.tags)
        observer.put_in(PutIn(subject, started_ns, time.time_ns(), ttl, size, tags, error))


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
