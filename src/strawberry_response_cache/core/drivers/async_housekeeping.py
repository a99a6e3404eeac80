"""Background effects of an event loop: releasing, shortening and renewing leases."""

import asyncio
import contextvars
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from strawberry_response_cache.core.drivers.driving import LeaseTries, running_loop
from strawberry_response_cache.core.protocol import Effect, Release
from strawberry_response_cache.core.redis.recoveries import Recoveries


class AsyncHousekeeping:
    """Releases abandoned leases, so that no caller waits on them.

    A failed release is tried again for as long as the lease may live, and as soon as the server answers anyone: a
    server that hung may have granted the lease only then.

    Args:
        submit: Sends an effect; its second argument is called with the result.
        recoveries: Tells when the server answers again.
        lease: The life of a lease, in seconds.
        released: Called with the key of each lease for which a release was tried.
    """

    def __init__(
        self,
        submit: Callable[[Effect[Any], Callable[[object], None]], None],
        recoveries: Recoveries,
        lease: float,
        released: Callable[[str], None],
    ) -> None:
        self._submit = submit
        self._lease = lease
        self._released = released
        self._loop = asyncio.get_running_loop()
        self._asked: set[asyncio.Future[None]] = set()
        self._late: dict[LeaseTries, asyncio.TimerHandle] = {}
        self._is_draining = False
        recoveries.listen(self)

    def ask(self, effect: Effect[Any]) -> None:
        """Perform an effect in the background. Ignore it outside of the event loop, where a dropped flow may end."""
        if running_loop() is self._loop:
            self._try(LeaseTries(effect, self._lease))

    @contextmanager
    def repeating(self, effects: Sequence[Effect[Any]], every: float) -> Iterator[None]:
        """Repeat effects while the code inside runs.

        Args:
            effects: The effects.
            every: Seconds before the first time and between two times.
        """
        # A context of its own: a timer refers to itself, so only the garbage collector frees it, and the context of
        # the caller would keep alive what the caller generates.
        context = contextvars.Context()
        timer: asyncio.TimerHandle

        def repeat() -> None:
            nonlocal timer
            for effect in effects:
                self.ask(effect)
            timer = self._loop.call_later(every, repeat, context=context)

        timer = self._loop.call_later(every, repeat, context=context)
        try:
            yield
        finally:
            timer.cancel()

    def server_is_back(self) -> None:
        """Try again to release the leases whose last try the server did not answer."""
        for tries in [each for each in self._late if each.waits_for_server]:
            self._late.pop(tries).cancel()
            self._try(tries)

    def _try(self, tries: LeaseTries) -> None:
        effect = tries.effect
        over: asyncio.Future[None] = self._loop.create_future()
        self._asked.add(over)
        over.add_done_callback(self._asked.discard)

        def end_try(result: object) -> None:
            over.set_result(None)
            if isinstance(effect, Release):
                self._released(effect.keys.lease)
            pause = tries.pause_after(result)
            if pause is not None and not self._is_draining:
                self._late[tries] = self._loop.call_later(pause, try_again)

        def try_again() -> None:
            del self._late[tries]
            self._try(tries)

        self._submit(effect, end_try)

    async def drain(self) -> None:
        """Wait until every effect was tried once; do not try those again that fail."""
        self._is_draining = True
        try:
            while self._late:
                self._late.popitem()[1].cancel()
            if self._asked:
                await asyncio.wait(set(self._asked))
        finally:
            self._is_draining = False
