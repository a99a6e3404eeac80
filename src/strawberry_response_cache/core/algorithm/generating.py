"""Step 4: the caller's generator runs in its own task, for it and for those who joined."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core.algorithm.call import Call
from strawberry_response_cache.core.algorithm.existing import Refresh, serve
from strawberry_response_cache.core.algorithm.flights import (
    Failed,
    Flight,
    Generation,
    Landed,
    NotShared,
)
from strawberry_response_cache.core.algorithm.parts import Parts
from strawberry_response_cache.core.algorithm.requests import (
    Detach,
    Flow,
    Generate,
    RefreshInBackground,
)
from strawberry_response_cache.core.algorithm.storing import commit, record_value
from strawberry_response_cache.core.protocol import Lease, Release, Throttle, Unavailable, failure
from strawberry_response_cache.core.serialization.serializer import Diverted, NotStored

T = TypeVar("T")

_MARK_SECONDS: Final = 5.0
"""Seconds for which callers of a key generate concurrently, after its value could not be stored."""


def lead(
    call: Call[T],
    lease: Lease | None,
    *,
    due: Refresh[T] | None = None,
    flight: Flight | None = None,
    is_open: bool = True,
    detail: CacheDetail = CacheDetail.STORE_FAILURE,
) -> Flow[T]:
    """Generate the value for the caller and its joiners, and commit it.

    Args:
        call: The caller.
        lease: The right to store; None where the store gave none.
        due: What to serve if this is a refresh and fails.
        flight: The flight to take over, after a promotion; None opens a new one.
        is_open: Whether others may join. A refresh has no joiners: other callers get the old value.
        detail: The detail to return if there is no lease.
    """
    if flight is None:
        flight = call.flights.open(call.keys.entry, leased=lease is not None, joined=is_open)
    flight.parts = Parts()
    flight.began = began = call.clock()
    if lease is not None:
        flight.run = Generation(call.keys, lease, partial(_known_tags, call, flight))
    try:
        try:
            value = yield Generate(flight, call.keys, lease)
            recorded = record_value(call, value, flight, lease, call.clock() - began, due=due)
        finally:
            flight.parts.end()
    except Exception as error:
        call.flights.settle(flight, Failed(error))
        if due is None or not call.serializer.serves_stale:
            yield from call.release(lease)
            raise
        return (yield from _serve_instead(call, due, failure(error)))
    except BaseException as gone:
        yield from call.release(call.flights.abandon(flight, lease), gone)
        raise
    if isinstance(recorded, NotStored):
        if due is not None and recorded.failure is not None:
            call.flights.settle(flight, NotShared())
            return (yield from _serve_instead(call, due, recorded.failure))
        call.flights.marks.set(call.keys.entry, call.clock() + _MARK_SECONDS)
        call.flights.settle(flight, NotShared())
        call.note_unfit_part()
        yield from call.release(lease)
        return CachedResponse(value, CacheStatus.BYPASS, recorded.detail)
    if lease is None:
        call.flights.settle(flight, Landed(recorded.shared))
        call.note_part(recorded.recording, None, None, recorded.recording.ttl_ms)
        return CachedResponse(value, CacheStatus.BYPASS, detail)
    return (yield from commit(call, flight, lease, value, recorded))


def refresh(call: Call[T], due: Refresh[T]) -> Flow[T]:
    """Generate a value again while the old one can be served.

    In the background, the old value is returned at once; also if there is no room for another refresh.
    """
    leading = lead(call, due.lease, due=due, is_open=False)
    if not call.in_background:
        return (yield from leading)
    if not (yield RefreshInBackground(leading)):
        yield Detach(Release(call.keys, due.lease))
    return serve(call, due.served, due.entry)


def _known_tags(call: Call[T], flight: Flight) -> AbstractSet[str]:
    """Return tags that the value will surely carry; called from any thread, while it is generated."""
    return {call.keys.own_tag, *flight.parts.tags, *call.serializer.known_tags()}


def _serve_instead(call: Call[T], due: Refresh[T], fault: Unavailable) -> Flow[T]:
    """Serve the old value, because its refresh failed. Until the lease would end, no caller tries another refresh."""
    _log(call, fault)
    yield Detach(Throttle(call.keys, due.lease, call.limits.lease_ms))
    return serve(call, replace(due.served, saved=0.0), due.entry)


def _log(call: Call[T], fault: Unavailable) -> None:
    if (count := call.limits.log.counted()) is None:
        return
    subject = call.subject
    logger.warning(
        "A refresh failed (%s%s%s); the old value is still served.",
        fault.error_name,
        "" if subject is None else f", {subject.shown}",
        count.words,
        extra={"error.type": fault.error_type, "response_cache.failures": count.number}
        | ({} if subject is None else subject.facts),
    )


def generate_alone(call: Call[T], detail: CacheDetail) -> Flow[T]:
    """Generate without a lease or a flight, and store nothing; the value is noted as a part, as usual."""
    value = yield Generate(None, call.keys, None)
    if call.within:
        answer = call.serializer.record(value, Parts())
        if isinstance(answer, NotStored):
            call.note_unfit_part()
        else:
            recording = answer.recording if isinstance(answer, Diverted) else answer
            call.note_part(recording, None, None, recording.ttl_ms)
    return CachedResponse(value, CacheStatus.BYPASS, detail)
