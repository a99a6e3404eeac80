"""Sends the effects of threads to one server, or to the nodes of a cluster."""

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

from redis.exceptions import ClusterDownError

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core.protocol import (
    Effect,
    StoreCall,
    Together,
    Unavailable,
    failure,
)
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
from strawberry_response_cache.core.redis.sync_link import SyncLink

R = TypeVar("R")


class SyncNode:
    """One server, or one node of a cluster, that is asked directly, without a look at the slots of keys."""

    def __init__(self, link: SyncLink, shown: str) -> None:
        self._link = link
        self.shown = shown

    def perform(self, effect: Effect[R], *, deadline: float | None = None) -> R:
        """Perform an effect and return its result; it never raises.

        Args:
            effect: The effect.
            deadline: Seconds for an answer; such an effect is sent even while the breaker is open.
                None for ``read_deadline``.
        """
        try:
            return effect.interpret(self._link.exchange(effect.calls(), deadline=deadline))
        except Exception as error:  # noqa: BLE001 - the store's failure, classified and logged by type
            return effect.unavailable(error)


class SyncServer:
    """One server; see `AsyncServer`."""

    def __init__(self, source: ConnectionFactory, settings: CacheSettings) -> None:
        self._source = source
        self.recoveries = Recoveries()
        self._link = SyncLink(source, settings, self.recoveries)
        self._node = SyncNode(self._link, source.shown)
        self.users = 0

    def perform(self, effect: Effect[R], *, deadline: float | None = None) -> R:
        """Perform an effect; see `SyncNode`."""
        return self._node.perform(effect, deadline=deadline)

    def perform_all(self, effects: Sequence[Effect[Any]]) -> list[Any]:
        """Perform effects in one round trip; it never raises."""
        return self.perform(Together(effects))

    def nodes(self, deadline: float) -> Sequence[SyncNode]:  # noqa: ARG002 - as of a cluster
        """Return the server, as the only one that holds keys; `SyncCluster` returns several."""
        return (self._node,)

    @property
    def has_open_breaker(self) -> bool:
        """Whether the breaker is open, so that the server is not read."""
        return self._link.has_open_breaker

    def sources(self) -> Iterable[ConnectionFactory]:
        """Return the connection factory of the server."""
        return (self._source,)

    def close(self) -> None:
        """Disconnect."""
        self._link.close()
        for guide in self._source.guides:
            guide.close()


class SyncCluster(ClusterNodes[SyncLink]):
    """The primaries of a cluster; see `SyncServer`."""

    def __init__(self, source: ClusterSource, settings: CacheSettings) -> None:
        super().__init__(source, settings, SyncLink)
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._learning: threading.Event | None = None
        # Why no node told the map, when it was last asked for.
        self._unlearnt: Exception | None = None

    def perform(self, effect: Effect[R], *, deadline: float | None = None) -> R:
        """Perform an effect; see `SyncNode`."""
        try:
            return effect.interpret(self._exchange(effect.calls(), deadline))
        except Exception as error:  # noqa: BLE001 - as in SyncServer
            return effect.unavailable(error)

    def perform_all(self, effects: Sequence[Effect[Any]]) -> list[Any]:
        """Perform effects with one round trip for each slot; it never raises."""
        results: list[Any] = [None] * len(effects)
        by_slot: dict[int | None, list[tuple[int, Together]]] = {}
        for at, effect in enumerate(effects):
            single = Together([effect])
            by_slot.setdefault(slot_of_calls(single.calls()), []).append((at, single))
        for found in by_slot.values():
            answers = self.perform(Together([single for _, single in found]))
            for (at, _), (answer,) in zip(found, answers, strict=True):
                results[at] = answer
        return results

    def _exchange(self, calls: Sequence[StoreCall], deadline: float | None) -> Sequence[Any]:
        node = self._node(slot_of_calls(calls), deadline)
        try:
            replies = self._link(node).exchange(calls, deadline=deadline)
        except Exception:
            # Another node may serve its slots by now.
            self._slots.is_stale = True
            raise
        redirect = redirect_in(replies, node)
        if redirect is None:
            return replies
        target = self._source.remap(*redirect.node)
        if redirect.once:
            self._slots.is_stale = True
            moved = self._link(target).exchange(asking(calls), deadline=deadline)
            return without_asking(moved)
        self._slots.moved(redirect.slot, target)
        return self._link(target).exchange(calls, deadline=deadline)

    def _node(self, slot: int | None, deadline: float | None) -> Node:
        """Return the node of a slot; where none is known, wait for the map, no longer than for an answer."""
        if self._slots.is_stale:
            is_lost = self._unlearnt is not None
            learning = self._learn_soon(is_urgent=deadline is not None)
            if self._known(slot) is None:
                if deadline is None and is_lost:
                    raise BreakerOpenError
                if not learning.wait(deadline or self._read_deadline):
                    raise not_sent(TimeoutError())
        node = self._known(slot)
        if node is None:
            if self._unlearnt is not None:
                raise not_sent(self._unlearnt)
            msg = "no node serves the slot"
            raise ClusterDownError(msg)
        return node

    def _learn_soon(self, *, is_urgent: bool) -> threading.Event:
        """Ask for the map in a thread of its own, unless that is under way or was done just now.

        Returns:
            An event that is set when that has ended.
        """
        with self._lock:
            if self._learning is not None:
                return self._learning
            over = threading.Event()
            is_lost = self._unlearnt is not None
            interval = self._settings.breaker_seconds if is_lost else LEARN_INTERVAL
            must = not self._slots.primaries() and (is_urgent or not is_lost)
            if not must and time.monotonic() - self._learnt_at < interval:
                over.set()
                return over
            self._learning = over
        try:
            threading.Thread(
                target=self._learn, args=(over,), name="response-cache-slots", daemon=True
            ).start()
        except RuntimeError:  # no thread can be had
            self._learn(over)
        return over

    def _learn(self, over: threading.Event) -> None:
        """Ask one node after the other for the map, until one answers; without an answer the old map stays in use."""
        seconds = self._settings.connect_deadline + self._settings.read_deadline
        try:
            for node in candidates(self._slots, self._source.seeds):
                try:
                    (reply,) = self._link(node).exchange((CLUSTER_SLOTS,), deadline=seconds)
                    if isinstance(reply, Exception):  # such as a server that is no cluster
                        self._unlearnt = reply
                        continue
                    self._slots.learn(reply, node, self._source.remap)
                except Exception as error:  # noqa: BLE001 - the next node is asked; see SyncServer
                    self._unlearnt = error.with_traceback(None)
                    continue
                self._unlearnt = None
                return
        finally:
            with self._lock:
                self._learning, self._learnt_at = None, time.monotonic()
            over.set()

    def nodes(self, deadline: float) -> Sequence[SyncNode] | Unavailable:
        """Return the primaries, to ask each for what it holds; or why they are not known.

        Args:
            deadline: Seconds to wait for the cluster's map.
        """
        try:
            self._node(None, deadline)
        except Exception as error:  # noqa: BLE001 - as in SyncServer
            return failure(error)
        shown = {node: self._source.template.at(*node).shown for node in self._slots.primaries()}
        return [SyncNode(self._link(node), name) for node, name in shown.items()]

    def close(self) -> None:
        """Disconnect."""
        for link in list(self._links.values()):
            link.close()


SyncTransport: TypeAlias = SyncServer | SyncCluster
"""Sends the effects of threads."""
