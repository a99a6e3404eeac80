"""The end of step 4: a generated value is recorded, and committed after its flight is sealed."""

import math
from dataclasses import dataclass, replace
from typing import TypeVar

from strawberry_response_cache.core._invalidation_log import Ticket
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core.algorithm.call import Call
from strawberry_response_cache.core.algorithm.existing import Refresh, keep
from strawberry_response_cache.core.algorithm.flights import Flight, Landed, LookAgain
from strawberry_response_cache.core.algorithm.requests import CallerGoneError, Detach, Flow
from strawberry_response_cache.core.protocol import Commit, Lease, Release, Stored, Unavailable
from strawberry_response_cache.core.protocol.entry import Entry, ValueRecording
from strawberry_response_cache.core.serialization.serializer import Diverted, NotStored

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A generated value, ready to be stored.

    Attributes:
        recording: The value.
        clock: The lowest clock among the lease and the value's parts.
        shared: The recording for the requested keys and for joiners: the value, or a marker.
        beside: What is stored with a marker: the value under other keys, or parts of a value that is not stored.
        refused: Why only a marker is stored; None if the value is stored.
    """

    recording: ValueRecording
    clock: int | None
    shared: ValueRecording
    beside: tuple[tuple[EntryKeys, ValueRecording], ...] = ()
    refused: NotStored | None = None


def record_value(
    call: Call[T],
    value: T,
    flight: Flight,
    lease: Lease | None,
    seconds: float,
    *,
    due: Refresh[T] | None,
) -> Recorded | NotStored:
    """Turn a value into a recording that includes its parts.

    Args:
        call: The caller.
        value: The value.
        flight: Its flight.
        lease: The right to store; None if nothing can be stored.
        seconds: How long generating it took.
        due: What can be served instead, if it is a refresh.
    """
    if call.collected is not None:
        flight.parts.add_all(call.collected)
    answer = call.serializer.record(value, flight.parts)
    if isinstance(answer, NotStored):
        instead = answer.instead
        # Do not replace an entry that is still fresh, or that can be served instead of a failure.
        is_kept = due is not None and (
            answer.failure is not None or due.served.detail is not CacheDetail.STALE
        )
        if instead is None or lease is None or is_kept:
            return answer
        found = [
            (keys, _folded(call, each, flight, lease, seconds, apart=answer.apart))
            for keys, each in answer.beside
        ]
        # Each has the parts of the whole generation, and so the same clock.
        beside = tuple((keys, each[0]) for keys, each in found if each is not None)
        clock = next((each[1] for _, each in found if each is not None), None)
        return Recorded(instead, clock, instead, beside, refused=answer)
    recording = answer.recording if isinstance(answer, Diverted) else answer
    folded = _folded(call, recording, flight, lease, seconds)
    if folded is None:
        return NotStored(CacheDetail.UNCACHEABLE_PART)
    recording, clock = folded
    if isinstance(answer, Diverted):
        beside = () if answer.keys is None else ((answer.keys, recording),)
        return Recorded(recording, clock, answer.marker, beside)
    return Recorded(recording, clock, recording)


def _folded(
    call: Call[T],
    recording: ValueRecording,
    flight: Flight,
    lease: Lease | None,
    seconds: float,
    *,
    apart: frozenset[str] = frozenset(),
) -> tuple[ValueRecording, int | None] | None:
    """Return a recording with its cost, its shortened ttl and the parts of the generation, and its clock.

    Return None if a part keeps it from being stored.
    """
    ttl_ms = recording.ttl_ms
    if call.limits.jitter:
        ttl_ms = math.ceil(ttl_ms * (1 - call.limits.jitter * call.jitter()))
    recording = replace(recording, ttl_ms=ttl_ms, cost_ms=round(seconds * 1000))
    return flight.parts.fold(recording, call.keys, lease, apart)


def commit(call: Call[T], flight: Flight, lease: Lease, value: T, recorded: Recorded) -> Flow[T]:
    """Store a generated value, and share it with the callers that joined."""
    recording, clock = recorded.shared, recorded.clock
    call.flights.seal(flight)
    ticket = call.memory.ticket() if call.memory is not None else None
    landed = Landed(recording, lease.epoch, lease.clock if clock is None else clock)
    try:
        committed = yield Commit(
            call.keys,
            lease,
            recording,
            clock,
            call.limits.compress_above,
            recorded.beside,
            only_absent=recorded.refused is not None,
        )
    except BaseException as gone:
        result = gone.result if isinstance(gone, CallerGoneError) else None
        settle(call, flight, result, landed)
        if result is None:  # the commit may never have been sent
            yield from call.release(lease, gone)
        raise
    settle(call, flight, committed, landed)
    whole, refused = recorded.recording, recorded.refused
    if refused is not None:
        call.note_unfit_part()
    else:  # also if the commit was refused or may be: for the same reason the whole will be refused
        keys = recorded.beside[0][0] if recorded.beside else None
        call.note_part(whole, lease.epoch, landed.clock, whole.ttl_ms, keys=keys)
    if isinstance(committed, Unavailable):
        yield Detach(Release(call.keys, lease))
    is_stored = isinstance(committed, Stored)
    if is_stored:
        _keep_own(call, lease, landed, ticket)
    write_id = lease.token if is_stored else ""
    if refused is not None:
        return CachedResponse(value, CacheStatus.BYPASS, refused.detail, write_id=write_id)
    if is_stored:
        ttl, detail = whole.ttl_ms / 1000, CacheDetail.GENERATED
        return CachedResponse(value, CacheStatus.MISS, detail, ttl=ttl, write_id=write_id)
    failed = isinstance(committed, Unavailable)
    detail = CacheDetail.STORE_FAILURE if failed else CacheDetail.REFUSED
    return CachedResponse(value, CacheStatus.MISS, detail)


def settle(call: Call[T], flight: Flight, committed: object, landed: Landed) -> None:
    """Share the recording if it was stored. If not, callers that joined late look the key up again."""
    if isinstance(committed, Stored):
        call.flights.marks.remove(call.keys.entry)
        call.flights.settle(flight, landed)
    else:
        call.flights.settle(flight, LookAgain(), early=Landed(landed.recording))


def _keep_own(call: Call[T], lease: Lease, landed: Landed, ticket: Ticket | None) -> None:
    if landed.clock is not None:
        recording = landed.recording
        entry = Entry(recording, lease.token, lease.epoch, landed.clock, recording.ttl_ms)
        keep(call, entry, ticket)
