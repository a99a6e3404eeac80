"""Runs the algorithm with asyncio, in the caller's own task, for one event loop.

All rules are in `algorithm`. A driver performs the requests of the algorithm, completes effects on the store
even if their caller is cancelled, and reports to the observer.
"""

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar, cast

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
from strawberry_response_cache.core.drivers.async_housekeeping import AsyncHousekeeping
from strawberry_response_cache.core.drivers.async_invalidation import AsyncInvalidation
from strawberry_response_cache.core.drivers.async_lookups import SharedLookups
from strawberry_response_cache.core.drivers.async_pub_sub import AsyncPubSub
from strawberry_response_cache.core.drivers.driving import (
    DriverSettings,
    counted,
    renewals,
)
from strawberry_response_cache.core.drivers.measuring import (
    Loading,
    Pipelined,
    Refreshing,
    measure,
    report,
)
from strawberry_response_cache.core.drivers.packing import LARGE, Packing
from strawberry_response_cache.core.protocol import (
    Commit,
    Effect,
    Lookup,
    Release,
    Unavailable,
)
from strawberry_response_cache.core.redis.async_transport import AsyncTransport

T = TypeVar("T")
R = TypeVar("R")

Generator = Callable[[], Awaitable[Any]]


class AsyncWaiter:
    """Wakes one caller of an event loop."""

    __slots__ = ("came", "future", "outcome")

    def __init__(self) -> None:
        self.outcome: Landing | None = None
        self.came = 0.0
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """Wake the caller, unless it was cancelled."""
        if not self.future.done():
            self.future.set_result(None)

    async def woken(self, seconds: float) -> None:
        """Wait until the caller is woken, but no longer than these seconds."""
        timer = self.future.get_loop().call_later(seconds, self.wake)
        try:
            await self.future
        finally:
            timer.cancel()


