"""The two drivers of the algorithm: one with asyncio, one with threads.

All rules are in `_remember`. A driver only performs what the algorithm asks for, sees that an effect
on the store ends even if its caller is cancelled, and reports to the observer.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from strawberry_response_cache.core._flights import Flight, Flights, Outcome, leading
from strawberry_response_cache.core._observer import LookedUp, Observer, PutIn, Subject
from strawberry_response_cache.core._port import (
    Commit,
    Effect,
    Fresh,
    Lookup,
    Release,
    Renew,
    Stale,
    Unavailable,
)
from strawberry_response_cache.core._remember import (
    CallerGoneError,
    Detach,
    Flow,
    Generate,
    Join,
    Pause,
    Request,
)
from strawberry_response_cache.core._response import CachedResponse
from strawberry_response_cache.core._transport import AsyncTransport, SyncTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
R = TypeVar("R")

OnFailure = Callable[[Unavailable], None]
"""Told of every effect that the store did not perform."""


class AsyncWaiter:
    """Wakes one caller of an event loop."""

    __slots__ = ("future", "outcome")

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """Wake the caller, unless it was cancelled."""
        if not self.future.done():
            self.future.set_result(None)


class ThreadWaiter:
    """Wakes one thread."""

    __slots__ = ("event", "outcome")

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.event = threading.Event()

    def wake(self) -> None:
        """Wake the thread."""
        self.event.set()


def report(
    observer: Observer, subject: Subject, effect: object, started_ns: int, result: object
) -> None:
    """Tell the observer of a lookup or a commit that is over."""
    error = result.error_type if isinstance(result, Unavailable) else None
    if isinstance(effect, Lookup):
        entry = result.entry if isinstance(result, Fresh | Stale) else None
        observer.looked_up(
            LookedUp(
                subject,
                started_ns,
                time.time_ns(),
                "miss" if entry is None else "hit" if isinstance(result, Fresh) else "stale",
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


@contextmanager
def _leading(flight: Flight | None) -> "Iterator[None]":
    """Mark the code inside as running in the flight's generator."""
    if flight is None:
        yield
        return
    token = leading.set((*leading.get(), flight))
    try:
        yield
    finally:
        leading.reset(token)


def _own(error: RuntimeError) -> BaseException:
    """Return the error that passed through a flow, as its generator raised it.

    A StopIteration that leaves a generator is turned into a RuntimeError (PEP 479).
    """
    cause = error.__cause__
    changed = error.args == ("generator raised StopIteration",) and isinstance(cause, StopIteration)
    return cause if changed and cause is not None else error


