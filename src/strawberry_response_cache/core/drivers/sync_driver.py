"""Runs the algorithm with threads, in the caller's own thread, for all threads of a process.

All rules are in `_remember`. A driver only performs what the algorithm asks for, and reports to the
observer.
"""

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar, cast

from strawberry_response_cache.core._flights import Flights, Outcome, leading, leading_flights
from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._many import AT_ONCE, ON_THE_STORE, Many
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._requests import (
    CallerGoneError,
    Detach,
    Flow,
    Generate,
    Join,
    Pause,
    RefreshInBackground,
    Request,
    finish,
    owed,
    own_error,
)
from strawberry_response_cache.core._response import CachedResponse
from strawberry_response_cache.core.drivers.driving import (
    DriverSettings,
    renewals,
    report,
)
from strawberry_response_cache.core.drivers.sync_housekeeping import SyncHousekeeping
from strawberry_response_cache.core.drivers.sync_invalidation import SyncInvalidation
from strawberry_response_cache.core.drivers.sync_pub_sub import SyncNews
from strawberry_response_cache.core.protocol import (
    Commit,
    Effect,
    Lookup,
    NoLease,
    Release,
    Unavailable,
)
from strawberry_response_cache.core.redis.sync_transport import SyncTransport

T = TypeVar("T")
R = TypeVar("R")

Generator = Callable[[], Any]


class ThreadWaiter:
    """Wakes one thread."""

    __slots__ = ("came", "event", "outcome")

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.came = 0.0
        self.event = threading.Event()

    def wake(self) -> None:
        """Wake the thread."""
        self.event.set()