class AsyncDriver:
    """Runs flows in the caller's own task, for one event loop.

    Args:
        transport: Sends the effects.
        settings: The settings, counters and callbacks of the cache.

    Attributes:
        flights: The running generations.
        transport: Sends the effects.
        pub_sub: The subscription to messages of other processes.
        memory: The local memory, if it is on.
        lookups: Lookups inside and outside of flows.
        invalidating: Invalidations and pings, which run outside of flows.
    """

    def __init__(self, transport: AsyncTransport, settings: DriverSettings) -> None:
        self.flights = Flights(
            AsyncWaiter,
            max_flights=settings.cache.max_flights,
            max_waiting=settings.cache.max_waiting,
        )
        self.transport = transport
        self.pub_sub = AsyncPubSub(transport, settings, self._outdate)
        self.memory = self.pub_sub.memory
        self.invalidating = AsyncInvalidation(transport, settings)
        self._settings = settings
        self._background: set[asyncio.Future[Any]] = set()
        self._refreshes: set[asyncio.Task[Any]] = set()
        self._packing = Packing()
        self.lookups = SharedLookups(transport, settings, self._packing)
        self._housekeeping = AsyncHousekeeping(
            self.lookups.submit, transport.recoveries, settings.cache.lease, self.pub_sub.wake
        )

    async def run(self, flow: Flow[T], generator: Generator, subject: Subject) -> CachedResponse[T]:
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
            if isinstance(request, Lookup | Commit | Release):
                answer = partial(flow.send, await self._ask(flow, request, subject))
                continue
            try:
                result = await self._perform(request, generator, subject)
            except (asyncio.CancelledError, GeneratorExit):
                self._close(flow, CallerGoneError(None))
                raise
            except BaseException as error:  # noqa: BLE001 - the flow handles it and raises it again
                answer = partial(flow.throw, error)
            else:
                answer = partial(flow.send, result)

    async def run_many(
        self,
        flows: Sequence[Flow[T]],
        load: Callable[[list[int]], Awaitable[Sequence[T | Exception]]],
        subject: Subject,
    ) -> dict[int, CachedResponse[T] | Exception]:
        """Run flows to their ends together, one for each key; ``load`` generates the values at some positions."""
        many = Many(flows, counted(self._settings, subject))
        try:
            while many.requests:
                await self._next_of(many, load, subject)
        except BaseException:
            for flow, request in many.given_up(list(many.requests)):
                if (effect := detached_effect(request)) is not None:
                    self._housekeeping.ask(effect)
                self._close(flow, CallerGoneError(None))
            raise
        return many.results

    async def _next_of(
        self,
        many: Many[T],
        load: Callable[[list[int]], Awaitable[Sequence[T | Exception]]],
        subject: Subject,
    ) -> None:
        if positions := many.asking(ON_THE_STORE):
            effects = [cast("Effect[Any]", many.requests[at]) for at in positions]
            lookups = [effect for effect in effects if isinstance(effect, Lookup)]
            # A single lookup is measured where it is sent.
            together = Pipelined(self._settings, subject, lookups) if len(lookups) > 1 else None
            answers = [
                self._begin(
                    many.flow(at),
                    effect,
                    subject,
                    together if isinstance(effect, Lookup) else None,
                )
                for at, effect in zip(positions, effects, strict=True)
            ]
            try:
                results = [await answer for answer in answers]
            except (asyncio.CancelledError, GeneratorExit):
                gone = many.given_up(positions)
                for (flow, _), answer in zip(gone, answers, strict=True):
                    self._leave(flow, answer)
                raise
            for at, result in zip(positions, results, strict=True):
                many.answer(at, result)
        elif positions := many.asking(AT_ONCE):
            for at in positions:
                many.answer(at, await self._perform(many.requests[at], _nothing, subject))
        elif generating := many.generating():
            positions = [at for at, _ in generating]
            requests = [request for _, request in generating]
            flights = [request.flight for request in requests]
            with leading_flights(*flights), self._renewed(requests):
                try:
                    with Loading(self._settings, subject):
                        values = await load(positions)
                except Exception as error:
                    if many.fail_all(positions, error, self._housekeeping.ask):
                        raise
                    return
            many.loaded(positions, values)
        else:
            await self._wait_for_any(many)

    async def _wait_for_any(self, many: Many[T]) -> None:
        """Wait until one of the waiting flows can be resumed, and resume it."""
        woken = [cast("AsyncWaiter", each.waiter).future for each in many.joins()]
        pauses = [
            asyncio.ensure_future(self.pub_sub.sleep(each.seconds, each.lease_key))
            for each in many.pauses()
        ]
        try:
            await asyncio.wait(
                [*woken, *pauses],
                timeout=many.seconds_to_wait(),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for pause in pauses:
                pause.cancel()
        many.waited()

    async def _ask(self, flow: Flow[Any], effect: Effect[R], subject: Subject) -> R:
        """Perform an effect and wait, unless the caller is cancelled.

        A cancelled caller returns at once. The effect cannot be cancelled: when it ends, the flow receives
        its result, so that no lease and no joiner is left behind.
        """
        answer = self._begin(flow, effect, subject)
        try:
            return await answer
        except (asyncio.CancelledError, GeneratorExit):
            self._leave(flow, answer)
            raise

    def _begin(
        self,
        flow: Flow[Any],
        effect: Effect[R],
        subject: Subject,
        together: Pipelined | None = None,
    ) -> "asyncio.Future[R]":
        """Begin an effect, and return its future result. If that is cancelled, the flow still gets the result."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()

        def resume(result: R) -> None:
            if together is not None:
                together.note(result)
            if answer.done():
                self._close(flow, CallerGoneError(result))
            else:
                answer.set_result(result)

        if isinstance(effect, Lookup):
            self.lookups.ask(effect, resume, subject if together is None else None)
        else:
            self._submit(effect, resume, subject)
        return answer

    def _leave(self, flow: Flow[Any], answer: "asyncio.Future[Any]") -> None:
        """Stop waiting for the answer, because the caller is gone; the flow still receives it."""
        if not answer.cancel() and not answer.cancelled():
            self._close(flow, CallerGoneError(answer.result()))

    def _submit(self, effect: Effect[R], then: Callable[[R], None], subject: Subject) -> None:
        """Perform an effect that is no lookup, and measure it. A commit or release also wakes waiting callers."""
        settings = self._settings
        started_ns = time.time_ns() if settings.observer.listening() else 0
        context = contextvars.copy_context() if started_ns else None
        began = time.perf_counter()

        def measure_and_pass_on(result: R) -> None:
            try:
                if isinstance(result, Unavailable):
                    settings.on_failure(result)
                measure(settings, subject, effect, began, result)
                if context is not None:
                    context.run(report, settings.observer, subject, effect, started_ns, result)
            finally:
                then(result)
                if isinstance(effect, Commit | Release):
                    # The server does not know callers that shared a lookup, so it does not wake them.
                    self.pub_sub.wake(effect.keys.lease)

        commit: object = effect
        if isinstance(commit, Commit) and (commit.beside or len(commit.recording.payload) > LARGE):
            self._packing.pack(
                commit,
                lambda packed: self.lookups.submit(cast("Effect[R]", packed), measure_and_pass_on),
            )
        else:
            self.lookups.submit(effect, measure_and_pass_on)

    async def _perform(self, request: Request, generator: Generator, subject: Subject) -> object:
        match request:
            case Generate(flight):
                with leading_flights(flight):
                    return await self._generate(request, generator, subject)
            case Join(waiter, seconds):
                await cast("AsyncWaiter", waiter).woken(seconds)
            case Pause(seconds, lease_key):
                await self.pub_sub.sleep(seconds, lease_key)
            case RefreshInBackground(flow):
                return self._refresh_in_background(flow, generator, subject)
            case Detach(effect):
                self._housekeeping.ask(effect)
        return None

    async def _generate(self, request: Generate, generator: Generator, subject: Subject) -> object:
        with self._renewed([request]), Loading(self._settings, subject):
            return await generator()

    def _renewed(self, requests: Sequence[Generate]) -> AbstractContextManager[None]:
        """Renew leases while the generator runs."""
        effects = renewals(requests, self._settings.lease_ms)
        if not effects:
            return nullcontext()
        return self._housekeeping.repeating(effects, self._settings.cache.lease / 3)

    def _refresh_in_background(
        self, flow: Flow[Any], generator: Generator, subject: Subject
    ) -> bool:
        """Run a refresh in a task of its own; return False if there is no room. The flow logs its errors."""
        if len(self._refreshes) >= self._settings.cache.max_background:
            return False
        context = contextvars.copy_context()
        context.run(leading.set, ())  # it is not a part of another value
        refreshing = Refreshing(self._settings, subject, context)

        async def watched() -> object:
            with refreshing:
                return await generator()

        task = asyncio.get_running_loop().create_task(
            self.run(flow, watched, subject), context=context
        )
        task.add_done_callback(refreshing.over)
        self._refreshes.add(task)
        task.add_done_callback(self._refreshes.discard)
        self._hold(task)
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

    def _close(self, flow: Flow[Any], error: BaseException) -> None:
        """Run a flow to its end without its caller: raise the error in it, and perform its changes to leases."""
        finish(flow, error, self._housekeeping.ask)

    def _hold(self, future: "asyncio.Future[Any]") -> None:
        """Keep a reference to a background task until it is done."""
        self._background.add(future)
        future.add_done_callback(self._background.discard)

    async def retire(self) -> None:
        """Stop the subscription for good; only calls that are running still use the driver."""
        await self.pub_sub.retire()

    async def drain(self) -> None:
        """Wait for the background work that runs now, not for work that starts meanwhile."""
        if self._background:
            await asyncio.wait(set(self._background))
        await self._packing.drain()
        await self._housekeeping.drain()
        await self.invalidating.drain()
        await self.pub_sub.aclose()


async def _nothing() -> None:
    """The generator of calls that never generate."""
