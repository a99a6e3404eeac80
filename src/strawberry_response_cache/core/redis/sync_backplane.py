"""Subscribes threads to the messages of a cache: one thread and subscription for each server."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from redis.exceptions import TimeoutError as RedisTimeoutError

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core.redis.connection_factory import ConnectionFactory
from strawberry_response_cache.core.redis.subscriber import Backplane, Heartbeat, Subscription


class SyncBackplane(Backplane):
    """The subscriptions of all threads of a process."""

    def __init__(
        self, sources: Callable[[], Iterable[ConnectionFactory]], subscription: Subscription
    ) -> None:
        super().__init__(sources, subscription)
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._ends: dict[str, threading.Event] = {}
        self._end: threading.Event | None = None

    def start(self) -> None:
        """Start to listen, unless it has started or is stopped for good."""
        if self._end is None:
            with self._lock:
                if self._end is None and not self._is_retired:
                    end = threading.Event()
                    # If no thread can be started, callers wait for their timers and local memory stays off.
                    with suppress(RuntimeError):
                        self._run(self._keep, end)
                        self._end = end

    @staticmethod
    def _run(target: Callable[..., None], *arguments: object) -> None:
        threading.Thread(
            target=target, args=arguments, name="response-cache-news", daemon=True
        ).start()

    def _keep(self, end: threading.Event) -> None:
        """Keep one subscription for each server in use."""
        while not end.is_set():
            sources = self._in_use()
            for place in self._ends.keys() - sources.keys():
                self._ends.pop(place).set()
                self._drop_heartbeat(place)
            for place in sources.keys() - self._ends.keys():
                heartbeat = self._new_heartbeat(sources[place])
                self._ends[place] = threading.Event()
                self._run(self._listen, sources[place], heartbeat, self._ends[place])
            end.wait(self._subscription.interval)
        for listener in self._ends.values():
            listener.set()
        self._heartbeats = {}

    def _listen(
        self, source: ConnectionFactory, heartbeat: Heartbeat, end: threading.Event
    ) -> None:
        while not end.is_set():
            try:
                self._subscribe(source, heartbeat, end)
            except Exception as error:  # noqa: BLE001 - whatever redis-py raises; it is logged and tried again
                if not end.is_set():
                    heartbeat.ends(error)
            end.wait(self._subscription.interval)

    def _subscribe(
        self, source: ConnectionFactory, heartbeat: Heartbeat, end: threading.Event
    ) -> None:
        settings = self._subscription
        raw = source.open(
            asynchronous=False, timeout=settings.interval, connect_timeout=settings.connect_deadline
        )
        try:
            raw.connect()
            raw.send_command("SUBSCRIBE", settings.channel, check_health=False)
            raw.read_response(disable_decoding=True)
            heartbeat.begins()
            ping_at = time.monotonic()
            while not end.is_set():
                if time.monotonic() >= ping_at:
                    heartbeat.sends_ping()
                    raw.send_command("PING", check_health=False)
                    ping_at = time.monotonic() + settings.interval
                self._take(raw, heartbeat)
        finally:
            raw.disconnect()

    def _take(self, raw: Any, heartbeat: Heartbeat) -> None:  # noqa: ANN401 - a connection of redis-py
        """Handle the next message, if one comes within an interval."""
        # Not with the socket's timeout: fakeredis has no socket.
        if not raw.can_read(timeout=self._subscription.interval):
            return
        try:
            reply = raw.read_response(disable_decoding=True, disconnect_on_error=False)
        except RedisTimeoutError:
            return
        heartbeat.takes(reply)

    def close(self) -> None:
        """Stop listening; the threads end within an interval."""
        with self._lock:
            end, self._end = self._end, None
        if end is not None:
            end.set()

    def retire(self) -> None:
        """Stop listening for good."""
        with self._lock:
            self._is_retired = True
        self.close()
