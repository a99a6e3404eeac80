"""Sends the effects of one event loop to one server, or to the nodes of a cluster."""

import asyncio
import contextvars
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

from redis.exceptions import ClusterDownError

from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core.protocol import Effect, StoreCall
from strawberry_response_cache.core.redis.async_link import Ask, AsyncLink, Then
from strawberry_response_cache.core.redis.breaker import BreakerOpenError
from strawberry_response_cache.core.redis.cluster import (
    CLUSTER_SLOTS,
    LEARN_INTERVAL,
    ClusterNodes,
    Node,
    asking,
    candidates,
    redirect_in,
    slot_of_calls,
    without_asking,
)
from strawberry_response_cache.core.redis.connection_factory import (
    ClusterSource,
    ConnectionFactory,
)
from strawberry_response_cache.core.redis.link import not_sent
from strawberry_response_cache.core.redis.recoveries import Recoveries
from strawberry_response_cache.core.redis.tasks import Alarm, started

R = TypeVar("R")


def _tell_result(effect: Effect[R], then: Callable[[R], None], outcome: Any) -> None:  # noqa: ANN401 - replies or an error
    """Turn an outcome into the effect's result."""
    if isinstance(outcome, BaseException):
        then(effect.unavailable(outcome))
    else:
        then(effect.interpret(outcome))


class AsyncServer:
    """Sends the effects of one event loop to one server.

    Attributes:
        users: How many drivers use it.
        recoveries: The listeners that are called when a server answers again.
    """

    def __init__(self, source: ConnectionFactory, settings: CacheSettings) -> None:
        self._source = source
        self.recoveries = Recoveries()
        self._link = AsyncLink(source, settings, self.recoveries)
        self.users = 0

    def submit(
        self, effect: Effect[R], then: Callable[[R], None], *, deadline: float | None = None
    ) -> Ask | None:
        """Send an effect; all effects of one tick of the loop share a round trip.

        Args:
            effect: The effect.
            then: Called once with the result, also after a failure. It must not raise.
            deadline: Seconds for an answer; such an effect is sent even while the breaker is open.
                None for ``read_deadline``.

        Returns:
            The `Ask`, which tells whether it was sent; None where that is not known.
        """
        return self._link.ask(
            effect.calls(), partial(_tell_result, effect, then), deadline=deadline
        )

    @property
    def has_open_breaker(self) -> bool:
        """Whether the breaker is open, so that the server is not read."""
        return self._link.has_open_breaker

    def sources(self) -> Iterable[ConnectionFactory]:
        """Return the connection factory of the server."""
        return (self._source,)

    async def aclose(self) -> None:
        """Wait for running exchanges, then disconnect."""
        await self._link.aclose()
        for guide in self._source.guides:
            await guide.aclose()


@dataclass(frozen=True, eq=False, slots=True)
class _Parcel:
    """The calls of an effect, on their way to the node of their slot."""

    calls: Sequence[StoreCall] = field(repr=False)
    slot: int | None
    then: Then
    deadline: float | None
    may_move: bool = True

    def moved(self) -> "_Parcel":
        return _Parcel(self.calls, self.slot, self.then, self.deadline, may_move=False)


