"""Subscribes an event loop to the messages of a cache: one subscription for each server in use."""

import asyncio
import contextvars
from collections.abc import Callable, Iterable

from strawberry_response_cache.core.redis.async_connection import hang_up
from strawberry_response_cache.core.redis.connection_factory import ConnectionFactory
from strawberry_response_cache.core.redis.subscriber import Backplane, Heartbeat, Subscription


class AsyncBackplane(Backplane):
    """The subscriptions of one event loop."""

    def __init__(
        self, sources: Callable[[], Iterable[ConnectionFactory]], subscription: Subscription
    ) -> None:
        super().__init__(sources, subscription)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to listen, unless it has started or is stopped for good."""
        if self._keeper is None and not self._is_retired:
            # In a context of its own: the caller's would stay alive for as long as this listens.
            self._keeper = asyncio.get_running_loop().create_task(
                self._keep(), context=contextvars.Context()
            )

    async def _keep(self) -> None:
        """Keep one subscription for each server in use."""
        try:
            while True:
                sources = self._in_use()
                for place in self._tasks.keys() - sources.keys():
                    self._tasks.pop(place).cancel()
                    self._drop_heartbeat(place)
                for place in sources.keys() - self._tasks.keys():
                    heartbeat = self._new_heartbeat(sources[place])
                    listen = self._listen(sources[place], heartbeat)
                    self._tasks[place] = asyncio.get_running_loop().create_task(listen)
                await asyncio.sleep(self._subscription.interval)
        finally:
            tasks = [*self._tasks.values()]
            self._tasks.clear()
            self._heartbeats = {}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, source: ConnectionFactory, heartbeat: Heartbeat) -> None:
        while True:
            try:
                await self._subscribe(source, heartbeat)
            except Exception as error:  # noqa: BLE001 - whatever redis-py raises; it is logged and tried again
                heartbeat.ends(error)
            await asyncio.sleep(self._subscription.interval)

    async def _subscribe(self, source: ConnectionFactory, heartbeat: Heartbeat) -> None:
        deadline = source.deadline(self._subscription.connect_deadline)
        raw = source.open(asynchronous=True, timeout=None, connect_timeout=deadline)
        try:
            async with asyncio.timeout(deadline):
                await raw.connect()
                await raw.send_command("SUBSCRIBE", self._subscription.channel, check_health=False)
                await raw.read_response(disable_decoding=True)
            heartbeat.begins()

            async def read() -> None:
                while True:
                    heartbeat.takes(await raw.read_response(disable_decoding=True))

            reading = asyncio.ensure_future(read())
            try:
                while not reading.done():
                    heartbeat.sends_ping()
                    await raw.send_command("PING", check_health=False)
                    await asyncio.wait({reading}, timeout=self._subscription.interval)
                reading.result()
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        finally:
            await hang_up(raw)

    async def aclose(self) -> None:
        """Stop listening."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def retire(self) -> None:
        """Stop listening for good."""
        self._is_retired = True
        await self.aclose()
