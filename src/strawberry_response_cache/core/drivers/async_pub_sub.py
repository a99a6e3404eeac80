"""The subscription of an event loop to messages: invalidations, and leases that have ended."""

import asyncio
from collections.abc import Callable

from strawberry_response_cache.core._pub_sub import Hearers
from strawberry_response_cache.core.drivers.driving import DriverSettings, listening, new_memory
from strawberry_response_cache.core.redis.async_backplane import AsyncBackplane
from strawberry_response_cache.core.redis.async_transport import AsyncTransport


class AsyncPubSub:
    """Wakes callers that wait for leases, and invalidates local memory.

    Attributes:
        memory: The local memory of the event loop, if it is on.
    """

    def __init__(
        self, transport: AsyncTransport, settings: DriverSettings, outdate: Callable[..., object]
    ) -> None:
        self._sleepers: dict[str, list[asyncio.Future[None]]] = {}
        self.memory = new_memory(settings, self._is_trusted)
        hearers = Hearers(memory=self.memory, wake=self.wake, outdate=outdate)
        self._backplane = AsyncBackplane(transport.sources, listening(settings, hearers))
        if self.memory is not None:
            self._backplane.start()

    async def sleep(self, seconds: float, lease_key: str) -> None:
        """Wait until a message says that the lease has ended, but no longer than these seconds."""
        self._backplane.start()
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        self._sleepers.setdefault(lease_key, []).append(sleeper)
        timer = loop.call_later(seconds, self.wake, lease_key)
        try:
            await sleeper
        finally:
            timer.cancel()
            sleepers = self._sleepers.get(lease_key)
            if sleepers is not None and sleeper in sleepers:
                sleepers.remove(sleeper)
                if not sleepers:
                    del self._sleepers[lease_key]

    async def aclose(self) -> None:
        """Stop the subscription."""
        await self._backplane.aclose()

    async def retire(self) -> None:
        """Stop the subscription for good: waiting callers use timers."""
        await self._backplane.retire()

    def wake(self, lease_key: str) -> None:
        """Wake the callers that wait for a lease."""
        for sleeper in self._sleepers.pop(lease_key, ()):
            if not sleeper.done():
                sleeper.set_result(None)

    def _is_trusted(self) -> bool:
        return self._backplane.is_live()
