"""Runs the algorithm with threads, in the caller's own thread, for all threads of a process.

All rules are in `algorithm`. A driver performs the requests of the algorithm and reports to the observer.
"""

import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar, cast

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._response import CachedResponse
from strawberry_response_cache.core.algorithm.flights import (
    Flights,
    Generation,
    Landing,
)
from strawberry_response_cache.core.algorithm.leading import leading, leading_flights
from strawberry_response_cache.core.algorithm.many import AT_ONCE, ON_THE_STORE, Many
from strawberry_response_cache.core.algorithm.requests import (
    CallerGoneError,
    Detach,
    Flow,
    Generate,
    Join,
    Pause,
    RefreshInBackground,
    Request,
    detached_effect,
    finish,
    own_error,
)
from strawberry_response_cache.core.drivers.driving import (
    DriverSettings,
    counted,
    renewals,
)
from strawberry_response_cache.core.drivers.measuring import (
    Loading,
    Refreshing,
    measure,
    measure_all,
    report,
)
from strawberry_response_cache.core.drivers.sync_housekeeping import SyncHousekeeping
from strawberry_response_cache.core.drivers.sync_invalidation import SyncInvalidation
from strawberry_response_cache.core.drivers.sync_pub_sub import SyncPubSub
from strawberry_response_cache.core.protocol import (
    AnyLookup,
    Commit,
    Effect,
    Lookup,
    Lookups,
    NoLease,
    NotAskedError,
    Release,
    Unavailable,
    bundled,
)
from strawberry_response_cache.core.redis.link import MOST_TOGETHER
from strawberry_response_cache.core.redis.sync_transport import SyncTransport

T = TypeVar("T")
R = TypeVar("R")

Generator = Callable[[], Any]


class ThreadWaiter:
    """Wakes one thread."""

    __slots__ = ("came", "event", "outcome")

    def __init__(self) -> None:
        self.outcome: Landing | None = None
        self.came = 0.0
        self.event = threading.Event()

    def wake(self) -> None:
        """Wake the thread."""
        self.event.set()