class AsyncCluster(ClusterNodes[AsyncLink]):
    """The primaries of a cluster; see `AsyncServer`."""

    def __init__(self, source: ClusterSource, settings: CacheSettings) -> None:
        super().__init__(source, settings, AsyncLink)
        self._unrouted: dict[_Parcel, Alarm | None] = {}
        self._learning: asyncio.Task[None] | None = None
        self._is_lost = False
        # A context of its own: reading the map must not keep the context variables of a request alive.
        self._context = contextvars.Context()

    def submit(
        self, effect: Effect[R], then: Callable[[R], None], *, deadline: float | None = None
    ) -> Ask | None:
        """Send an effect; see `AsyncServer`."""
        calls = effect.calls()
        told = partial(_tell_result, effect, then)
        return self._send(_Parcel(calls, slot_of_calls(calls), told, deadline))

    def _send(self, parcel: _Parcel) -> Ask | None:
        is_urgent = parcel.deadline is not None
        if self._slots.is_stale:
            self._learn_soon(is_urgent=is_urgent)
        if (node := self._known(parcel.slot)) is None:
            self._learn_soon(is_urgent=is_urgent)
            if is_urgent:
                self._unrouted[parcel] = None
            elif self._is_lost:  # no node told the map when it was last asked for
                parcel.then(BreakerOpenError())
            else:
                ring = partial(self._stop_waiting, parcel)
                self._unrouted[parcel] = Alarm(self._read_deadline, ring, self._context)
            return None
        answered = partial(self._answered, parcel, node)
        return self._link(node).ask(parcel.calls, answered, deadline=parcel.deadline)

    def _stop_waiting(self, parcel: _Parcel) -> None:
        """Fail a read that has waited for the map for ``read_deadline``. The map is still asked for."""
        del self._unrouted[parcel]
        parcel.then(not_sent(TimeoutError()))

    def _answered(
        self, parcel: _Parcel, node: Node, outcome: Sequence[Any] | BaseException
    ) -> None:
        if isinstance(outcome, BaseException):
            # Another node may serve its slots by now.
            self._slots.is_stale = True
        elif parcel.may_move and (redirect := redirect_in(outcome, node)) is not None:
            self._slots.is_stale = True
            if not redirect.once:
                self._slots.moved(redirect.slot, self._reached(redirect.node))
                self._send(parcel.moved())
                return
            self._link(self._reached(redirect.node)).ask(
                asking(parcel.calls), partial(_pass_on_parcel, parcel), deadline=parcel.deadline
            )
            return
        parcel.then(outcome)

    def _reached(self, node: Node) -> Node:
        return self._source.remap(*node)

    def _learn_soon(self, *, is_urgent: bool) -> None:
        """Ask for the map in the background, unless that is under way or was done just now."""
        loop = asyncio.get_running_loop()
        interval = self._settings.breaker_seconds if self._is_lost else LEARN_INTERVAL
        must = not self._slots.primaries() and (is_urgent or not self._is_lost)
        if self._learning is None and (must or loop.time() - self._learnt_at >= interval):
            self._learning = started(self._learn(), self._context)

    async def _learn(self) -> None:
        """Ask one node after the other for the map, until one answers; then send the waiting calls, or fail them."""
        outcome: Sequence[Any] | BaseException = ConnectionError("no node of the cluster answers")
        try:
            for node in candidates(self._slots, self._source.seeds):
                answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                self._link(node).ask(
                    (CLUSTER_SLOTS,), answer.set_result, deadline=self._settings.read_deadline
                )
                outcome = await asyncio.shield(answer)
                if isinstance(outcome, BaseException):
                    continue
                if isinstance(outcome[0], Exception):  # for example, a server that is not a cluster
                    outcome = outcome[0]
                    continue
                try:
                    self._slots.learn(outcome[0], node, self._source.remap)
                except ValueError as error:
                    outcome = error
                    continue
                break
        finally:
            self._is_lost = isinstance(outcome, BaseException)
            self._learning = None
            self._learnt_at = asyncio.get_running_loop().time()
            unrouted, self._unrouted = self._unrouted, {}
            for parcel, alarm in unrouted.items():
                if alarm is not None:
                    alarm.stop()
                if isinstance(outcome, BaseException):
                    parcel.then(outcome)
                elif parcel.slot is not None and self._slots.node(parcel.slot) is None:
                    parcel.then(ClusterDownError("no node serves the slot"))
                else:
                    self._send(parcel)

    async def aclose(self) -> None:
        """Wait for running exchanges, then disconnect."""
        while self._learning is not None:
            await asyncio.wait([self._learning])
        closed: set[AsyncLink] = set()
        while rest := set(self._links.values()) - closed:  # a redirect may add another link
            for link in rest:
                await link.aclose()
            closed |= rest


def _pass_on_parcel(parcel: _Parcel, outcome: Sequence[Any] | BaseException) -> None:
    parcel.then(outcome if isinstance(outcome, BaseException) else without_asking(outcome))


AsyncTransport: TypeAlias = AsyncServer | AsyncCluster
"""Sends the effects of one event loop."""
