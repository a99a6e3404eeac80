"""The parts that the async and the sync driver share."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from strawberry_response_cache.core._counters import Counters
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._observer import (
    Observer,
    Subject,
)
from strawberry_response_cache.core._pub_sub import Hearers, hear
from strawberry_response_cache.core._response import CachedResponse
from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core.algorithm.requests import Generate
from strawberry_response_cache.core.protocol import (
    Effect,
    NoLease,
    NotYet,
    Release,
    Renew,
    Throttle,
    Trouble,
    Unavailable,
)
from strawberry_response_cache.core.redis.subscriber import Subscription

R = TypeVar("R")

OnFailure = Callable[[Unavailable | NoLease], None]
"""Called with every failure of the store, and with every lease that it refused."""

IDLE_LISTENING: Final = 5.0
"""Seconds between PINGs to a server whose messages only wake waiting callers."""

OWN_LAG: Final = 0.25
"""Seconds to wait for an invalidation beyond the server's deadline, because the event loop may be busy."""

_REPLAY_SHARE: Final = 0.25
"""The part of an invalidation's deadline that each try of a queued one has. A short try is enough: no caller
waits for it, and another one follows."""

_FIRST_PAUSE: Final = 0.01
"""Seconds before the second try to invalidate, or to release a lease."""
_DOUBT: Final = 0.25
"""The shortest pause, in seconds, before checking again whether a late lookup took a lease."""
_LONGEST_PAUSE: Final = 2.0
"""The longest pause, in seconds, between two tries to release a lease."""
_STALLS: Final = 3
"""How long a stalled server may hold a lookup in its buffers before it runs it, in lives of a lease."""

_WITHOUT_NEWS: Final = "local memory is off"
_WITHOUT_MEMORY: Final = "callers that wait for another process look again after a pause"


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """The settings, counters and callbacks that a cache passes to its drivers.

    Attributes:
        cache: The settings of the cache.
        channel: The channel for invalidations and ended leases.
        name: The cache's name, for the log.
        server: The server, for the log.
        counters: What is counted.
        observer: Receives the events.
        on_failure: See `OnFailure`.
    """

    cache: CacheSettings
    channel: str
    name: str
    server: str
    counters: Counters = field(repr=False)
    observer: Observer = field(repr=False)
    on_failure: OnFailure = field(repr=False)

    @property
    def lease_ms(self) -> int:
        """The life of a lease in milliseconds."""
        return round(self.cache.lease * 1000)

    @property
    def replay_deadline(self) -> float:
        """Seconds for one try of an invalidation that was queued."""
        return max(self.cache.read_deadline, self.cache.invalidate_deadline * _REPLAY_SHARE)

    @property
    def listening_interval(self) -> float:
        """Seconds between two PINGs of the subscription."""
        return self.cache.local_max_lag / 4 if self.cache.local_bytes else IDLE_LISTENING


def new_memory(settings: DriverSettings, is_trusted: Callable[[], bool]) -> Memory | None:
    """Return a new local memory; None if ``local_bytes`` is 0."""
    if not settings.cache.local_bytes:
        return None
    return Memory(
        max_bytes=settings.cache.local_bytes,
        ttl=settings.cache.local_ttl,
        is_trusted=is_trusted,
        evicted=settings.counters.evicted,
    )


def listening(settings: DriverSettings, hearers: Hearers) -> Subscription:
    """Return the subscription of a driver; lost messages empty its local memory."""
    memory = hearers.memory

    def were_lost() -> None:
        if memory is not None:
            memory.drop_all()

    return Subscription(
        settings.channel,
        settings.listening_interval,
        settings.cache.local_max_lag,
        settings.cache.connect_deadline,
        settings.name,
        _WITHOUT_MEMORY if memory is None else _WITHOUT_NEWS,
        partial(hear, hearers=hearers),
        were_lost,
    )


def renewals(requests: Sequence[Generate], lease_ms: int) -> list[Renew]:
    """Return the effects that renew the leases of these generations."""
    return [
        Renew(request.keys, request.lease, lease_ms)
        for request in requests
        if request.lease is not None
    ]


def set_once(future: "asyncio.Future[R]", result: R) -> None:
    """Set the result of a future, unless its caller was cancelled."""
    if not future.done():
        future.set_result(result)


def will_never_do(failure: Unavailable) -> bool:
    """Whether trying again is useless, such as after a wrong password."""
    return failure.trouble.is_lasting


def log_lost_invalidations(settings: DriverSettings, failure: Unavailable | None) -> None:
    """Log that queued invalidations are lost, because the cache is closed."""
    fault = failure or Unavailable("not_replayed", trouble=Trouble.NOT_ASKED)
    logger.error(
        "The cache is closed, and Redis at %s has not taken all queued invalidations (%s): the old entries "
        "can be read until their ttl and stale window end. %s",
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
    """The tries of one invalidation, with growing pauses, until its deadline.

    Args:
        seconds: The deadline for all tries together.
    """

    __slots__ = ("_ends", "_pause")

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._pause = _FIRST_PAUSE

    @property
    def left(self) -> float:
        """Seconds until the deadline; at least 0.001."""
        return max(0.001, self._ends - time.monotonic())

    def pause(self) -> float | None:
        """Return the seconds to wait before the next try, or None if there is no time for one."""
        pause, self._pause = self._pause, min(self._pause * 2, 0.2)
        return pause if time.monotonic() + pause < self._ends else None


class LeaseTries:
    """The tries to release one lease, with growing pauses, for as long as it may live.

    If the lookup may still be on its way, the lease may be granted after the first try. Then the tries continue
    while the server stalls, and for another life of the lease after its first answer.

    Args:
        effect: What is tried; a renewal is tried once, since another follows.
        lease: Seconds that a lease lives.
        jitter: Returns a number from 0 to below 1.

    Attributes:
        effect: What is tried.
        waits_for_server: Whether the latest try was not answered: the next one is due as soon as the server answers
            anyone.
    """

    __slots__ = (
        "_ends",
        "_is_answered",
        "_is_tried_again",
        "_jitter",
        "_lease",
        "_pause",
        "effect",
        "waits_for_server",
    )

    def __init__(
        self, effect: Effect[Any], lease: float, jitter: Callable[[], float] = random.random
    ) -> None:
        self.effect = effect
        self.waits_for_server = False
        self._is_tried_again = isinstance(effect, Release | Throttle)
        is_in_doubt = isinstance(effect, Release) and effect.in_doubt
        self._lease = lease
        self._ends = time.monotonic() + lease * (_STALLS if is_in_doubt else 1)
        self._pause = _FIRST_PAUSE
        self._is_answered = False
        self._jitter = jitter

    def pause_after(self, result: object) -> float | None:
        """Return the seconds to wait before the next try, or None if that was the last."""
        if not self._is_tried_again or not isinstance(result, Unavailable | NotYet):
            return None
        self.waits_for_server = isinstance(result, Unavailable)
        now = time.monotonic()
        if isinstance(result, NotYet):
            self._pause = max(self._pause, _DOUBT)
            if not self._is_answered:
                self._is_answered = True
                self._ends = now + self._lease
        pause = self._pause * (1 - self._jitter() / 2)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause if now + pause < self._ends else None


def counted(settings: DriverSettings, subject: Subject) -> Callable[[CachedResponse[Any]], None]:
    """Return a function that counts each response of `remember_many`; for fields it does nothing, as GraphQL counts them."""
    if subject.scope == "value":
        return partial(settings.counters.answered, subject.scope)
    return lambda _: None


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the running event loop of this thread, if there is one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