class SyncDriver:
    """Runs flows in the caller's own thread, for all threads of a process; see `AsyncDriver`."""

    def __init__(self, transport: SyncTransport, settings: DriverSettings) -> None:
        self.flights = Flights(
            ThreadWaiter,
            max_flights=settings.cache.max_flights,
            max_waiting=settings.cache.max_waiting,
        )
        self.transport = transport
        self.pub_sub = SyncPubSub(transport, settings, self._outdate)
        self.memory = self.pub_sub.memory
        self.invalidating = SyncInvalidation(transport, settings)
        self._settings = settings
        self._housekeeping = SyncHousekeeping(transport, settings.cache.lease)
        self._room = renewed_in_child(
            self,
            "_room",
            partial(threading.BoundedSemaphore, max(1, settings.cache.max_background)),
        )
        self._background = self._new_background()

    def _new_background(self) -> ThreadPoolExecutor:
        workers = max(1, self._settings.cache.max_background)
        return ThreadPoolExecutor(workers, thread_name_prefix="response-cache")

    def run(self, flow: Flow[T], generator: Generator, subject: Subject) -> CachedResponse[T]:
        """Run a flow to its end; return its result or raise its error."""
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
            except BaseException as error:  # noqa: BLE001 - the flow handles it and raises it again
                answer = partial(flow.throw, error)
            else:
                answer = partial(flow.send, result)

    def run_many(
        self,
        flows: Sequence[Flow[T]],
        load: Callable[[list[int]], Sequence[T | Exception]],
        subject: Subject,
    ) -> dict[int, CachedResponse[T] | Exception]:
        """Run flows to their ends together; see `AsyncDriver`."""
        many = Many(flows, counted(self._settings, subject))
        try:
            while many.requests:
                self._next_of(many, load, subject)
        except BaseException:
            for flow, request in many.given_up(list(many.requests)):
                if (effect := detached_effect(request)) is not None:
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
            flights = [request.flight for request in requests]
            with leading_flights(*flights), self._renewed(requests):
                try:
                    with Loading(self._settings, subject):
                        values = load(positions)
                except Exception as error:
                    if many.fail_all(positions, error, self._housekeeping.ask):
                        raise
                    return
            many.loaded(positions, values)
        else:
            self._wait_for_any(many)

    def _wait_for_any(self, many: Many[T]) -> None:
        """Wait until one of the waiting flows can be resumed, and resume it."""
        bell = threading.Event()
        for each in many.joins():
            waiter = cast("ThreadWaiter", each.waiter)
            waiter.event = bell
            if waiter.outcome is not None:  # it was woken before it had this bell
                bell.set()
        with self.pub_sub.ringing(bell, [each.lease_key for each in many.pauses()]):
            bell.wait(many.seconds_to_wait())
        many.waited()

    def _perform(self, request: Request, generator: Generator, subject: Subject) -> object:
        match request:
            case Lookup() | Commit() | Release():
                return self._ask(request, subject)
            case Generate(flight):
                with leading_flights(flight):
                    return self._generate(request, generator, subject)
            case Join(waiter, seconds):
                cast("ThreadWaiter", waiter).event.wait(seconds)
            case Pause(seconds, lease_key):
                self.pub_sub.sleep(seconds, lease_key)
            case RefreshInBackground(flow):
                return self._refresh_in_background(flow, generator, subject)
            case Detach(effect):
                self._housekeeping.ask(effect)
        return None

    def _ask(self, effect: Effect[R], subject: Subject) -> R:
        """Perform an effect, wait for it and report it to the observer."""
        started_ns = time.time_ns() if self._settings.observer.listening() else 0
        began = time.perf_counter()
        result = self.transport.perform(effect)
        self._over(effect, result, subject, started_ns, began)
        return result

    def ask_all(self, effects: Sequence[Effect[Any]], subject: Subject) -> list[Any]:
        """Perform effects in as few round trips as their number allows, and report them to the observer.

        After a round trip that the store did not answer, it is not asked for the rest.
        """
        started_ns = time.time_ns() if self._settings.observer.listening() else 0
        began = time.perf_counter()
        results: list[Any] = []
        for at in range(0, len(effects), MOST_TOGETHER):
            part = effects[at : at + MOST_TOGETHER]
            if results and isinstance(results[-1], Unavailable):
                results += [effect.unavailable(NotAskedError()) for effect in part]
            else:
                results += self._perform_all(part)
        for result in results:
            if isinstance(result, Unavailable | NoLease):
                self._settings.on_failure(result)
        measure_all(self._settings, subject, effects, results, began=began, started_ns=started_ns)
        return results

    def _perform_all(self, effects: Sequence[Effect[Any]]) -> list[Any]:
        """Perform effects in one round trip; lookups of one slot are sent as one effect."""
        bundles = bundled(effects)
        results: list[Any] = [None] * len(effects)
        performed = self.transport.perform_all(
            [
                Lookups(*(cast("AnyLookup", effects[at]) for at in bundle))
                if len(bundle) > 1
                else effects[bundle[0]]
                for bundle in bundles
            ]
        )
        for bundle, result in zip(bundles, performed, strict=True):
            for at, each in zip(bundle, result if len(bundle) > 1 else [result], strict=True):
                results[at] = each
        return results

    def _over(
        self,
        effect: Effect[Any],
        result: object,
        subject: Subject,
        started_ns: int,
        began: float,
    ) -> None:
        """Count an effect that has ended; report it to the observer, unless ``started_ns`` is 0."""
        measure(self._settings, subject, effect, began, result)
        if isinstance(result, Unavailable | NoLease):
            self._settings.on_failure(result)
        if started_ns:
            report(self._settings.observer, subject, effect, started_ns, result)

    def _generate(self, request: Generate, generator: Generator, subject: Subject) -> object:
        with self._renewed([request]), Loading(self._settings, subject):
            return generator()

    def _renewed(self, requests: Sequence[Generate]) -> AbstractContextManager[None]:
        """Renew leases while the generator runs."""
        effects = renewals(requests, self._settings.lease_ms)
        if not effects:
            return nullcontext()
        return self._housekeeping.repeating(effects, self._settings.cache.lease / 3)

    def _refresh_in_background(
        self, flow: Flow[Any], generator: Generator, subject: Subject
    ) -> bool:
        """Run a refresh in a thread of its own; return False if there is no room. The flow logs its errors."""
        if not self._settings.cache.max_background or not self._room.acquire(blocking=False):
            return False
        context = contextvars.copy_context()
        context.run(leading.set, ())  # it is not a part of another value

        refreshing = Refreshing(self._settings, subject, context)

        def watched() -> object:
            with refreshing:
                return generator()

        def refresh() -> None:
            try:
                context.run(self.run, flow, watched, subject)
            finally:
                refreshing.over()
                self._room.release()

        try:
            self._background.submit(refresh)
        except (
            RuntimeError
        ):  # the cache is closing, the interpreter ends, or no thread can be started
            refreshing.over()
            self._room.release()
            return False
        return True

    # -- Generations whose values will be refused -------------------------------------------------------

    def _outdate(self, table: str, tags: AbstractSet[str] | None, clock: int | None) -> None:
        """Seal the flights that a reported invalidation outdates."""
        self.give_back(self.flights.seal_outdated(table, tags, clock))

    def give_back(self, outdated: Iterable[Generation]) -> None:
        """Release the leases of generations whose values will be refused, so that no caller waits for them."""
        for run in outdated:
            self._housekeeping.ask(Release(run.keys, run.lease))

    # -- Ends --------------------------------------------------------------------------------------

    def retire(self) -> None:
        """Stop the subscription for good; only calls that are running still use the driver."""
        self.pub_sub.retire()

    def drain(self) -> None:
        """Wait for all background work."""
        self._background.shutdown()
        self._background = self._new_background()
        self._housekeeping.drain()
        self.invalidating.drain()
        self.pub_sub.close()


def _nothing() -> None:
    """The generator of calls that never generate."""
