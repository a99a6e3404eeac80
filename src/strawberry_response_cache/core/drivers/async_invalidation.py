"""Invalidations and pings of an event loop, outside of flows and with deadlines of their own."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from strawberry_response_cache.core._errors import CacheStoreError
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._queue import REPLAY_INTERVAL, InvalidationQueue
from strawberry_response_cache.core.drivers.driving import (
    OWN_LAG,
    DriverSettings,
    Tries,
    log_lost_invalidations,
    set_once,
    will_never_do,
)
from strawberry_response_cache.core.protocol import Effect, Unavailable, failure
from strawberry_response_cache.core.redis.async_transport import AsyncTransport

R = TypeVar("R")


class AsyncInvalidation:
    """Tries invalidations until they succeed or their deadline ends, and replays the queued ones."""

    def __init__(self, transport: AsyncTransport, settings: DriverSettings) -> None:
        self._transport = transport
        self._settings = settings
        self._trying: set[asyncio.Task[Any]] = set()
        self._replaying: asyncio.Task[None] | None = None
        self._queue: InvalidationQueue | None = None
        self._latest: Unavailable | None = None
        self._unseen = Interval()

    async def hold(self, invalidate: Coroutine[Any, Any, None]) -> None:
        """Complete an invalidation, even if the caller is cancelled: then log its failure, if it fails."""
        task = asyncio.get_running_loop().create_task(invalidate)
        self._trying.add(task)
        task.add_done_callback(self._trying.discard)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._log_failure)
            raise

    def _log_failure(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if (count := self._unseen.counted()) is None:
            return
        fault, server = failure(error), self._settings.server
        if isinstance(error, CacheStoreError):  # already logged, with advice
            fault = replace(fault, error_type=error.error_type)
        logger.error(
            "An invalidation on Redis at %s failed after its caller was cancelled (%s%s); the old entries "
            "can be read until their ttl and stale window end.",
            server,
            fault.error_name,
            count.words,
            extra={
                "response_cache.name": self._settings.name,
                "response_cache.failures": count.number,
                "server.address": server,
                "error.type": fault.error_type,
            },
        )

    async def invalidate(
        self, effect: Effect[Unavailable | None], why_pending: Callable[[], Unavailable | None]
    ) -> Unavailable | None:
        """Try one effect of an invalidation until it succeeds, its deadline ends, or another try is useless.

        Args:
            effect: The effect.
            why_pending: Returns a reason to stop trying, if there is one.
        """
        tries = Tries(self._settings.cache.invalidate_deadline)
        while True:
            result = await self.perform(effect, tries.left)
            if result is None or will_never_do(result) or (pause := tries.pause()) is None:
                return result
            await asyncio.sleep(pause)
            if (reason := why_pending()) is not None:
                return reason

    async def perform(self, effect: Effect[R], deadline: float | None = None) -> R:
        """Perform an effect once, with a deadline of its own.

        Args:
            effect: The effect.
            deadline: Seconds, with connecting; None for ``invalidate_deadline``.
        """
        seconds = self._settings.cache.invalidate_deadline if deadline is None else deadline
        try:
            async with asyncio.timeout(seconds + OWN_LAG):
                result = await self._ask(effect, seconds)
        except TimeoutError as error:
            result = effect.unavailable(error)
        if isinstance(result, Unavailable):
            self._settings.on_failure(result)
            self._latest = result
        return result

    async def _ask(self, effect: Effect[R], deadline: float | None = None) -> R:
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._transport.submit(effect, partial(set_once, answer), deadline=deadline)
        return await answer

    async def replay(self, queue: InvalidationQueue, *, within: float | None = None) -> bool:
        """Replay the queue once; return whether nothing is pending any more.

        Args:
            queue: The pending invalidations.
            within: Seconds for all of them; None for as long as it takes.
        """
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
                result = await self.perform(effect, seconds)

    def keep_replaying(self, queue: InvalidationQueue) -> None:
        """Replay the queue in the background until nothing is pending."""
        if self._replaying is None or self._replaying.done():
            self._queue = queue
            self._replaying = asyncio.get_running_loop().create_task(
                self._keep_replaying(queue), context=contextvars.Context()
            )

    async def _keep_replaying(self, queue: InvalidationQueue) -> None:
        while not await self.replay(queue):  # noqa: ASYNC110 - a server does not announce that it is back
            await asyncio.sleep(REPLAY_INTERVAL)

    async def drain(self) -> None:
        """Wait for running invalidations. If the queue is being replayed, replay it once more; log what is lost."""
        if self._trying:
            await asyncio.wait(set(self._trying))
        if self._replaying is not None and not self._replaying.done():
            self._replaying.cancel()
            await asyncio.wait({self._replaying})
            if self._queue is not None and not await self.replay(self._queue):
                log_lost_invalidations(self._settings, self._latest)
