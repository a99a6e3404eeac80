"""Step 1 and 3: an existing entry, in local memory or in the store."""

import math
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from strawberry_response_cache.core._invalidation_log import Ticket
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core.algorithm.call import Call
from strawberry_response_cache.core.algorithm.requests import CallerGoneError, Step
from strawberry_response_cache.core.protocol import (
    Fresh,
    Held,
    Lease,
    Lookup,
    LookupAnswer,
    NoLease,
    Release,
    Stale,
    Unavailable,
    Unreadable,
)
from strawberry_response_cache.core.protocol.entry import Entry, UnreadableEntryError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refresh(Generic[T]):
    """A response that can still be served, its entry, and the lease to refresh it."""

    served: CachedResponse[T]
    entry: Entry
    lease: Lease


def from_memory(call: Call[T]) -> CachedResponse[T] | None:
    """Return a hit from local memory, if there is one."""
    if call.memory is None or (entry := call.memory.get(call.keys)) is None:
        return None
    try:
        return _hit(call, entry, CacheDetail.LOCAL)
    except UnreadableEntryError:
        call.memory.drop(call.keys)
        return None


def _take_found(
    call: Call[T], found: Fresh | Unavailable
) -> CachedResponse[T] | Unreadable | Unavailable:
    call.found = None
    if isinstance(found, Unavailable):
        return found
    try:
        return _hit(call, found.entry, CacheDetail.FRESH)
    except UnreadableEntryError:
        return Unreadable(found.entry.write_id)


def look_up(call: Call[T], rejected: str) -> Step[CachedResponse[T] | Refresh[T] | LookupAnswer]:
    """Take the prefetched entry or look the key up, and rebuild the value.

    An entry that cannot be rebuilt counts as unreadable. A fresh one from Redis is kept in local memory.
    """
    if call.found is not None:
        return _take_found(call, call.found)
    limits = call.limits
    draw = -limits.early_refresh * math.log(1 - call.jitter()) if limits.early_refresh else 0.0
    ticket = call.memory.ticket() if call.memory is not None else None
    try:
        answer = yield Lookup(
            call.keys,
            limits.lease_ms,
            rejected,
            call.token,
            draw,
            limits.max_bytes,
            limits.confirmed,
        )
    except BaseException as gone:
        result = gone.result if isinstance(gone, CallerGoneError) else None
        if isinstance(result, Unavailable):
            if result.sent:  # an unsent lookup granted no lease
                yield Release(call.keys, call.any_lease(), in_doubt=True)
        elif not isinstance(result, Fresh | Held | NoLease):
            yield from call.release(call.any_lease(), gone)
        raise
    try:
        match answer:
            case Fresh(entry):
                hit = _hit(call, entry, CacheDetail.FRESH)
                keep(call, entry, ticket)
                return hit
            case Stale(entry, lease):
                is_stale = entry.remaining_ms <= 0
                served = _response_of(
                    call, entry, CacheDetail.STALE if is_stale else CacheDetail.FRESH
                )
                return (
                    serve(call, served, entry) if lease is None else Refresh(served, entry, lease)
                )
            case _:
                return cast("LookupAnswer", answer)
    except UnreadableEntryError:
        return Unreadable(cast("Fresh | Stale", answer).entry.write_id)


def _hit(call: Call[T], entry: Entry, detail: CacheDetail) -> CachedResponse[T]:
    return serve(call, _response_of(call, entry, detail), entry)


def _response_of(call: Call[T], entry: Entry, detail: CacheDetail) -> CachedResponse[T]:
    value = call.serializer.read(entry.recording)
    saved = entry.recording.cost_ms / 1000
    return CachedResponse(
        value, CacheStatus.HIT, detail, entry.age, entry.ttl, saved, entry.write_id
    )


def serve(call: Call[T], served: CachedResponse[T], entry: Entry) -> CachedResponse[T]:
    """Return an existing value, and note it as a part of what the caller generates."""
    fit = served.detail is not CacheDetail.STALE
    call.note_part(entry.recording, entry.epoch, entry.clock, entry.remaining_ms, fit=fit)
    return served


def keep(call: Call[T], entry: Entry, ticket: Ticket | None) -> None:
    """Keep an entry in local memory, if that is on."""
    if call.memory is not None and ticket is not None:
        call.memory.keep(call.keys, entry, ticket)
