"""Effects over a redis-py client: one pipeline for all that is asked in the same tick.

The batch goes out and comes back here and nowhere else; what it says and means is `_port`'s.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.exceptions import NoScriptError

from strawberry_response_cache.core._port import Call, Effect
from strawberry_response_cache.core._scripts import Script

R = TypeVar("R")


def _fill(pipeline: Any, calls: Sequence[Sequence[Call]], *, by_text: bool) -> None:  # noqa: ANN401 - sync or async pipeline
    """Write the calls of several effects into a pipeline of either kind."""
    for what, keys, arguments in itertools.chain.from_iterable(calls):
        if isinstance(what, Script):
            command, script = ("EVAL", what.text) if by_text else ("EVALSHA", what.sha)
            pipeline.execute_command(command, script, len(keys), *keys, *arguments)
        else:
            pipeline.execute_command(what, *keys, *arguments)


def _split(replies: Sequence[Any], calls: Sequence[Sequence[Call]]) -> list[Sequence[Any]]:
    """Give each effect its own replies."""
    stream = iter(replies)
    return [tuple(itertools.islice(stream, len(share))) for share in calls]


def _unknown(shares: Sequence[Sequence[Any]]) -> list[int]:
    """Return which effects met a server that does not have the script."""
    return [
        index
        for index, share in enumerate(shares)
        if any(isinstance(reply, NoScriptError) for reply in share)
    ]


class AsyncTransport:
    """Effects over a `redis.asyncio.Redis`, for one event loop.

    Args:
        client: The client; `aclose` closes it only if told that it is owned.
        deadline: Seconds for a batch, connecting included.
        max_batches: Batches in flight at once; what arrives meanwhile shares the next.
        owned: Whether the client is this transport's to close.
    """

    def __init__(
        self, client: "redis.asyncio.Redis", *, deadline: float, max_batches: int, owned: bool
    ) -> None:
        self._client = client
        self._deadline = deadline
        self._max_batches = max_batches
        self._owned = owned
        self.users = 0
        self._waiting: list[tuple[Effect[Any], asyncio.Future[Any]]] = []
        self._batches: set[asyncio.Task[None]] = set()
        self._flush_is_due = False

    def submit(self, effect: Effect[R]) -> "asyncio.Future[R]":
        """Ask for an effect; everything asked for in one tick of the loop is one pipeline.

        Returns:
            A future with what the effect's replies mean. It never fails. Cancelling it cancels
            nothing but the interest in it, so wait for it shielded.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((effect, future))
        if not self._flush_is_due and len(self._batches) < self._max_batches:
            self._flush_is_due = True
            loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        self._flush_is_due = False
        batch, self._waiting = self._waiting, []
        if batch:
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._batches.add(task)
            task.add_done_callback(self._batch_is_over)

    def _batch_is_over(self, task: "asyncio.Task[None]") -> None:
        self._batches.discard(task)
        if self._waiting and not self._flush_is_due:
            self._flush()

    async def _run(self, batch: "list[tuple[Effect[Any], asyncio.Future[Any]]]") -> None:
        effects = [effect for effect, _ in batch]
        try:
            async with asyncio.timeout(self._deadline):
                shares = await self._exchange(effects, by_text=False)
                if unknown := _unknown(shares):
                    again = await self._exchange([effects[i] for i in unknown], by_text=True)
                    for index, share in zip(unknown, again, strict=True):
                        shares[index] = share
            results = [e.interpret(share) for e, share in zip(effects, shares, strict=True)]
        except (Exception, asyncio.CancelledError) as error:
            # Whatever a client library raises on a server that is gone, slow or talks nonsense:
            # it is the store's failure, judged and logged by its type, and never the request's.
            results = [effect.unavailable(error) for effect in effects]
            if isinstance(error, asyncio.CancelledError):
                self._deliver(batch, results)
                raise
        self._deliver(batch, results)

    @staticmethod
    def _deliver(
        batch: "list[tuple[Effect[Any], asyncio.Future[Any]]]", results: list[Any]
    ) -> None:
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def _exchange(
        self, effects: Sequence[Effect[Any]], *, by_text: bool
    ) -> list[Sequence[Any]]:
        calls = [effect.calls() for effect in effects]
        pipeline = self._client.pipeline(transaction=False)
        _fill(pipeline, calls, by_text=by_text)
        return _split(await pipeline.execute(raise_on_error=False), calls)

    async def aclose(self) -> None:
        """Let the batches in flight end, then disconnect if the client is owned."""
        while self._waiting or self._batches:
            await asyncio.wait([*self._batches] or [asyncio.ensure_future(asyncio.sleep(0))])
        if self._owned:
            await self._client.aclose()


class SyncTransport:
    """Effects over a `redis.Redis`, for threads.

    Args:
        client: The client; `close` closes it only if told that it is owned.
        owned: Whether the client is this transport's to close.
    """

    def __init__(self, client: redis.Redis, *, owned: bool) -> None:
        self._client = client
        self._owned = owned
        self.users = 0

    def perform(self, effect: Effect[R]) -> R:
        """Perform an effect and return what its replies mean; it never raises."""
        try:
            (share,) = self._exchange(effect, by_text=False)
            if _unknown([share]):
                (share,) = self._exchange(effect, by_text=True)
            return effect.interpret(share)
        except Exception as error:  # noqa: BLE001 - as in AsyncTransport._run
            return effect.unavailable(error)

    def _exchange(self, effect: Effect[Any], *, by_text: bool) -> list[Sequence[Any]]:
        calls = [effect.calls()]
        pipeline = self._client.pipeline(transaction=False)
        _fill(pipeline, calls, by_text=by_text)
        return _split(pipeline.execute(raise_on_error=False), calls)

    def close(self) -> None:
        """Disconnect, if the client is owned."""
        if self._owned:
            self._client.close()