class SyncDriver:
    """Runs flows in the caller's own thread, for all threads of a process.

    Args:
        transport: Where effects go.
        settings: The numbers to decide by.

    Attributes:
        flights: What runs now.
        transport: Where effects go.
        news: What is heard from others.
        memory: The local memory, if it is on.
        invalidating: What is asked outside of any flow.
    """

    def __init__(self, transport: SyncTransport, settings: DriverSettings) -> None:
        self.flights = Flights(
            ThreadWaiter, max_flights=settings.max_flights, max_waiting=settings.max_waiting
        )
        self.transport = transport
        self.news = SyncNews(transport, settings)
        self.memory = self.news.memory
        self.invalidating = SyncInvalidation(transport, settings)
        self._settings = settings
        self._housekeeping = SyncHousekeeping(transport, settings.lease)
        self._room = renewed_in_child(
            self, "_room", partial(threading.BoundedSemaphore, max(1, settings.max_background))
        )
        self._background = self._new_background()

    def _new_background(self) -> ThreadPoolExecutor:
        workers = max(1, self._settings.max_background)
        return ThreadPoolExecutor(workers, thread_name_prefix="response-cache")

    def run(self, flow: Flow[T], generator: Generator, subject: Subject) -> CachedResponse[T]:
        """Drive a flow to its end, and return or raise what it does."""
        answer: Callable[[], Request] = partial(flow.send, None)
        while True:
            try:
                request = answer()
            except StopIteration as end:
                return cast("CachedResponse[T]", end.value)
            except RuntimeError as error:
                if (own := own_error(error)) is error:
                    raise
                raise own from own.__cause__
            try:
                result = self._perform(request, generator, subject)
            except BaseException as error:  # noqa: BLE001 - the flow decides, and raises it again
                answer = partial(flow.throw, error)
            else:
                answer = partial(flow.send, result)

    def run_many(
        self,
        flows: Sequence[Flow[T]],
        load: Callable[[list[int]], Sequence[T | Exception]],
        subject: Subject,
    ) -> dict[int, T | Exception]:
        """Drive flows to their ends together.

        Args:
            flows: One for each key.
            load: Generates the values of the keys at these positions.
            subject: On whose behalf.
        """
        many = Many(flows)
        try:
            while many.requests:
                self._next_of(many, load, subject)
        except BaseException:
            for flow, request in many.given_up(list(many.requests)):
                if (effect := owed(request)) is not None:
                    self._housekeeping.ask(effect)
                finish(flow, CallerGoneError(None), self._housekeeping.ask)
            raise
        return many.results

    def _next_of(
        self,
        many: Many[T],
        load: Callable[[list[int]], Sequence[T | Exception]],
        subject: Subject,
    ) -> None:
        if positions := many.asking(ON_THE_STORE):
            effects = [cast("Effect[Any]", many.requests[at]) for at in positions]
            for at, result in zip(positions, self.ask_all(effects, subject), strict=True):
                many.answer(at, result)
        elif positions := many.asking(AT_ONCE):
            for at in positions:
                many.answer(at, self._perform(many.requests[at], _nothing, subject))
        elif generating := many.generating():
            positions = [at for at, _ in generating]
            requests = [request for _, request in generating]
            flights = [request.flight for request in requests if request.flight is not None]
            with leading_flights(*flights), self._renewed(requests):
                try:
                    values = load(positions)
                except Exception as error:
                    if many.any_failed(positions, error, self._housekeeping.ask):
                        raise
                    return
            many.loaded(positions, values)
        else:
            self._wait_for_any(many)

    def _wait_for_any(self, many: Many[T]) -> None:
        """Wait until one of the flows need not wait any longer; those that only paused look again with it."""
        waiting = many.waiting()
        bell, now = threading.Event(), time.monotonic()
        pauses: dict[int, Pause] = {}
        joins: dict[int, tuple[ThreadWaiter, float]] = {}
        for at, request in waiting.items():
            match request:
                case Join(waiter, wait_budget):
                    thread = cast("ThreadWaiter", waiter)
                    joins[at] = thread, many.since[at] + wait_budget
                    thread.event = bell
                case Pause() as pause:
                    pauses[at] = pause
        ends = [*(ends for _, ends in joins.values()), *(now + p.seconds for p in pauses.values())]
        # One that was woken before it had this bell rings no more.
        if all(thread.outcome is None for thread, _ in joins.values()):
            with self.news.ringing(bell, [pause.lease_key for pause in pauses.values()]):
                bell.wait(max(0.0, min(ends) - now))
        now = time.monotonic()
        over = [at for at, (thread, ends) in joins.items() if thread.outcome or ends <= now]
        many.waited([*pauses, *over])

    def _perform(self, request: Request, generator: Generator, subject: Subject) -> object:
        match request:
            case Lookup() | Commit() | Release():
                return self._ask(request, subject)
            case Generate(flight):
                with leading_flights(*(() if flight is None else (flight,))):
                    return self._generate(request, generator)
            case Join(waiter, wait_budget):
                began = time.monotonic()
                cast("ThreadWaiter", waiter).event.wait(wait_budget)
                return time.monotonic() - began
            case Pause(seconds, lease_key):
                return self.news.sleep(seconds, lease_key)
            case RefreshInBackground(flow):
                return self._refresh_beside(flow, generator, subject)
            case Detach(effect):
                self._housekeeping.ask(effect)
        return None

    def _ask(self, effect: Effect[R], subject: Subject) -> R:
        """Ask the store for an effect, wait for it and report on it."""
        started_ns = time.time_ns() if self._settings.observer.listening() else 0
        result = self.transport.perform(effect)
        self._over(effect, result, subject, started_ns)
        return result

    def ask_all(self, effects: Sequence[Effect[Any]], subject: Subject) -> list[Any]:
        """Ask the store for effects in one round trip, and report on them."""
        started_ns = time.time_ns() if self._settings.observer.listening() else 0
        results = self.transport.perform_all(effects)
        for effect, result in zip(effects, results, strict=True):
            self._over(effect, result, subject, started_ns)
        return results

    def _over(self, effect: Effect[Any], result: object, subject: Subject, started_ns: int) -> None:
        """Report on an effect that is over; one that began at 0 is not observed."""
        if isinstance(result, Unavailable | NoLease):
            self._settings.on_failure(result)
        if started_ns:
            report(self._settings.observer, subject, effect, started_ns, result)

    def _generate(self, request: Generate, generator: Generator) -> object:
        with self._renewed([request]):
            return generator()

    def _renewed(self, requests: Sequence[Generate]) -> AbstractContextManager[None]:
        """Renew leases while the code inside generates."""
        effects = renewals(requests, self._settings.lease_ms)
        if not effects:
            return nullcontext()
        return self._housekeeping.repeating(effects, self._settings.lease / 3)

    def _refresh_beside(self, flow: Flow[Any], generator: Generator, subject: Subject) -> bool:
        """Run a refresh in a thread of its own, if there is room; its errors are the flow's to log."""
        if not self._settings.max_background or not self._room.acquire(blocking=False):
            return False
        context = contextvars.copy_context()
        context.run(leading.set, ())  # it is nobody's part

        def refresh() -> None:
            try:
                context.run(self.run, flow, generator, subject)
            finally:
                self._room.release()

        try:
            self._background.submit(refresh)
        except RuntimeError:  # it is being drained, the interpreter ends, or no thread can be had
            self._room.release()
            return False
        return True

    # -- Ends --------------------------------------------------------------------------------------

    def retire(self) -> None:
        """Listen no longer: calls that are still under way are the last."""
        self.news.retire()

    def drain(self) -> None:
        """Wait until nothing is left in the background."""
        self._background.shutdown(wait=True)
        self._background = self._new_background()
        self._housekeeping.drain()
        self.invalidating.drain()
        self.news.close()


def _nothing() -> None:
    """Stand in for a generator where none is asked for."""
