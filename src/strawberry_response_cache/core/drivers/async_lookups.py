"""Merges the lookups of one event loop: those requested before the first is sent go out together."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core.drivers.driving import DriverSettings, set_once
from strawberry_response_cache.core.drivers.measuring import measure_all, measure_lookups, report
from strawberry_response_cache.core.drivers.packing import AT_ONCE, Packing
from strawberry_response_cache.core.protocol import (
    AnyLookup,
    Effect,
    Lookup,
    LookupAnswer,
    Lookups,
    NoLease,
    Unavailable,
    for_another,
)
from strawberry_response_cache.core.protocol.lookups import MOST_IN_A_RUN
from strawberry_response_cache.core.redis.async_link import Ask
from strawberry_response_cache.core.redis.async_transport import AsyncTransport

R = TypeVar("R")

Then: TypeAlias = Callable[[Any], None]


_CLOSED: Final = Ask((), lambda _: None, is_sent=True)
"""Stands for the ask of a batch to which no more lookups are added."""


@dataclass(eq=False, slots=True)
class _LookupBatch:
    """Lookups in one slot.

    Attributes:
        effect: The lookups.
        began: When the first was requested, in seconds of `time.perf_counter`.
        ask: Tells whether it was sent.
        callers: For each lookup, what to call with the answer: first for the caller that requested it, then for those
            that share it.
        subjects: The cache and field of each, for the observer; None for one that is measured with others.
        shared: The callers of each lookup that may be shared, by its key.
    """

    effect: Lookups
    began: float
    ask: Ask = _CLOSED
    callers: list[list[Then]] = field(default_factory=list)
    subjects: list[Subject | None] = field(default_factory=list)
    shared: dict[str, list[Then]] = field(default_factory=dict)


class SharedLookups:
    """The lookups of one event loop.

    Lookups of one slot are one run of the script. A hundred callers of a hot key in one tick of the loop are one
    lookup. What was sent is not shared: the server may have answered it before an invalidation that a later caller
    knows of.

    Args:
        transport: Sends the effects.
        settings: The counters and the observer.
        packing: Unpacks large entries.
    """

    def __init__(
        self, transport: AsyncTransport, settings: DriverSettings, packing: Packing
    ) -> None:
        self._packing = packing
        self._transport = transport
        self._settings = settings
        self._batches: dict[str, _LookupBatch] = {}

    def ask(self, lookup: AnyLookup, then: Then, subject: Subject | None) -> None:
        """Look up, or share a lookup that is not sent yet.

        Args:
            lookup: The lookup.
            then: Called with the answer for this caller.
            subject: The cache and field, for the observer; None if the lookup is measured with others.
        """
        keys = lookup.keys
        batch = self._batches.get(keys.tags)
        if batch is not None and batch.ask.is_sent:
            batch = None
        key = None
        # A lookup that rejects an entry is not shared: it has to delete the entry.
        if isinstance(lookup, Lookup) and not lookup.rejected:
            key = keys.lease if lookup.lease_ms else keys.entry
            if batch is not None and (known := batch.shared.get(key)) is not None:
                known.append(then)
                return
        if batch is None or batch.ask.is_taken or len(batch.callers) >= MOST_IN_A_RUN:
            batch, is_new = (
                _LookupBatch(Lookups(lookup, at_once=AT_ONCE), time.perf_counter()),
                True,
            )
        else:
            batch.effect.add(lookup)
            is_new = False
        if subject is not None and self._settings.observer.listening():
            then = _reporting(self._settings, lookup, subject, then)
        callers = [then]
        batch.callers.append(callers)
        batch.subjects.append(subject)
        if key is not None:
            batch.shared[key] = callers
        if is_new:
            self._send(batch, keys.tags)

    def find(self, lookup: Lookup, subject: Subject) -> "asyncio.Future[LookupAnswer]":
        """Look up outside of any flow, without a lease, and return the future answer.

        Args:
            lookup: A lookup that requests no lease.
            subject: The cache and field, for the observer.
        """
        answer: asyncio.Future[LookupAnswer] = asyncio.get_running_loop().create_future()
        self.ask(lookup, partial(set_once, answer), subject)
        return answer

    async def find_all(self, lookups: Sequence[AnyLookup], subject: Subject) -> list[Any]:
        """Perform lookups together, outside of any flow, and return their answers; they count as one call.

        Args:
            lookups: At least one.
            subject: The cache and field, for the observer.
        """
        started_ns = time.time_ns() if self._settings.observer.listening() else 0
        began = time.perf_counter()
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        results: list[Any] = [None] * len(lookups)
        left = len(lookups)

        def collect(at: int, result: object) -> None:
            nonlocal left
            results[at] = result
            left -= 1
            if not left:
                set_once(answered, None)

        for at, lookup in enumerate(lookups):
            self.ask(lookup, partial(collect, at), None)
        await answered
        measure_all(self._settings, subject, lookups, results, began=began, started_ns=started_ns)
        return results

    def submit(self, effect: Effect[R], then: Callable[[R], None]) -> None:
        """Send an effect that is no lookup, in its turn: it may release a lease that later lookups request.

        Args:
            effect: The effect.
            then: Called with the result.
        """
        self._batches.clear()
        self._transport.submit(effect, then)

    def _send(self, batch: _LookupBatch, slot: str) -> None:
        self._batches[slot] = batch

        def end_batch(answers: list[Any]) -> None:
            if self._batches.get(slot) is batch:
                del self._batches[slot]
            batch.ask = _CLOSED  # else the ask and this function keep each other, and the entries' bytes, alive
            if batch.effect.large is None:
                self._tell(batch, answers)
            else:
                self._packing.unpack(batch.effect, partial(self._tell, batch))

        ask = self._transport.submit(batch.effect, end_batch)
        if self._batches.get(slot) is batch:  # else it was answered at once
            batch.ask = ask or _CLOSED

    def _tell(self, batch: _LookupBatch, answers: list[Any]) -> None:
        """Tell each caller the answer to its lookup, and count the lookups; an error of one caller affects no other."""
        settings, raised = self._settings, None
        failures: list[Unavailable | NoLease] = []
        for callers, answer in zip(batch.callers, answers, strict=True):
            if isinstance(answer, Unavailable | NoLease):
                failures.append(answer)
            told = answer
            for then in callers:
                try:
                    then(told)
                except Exception as error:  # noqa: BLE001 - the link logs it
                    raised = error
                told = answer if len(callers) == 1 else for_another(answer)
        measure_lookups(settings, batch.subjects, answers, batch.began)
        for failed in failures:
            settings.on_failure(failed)
        if raised is not None:
            raise raised


def _reporting(settings: DriverSettings, lookup: AnyLookup, subject: Subject, then: Then) -> Then:
    """Return a function that reports the answer to the observer, in the context of the caller, and passes it on."""
    context, started_ns = contextvars.copy_context(), time.time_ns()

    def report_and_pass_on(answer: object) -> None:
        try:
            context.run(report, settings.observer, subject, lookup, started_ns, answer)
        finally:
            then(answer)

    return report_and_pass_on
