"""`remember`: its steps in their order, and how callers wait for each other."""

from typing import TypeVar

from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core.algorithm.call import Call
from strawberry_response_cache.core.algorithm.existing import Refresh, from_memory, look_up
from strawberry_response_cache.core.algorithm.flights import (
    CrowdedError,
    Failed,
    Landed,
    NotShared,
    Promoted,
    ReentrantError,
)
from strawberry_response_cache.core.algorithm.generating import generate_alone, lead, refresh
from strawberry_response_cache.core.algorithm.requests import Detach, Flow, Join, Pause, Step
from strawberry_response_cache.core.algorithm.waiting import Backoff, LeaseWatch
from strawberry_response_cache.core.protocol import (
    Fresh,
    Granted,
    Held,
    Moved,
    NoLease,
    Release,
    Unavailable,
    Unreadable,
)
from strawberry_response_cache.core.protocol.entry import UnreadableEntryError

T = TypeVar("T")


def remember(call: Call[T]) -> Flow[T]:
    """Return the value from memory, a flight, the store or the generator."""
    call.came = call.clock()
    if call.invalidation_pending:
        return (yield from _without_lease(call, CacheDetail.INVALIDATION_PENDING))
    watch = LeaseWatch(call.flights)
    try:
        return (yield from _obtain(call, watch))
    finally:
        watch.end()


def _obtain(call: Call[T], watch: LeaseWatch) -> Flow[T]:  # noqa: C901, PLR0912 - one loop, one case for each thing that can be found
    backoff = Backoff(call.jitter)
    alone = call.flights.marks.has(call.keys.entry, call.clock())
    rejected: str | None = None
    while True:
        is_found = isinstance(call.found, Fresh)
        if not is_found and (remembered := from_memory(call)) is not None:
            return remembered
        if not is_found and not alone and call.flights.is_open(call.keys.entry):
            watch.end()
            if (joined := (yield from _join(call, leaseless=False))) is not None:
                return joined
        found = yield from look_up(call, rejected or "")
        if not isinstance(found, Held):
            watch.end()
        match found:
            case CachedResponse() as hit:
                return hit
            case Refresh() as due:
                return (yield from refresh(call, due))
            case Granted(lease):
                return (yield from lead(call, lease, is_open=not alone))
            case Held() if any(flight.key == call.keys.entry for flight in call.within):
                return (yield from generate_alone(call, CacheDetail.REENTRANT))
            case Held() if alone:
                return (yield from generate_alone(call, CacheDetail.UNCACHEABLE))
            case Held() if call.flights.is_open(call.keys.entry):
                continue  # a caller of this process has the lease: join it
            case Held() if call.left() == 0:
                watch.end()  # callers that wait on this watch must not wait for the generator too
                return (yield from generate_alone(call, CacheDetail.WAITED_OUT))
            case Held():
                yield from _wait_for_release(call, backoff, watch)
            case NoLease():
                return (yield from _without_lease(call, CacheDetail.NO_LEASE))
            case Unavailable() as failed:
                # The lost answer may have granted a lease, which would block other callers.
                if failed.sent:
                    yield Detach(Release(call.keys, call.any_lease(), in_doubt=True))
                return (yield from _without_lease(call, CacheDetail.STORE_FAILURE))
            case Unreadable(write_id) if rejected is None:
                _log_unreadable(call)
                rejected = write_id
            case Moved() if rejected is None:
                rejected = ""
            case _:
                # The entry was not usable twice in a row: do not look the key up a third time.
                yield Release(call.keys, call.any_lease())
                return (yield from generate_alone(call, CacheDetail.STORE_FAILURE))


def _log_unreadable(call: Call[T]) -> None:
    if (count := call.limits.log_unreadable.counted()) is None:
        return
    subject = call.subject
    logger.warning(
        "An entry could not be read%s%s: it is damaged, or was stored for another type. Its value is generated again.",
        "" if subject is None else f" ({subject.shown})",
        count.words,
        extra={
            "response_cache.failures": count.number,
            **({} if subject is None else subject.facts),
        },
    )


def _join(call: Call[T], *, leaseless: bool) -> Step[CachedResponse[T] | None]:
    """Join another caller's generation, and return a response.

    Return None if there is none to join, or if the key has to be looked up again. If the value may not be shared,
    this caller generates its own.
    """
    try:
        joined = call.flights.join(
            call.keys.entry, call.within, leaseless=leaseless, came=call.came
        )
    except ReentrantError:
        return (yield from generate_alone(call, CacheDetail.REENTRANT))
    except CrowdedError:
        return (yield from generate_alone(call, CacheDetail.WAITED_OUT))
    if joined is None:
        return None
    flight, waiter = joined
    try:
        yield Join(waiter, call.left())
    except BaseException as gone:
        yield from call.release(call.flights.leave(flight, waiter, call.within), gone)
        raise
    if waiter.outcome is None:
        yield from call.release(call.flights.leave(flight, waiter, call.within))
        return (yield from generate_alone(call, CacheDetail.WAITED_OUT))
    call.flights.note_outcome_taken(flight, call.within)
    match waiter.outcome:
        case Landed() as landed:
            return (yield from _share(call, landed))
        case Failed() as failed:
            failed.raise_again()
        case NotShared():
            return (yield from generate_alone(call, CacheDetail.UNCACHEABLE))
        case Promoted(lease):
            return (yield from lead(call, lease, flight=flight))
        case _:
            return None


def _share(call: Call[T], landed: Landed) -> Flow[T]:
    recording = landed.recording
    try:
        value = call.serializer.read(recording)
    except UnreadableEntryError:
        # The leader passed another type for the same key.
        return (yield from generate_alone(call, CacheDetail.UNCACHEABLE))
    # Only a commit proves that the value is newer than the lease of a generator around it.
    fit = landed.clock is not None
    call.note_part(recording, landed.epoch, landed.clock, recording.ttl_ms, fit=fit)
    if not fit:
        return CachedResponse(value, CacheStatus.BYPASS, CacheDetail.JOINED)
    ttl = recording.ttl_ms / 1000
    return CachedResponse(value, CacheStatus.MISS, CacheDetail.JOINED, ttl=ttl)


def _wait_for_release(call: Call[T], backoff: Backoff, watch: LeaseWatch) -> Step[None]:
    """Wait until the next lookup is due. This caller watches the lease, or waits for the one that does."""
    if not watch.is_watching:
        try:
            joined = call.flights.join(call.keys.lease, (), leaseless=True)
        except CrowdedError:
            call.budget.spend()
            return
        if joined is not None:
            flight, waiter = joined
            try:
                yield Join(waiter, call.left())
            finally:
                call.flights.leave(flight, waiter, ())
            return
        watch.begin(call.keys.lease)
    yield Pause(backoff.next_pause(call.left()), call.keys.lease)


def _without_lease(call: Call[T], detail: CacheDetail) -> Flow[T]:
    """Generate without storing, once for all callers of this process that are waiting already.

    Callers that arrive during the generation wait for it to end and share the next one.
    """
    while call.flights.has(call.keys.entry):
        if (joined := (yield from _join(call, leaseless=True))) is not None:
            return joined
    return (yield from lead(call, None, detail=detail))