def is_in_a_loop() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class AsyncDriver:
    """Runs flows in the caller's own task, for one event loop.

    Args:
        transport: Where effects go.
        lease_seconds: The life of a lease, renewed at a third of it.
        observer: Told of lookups and commits.
        on_failure: Told of failures of the store.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        lease_seconds: float,
        observer: Observer,
        on_failure: OnFailure,
    ) -> None:
        self.flights = Flights(AsyncWaiter)
        self.transport = transport
        self._lease_seconds = lease_seconds
        self._observer = observer
        self._on_failure = on_failure
        self._background: set[asyncio.Future[Any]] = set()

    async def run(
        self, flow: Flow[T], generator: Callable[[], Awaitable[Any]], subject: Subject
    ) -> CachedResponse[T]:
        """Drive a flow to its end, and return or raise what it does."""
        answer: Callable[[], Request] = partial(flow.send, None)
        while True:
            try:
                request = answer()
            except StopIteration as end:
                return cast("CachedResponse[T]", end.value)
            except RuntimeError as error:
                raise _own(error) from None
            if isinstance(request, Lookup | Commit | Release):
                answer = partial(flow.send, await self._ask(flow, request, subject))
                continue
            try:
                result = await self._perform(request, generator)
            except (asyncio.CancelledError, GeneratorExit):
                self._close(flow, CallerGoneError(None))
                raise
            except BaseException as error:  # noqa: BLE001 - the flow decides, and raises it again
                answer = partial(flow.throw, error)
            else:
                answer = partial(flow.send, result)

    async def _ask(self, flow: Flow[Any], effect: Effect[R], subject: Subject) -> R:
        future = self.submit(effect, subject)
        try:
            return await asyncio.shield(future)
        except (asyncio.CancelledError, GeneratorExit):
            # The caller goes at once. The effect is on its way and cannot be called back: when it
            # ends the flow hears of it, so that no lease and no joiner is left behind.
            self._hold(future)
            future.add_done_callback(lambda done: self._close(flow, CallerGoneError(done.result())))
            raise

    async def perform(self, effect: Effect[R], subject: Subject) -> R:
        """Ask the store for an effect and wait for it; it is done even if the caller is cancelled."""
        future = self.submit(effect, subject)
        self._hold(future)
        return await asyncio.shield(future)

    async def _perform(self, request: Request, generator: Callable[[], Awaitable[Any]]) -> object:
        match request:
            case Generate(flight):
                with _leading(flight):
                    return await self._generate(request, generator)
            case Join(waiter):
                await cast("AsyncWaiter", waiter).future
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Detach(effect):
                self._hold(self.transport.submit(effect))
        return None

    def submit(self, effect: Effect[R], subject: Subject) -> "asyncio.Future[R]":
        """Ask the store for an effect and report on it when it is over."""
        future = self.transport.submit(effect)
        future.add_done_callback(self._check)
        if self._observer.listening():
            future.add_done_callback(partial(self._report, subject, effect, time.time_ns()))
        return future

    def _check(self, future: "asyncio.Future[Any]") -> None:
        if not future.cancelled() and isinstance(result := future.result(), Unavailable):
            self._on_failure(result)

    def _report(
        self, subject: Subject, effect: object, started_ns: int, future: "asyncio.Future[Any]"
    ) -> None:
        if not future.cancelled():
            report(self._observer, subject, effect, started_ns, future.result())

    async def _generate(self, request: Generate, generator: Callable[[], Awaitable[Any]]) -> object:
        if request.lease is None:
            return await generator()
        interval = self._lease_seconds / 3
        effect = Renew(request.keys, request.lease, round(self._lease_seconds * 1000))
        loop = asyncio.get_running_loop()

        timer: asyncio.TimerHandle

        def renew() -> None:
            nonlocal timer
            self._hold(self.transport.submit(effect))
            timer = loop.call_later(interval, renew)

        timer = loop.call_later(interval, renew)
        try:
            return await generator()
        finally:
            timer.cancel()

    def _close(self, flow: Flow[Any], error: BaseException) -> None:
        """See a flow to its end without its caller; all it still asks for is to give leases back."""
        answer: Callable[[], Request] = partial(flow.throw, error)
        while True:
            try:
                request = answer()
            except (CallerGoneError, StopIteration):
                return
            if isinstance(request, Release | Detach) and is_in_a_loop():
                effect = request.effect if isinstance(request, Detach) else request
                self._hold(self.transport.submit(effect))
            answer = partial(flow.send, None)

    def _hold(self, future: "asyncio.Future[Any]") -> None:
        """Hold strongly what nobody waits for, until it is done."""
        self._background.add(future)
        future.add_done_callback(self._background.discard)

    async def drain(self) -> None:
        """Wait until nothing is left in the background."""
        while self._background:
            await asyncio.wait(self._background)


class SyncDriver:
    """Runs flows in the caller's own thread, for all threads of a process.

    Args:
        transport: Where effects go.
        lease_seconds: The life of a lease, renewed at a third of it.
        observer: Told of lookups and commits.
        on_failure: Told of failures of the store.
    """

    def __init__(
        self,
        transport: SyncTransport,
        lease_seconds: float,
        observer: Observer,
        on_failure: OnFailure,
    ) -> None:
        self.flights = Flights(ThreadWaiter)
        self.transport = transport
        self._lease_seconds = lease_seconds
        self._observer = observer
        self._on_failure = on_failure
        self._background = ThreadPoolExecutor(1, thread_name_prefix="response-cache")

    def run(
        self, flow: Flow[T], generator: Callable[[], Any], subject: Subject
    ) -> CachedResponse[T]:
        """Drive a flow to its end, and return or raise what it does."""
        answer: Callable[[], Request] = partial(flow.send, None)
        while True:
            try:
                request = answer()
            except StopIteration as end:
                return cast("CachedResponse[T]", end.value)
            except RuntimeError as error:
                raise _own(error) from None
            try:
                result = self._perform(request, generator, subject)
            except BaseException as error:  # noqa: BLE001 - the flow decides, and raises it again
                answer = partial(flow.throw, error)
            else:
                answer = partial(flow.send, result)

    def _perform(self, request: Request, generator: Callable[[], Any], subject: Subject) -> object:
        match request:
            case Generate(flight):
                with _leading(flight):
                    return self._generate(request, generator)
            case Lookup() | Commit() | Release():
                return self._ask(request, subject)
            case Join(waiter, wait_budget):
                cast("ThreadWaiter", waiter).event.wait(wait_budget)
            case Pause(seconds):
                time.sleep(seconds)
            case Detach(effect):
                self._background.submit(self.transport.perform, effect)
        return None

    def _ask(self, effect: Effect[object], subject: Subject) -> object:
        return self.submit(effect, subject)

    def submit(self, effect: Effect[R], subject: Subject) -> R:
        """Ask the store for an effect, wait for it and report on it."""
        listening = self._observer.listening()
        started_ns = time.time_ns() if listening else 0
        result = self.transport.perform(effect)
        if isinstance(result, Unavailable):
            self._on_failure(result)
        if listening:
            report(self._observer, subject, effect, started_ns, result)
        return result

    def _generate(self, request: Generate, generator: Callable[[], Any]) -> object:
        if request.lease is None:
            return generator()
        interval = self._lease_seconds / 3
        effect = Renew(request.keys, request.lease, round(self._lease_seconds * 1000))
        over = threading.Event()

        def renew() -> None:
            while not over.wait(interval):
                self.transport.perform(effect)

        threading.Thread(target=renew, name="response-cache-renewal", daemon=True).start()
        try:
            return generator()
        finally:
            over.set()

    def drain(self) -> None:
        """Wait until nothing is left in the background."""
        self._background.shutdown(wait=True)
        self._background = ThreadPoolExecutor(1, thread_name_prefix="response-cache")
