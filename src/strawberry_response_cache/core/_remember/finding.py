"""What there is already: in local memory, or in the store, judged by the server."""

import math
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from strawberry_response_cache.core._entry import Entry, UnreadableEntryError
from strawberry_response_cache.core._memory import Ticket
from strawberry_response_cache.core._port import (
    Fresh,
    Held,
    Judgement,
    Lease,
    Lookup,
    NoLease,
    Release,
    Stale,
    Unavailable,
    Unreadable,
)
from strawberry_response_cache.core._remember.asking import Asking
from strawberry_response_cache.core._requests import CallerGoneError, Step
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refresh(Generic[T]):
    """A response that is still good enough, its entry, and the lease to refresh it."""

    served: CachedResponse[T]
    entry: Entry
    lease: Lease

    def left_ms(self, seconds: float) -> int:
        """Return how long it is still good enough, this many seconds after it was read."""
        return self.entry.remaining_ms + self.entry.recording.stale_ms - round(seconds * 1000)


@dataclass(slots=True)
class Finding(Asking[T]):
    """Looks for the value."""

    def _from_memory(self) -> CachedResponse[T] | None:
        if self.memory is None or (entry := self.memory.get(self.keys)) is None:
            return None
        try:
            return self._hit(entry, CacheDetail.LOCAL)
        except UnreadableEntryError:
            self.memory.drop(self.keys)
            return None

    def _look_up(self, rejected: str) -> Step[CachedResponse[T] | Refresh[T] | Judgement]:
        """Ask the store; an entry is rebuilt here, and is unreadable if that fails."""
        if self.found is not None:
            found, self.found = self.found, None
            try:
                return self._hit(found.entry, CacheDetail.FRESH)
            except UnreadableEntryError:
                return Unreadable(found.entry.write_id)
        limits = self.limits
        draw = -limits.early_refresh * math.log(1 - self.jitter()) if limits.early_refresh else 0.0
        ticket = self.memory.ticket() if self.memory is not None else None
        try:
            judgement = yield Lookup(
                self.keys, limits.lease_ms, rejected, self.token, draw, limits.max_bytes
            )
        except BaseException as gone:
            result = gone.result if isinstance(gone, CallerGoneError) else None
            if isinstance(result, Unavailable):
                if result.sent:  # as where the caller is still there: else it was granted nothing
                    yield Release(self.keys, self._any_lease(), in_doubt=True)
            elif not isinstance(result, Fresh | Held | NoLease):
                yield from self._release(self._any_lease(), gone)
            raise
        try:
            match judgement:
                case Fresh(entry):
                    hit = self._hit(entry, CacheDetail.FRESH)
                    self._keep(entry, ticket)
                    return hit
                case Stale(entry, lease):
                    is_stale = entry.remaining_ms <= 0
                    served = self._read(entry, CacheDetail.STALE if is_stale else CacheDetail.FRESH)
                    return (
                        self._serve(served, entry)
                        if lease is None
                        else Refresh(served, entry, lease)
                    )
                case _:
                    return cast("Judgement", judgement)
        except UnreadableEntryError:
            return Unreadable(cast("Fresh | Stale", judgement).entry.write_id)

    def _hit(self, entry: Entry, detail: CacheDetail) -> CachedResponse[T]:
        return self._serve(self._read(entry, detail), entry)

    def _read(self, entry: Entry, detail: CacheDetail) -> CachedResponse[T]:
        value = self.serializer.read(entry.recording)
        return CachedResponse(value, CacheStatus.HIT, detail, entry.age, entry.ttl)

    def _serve(self, served: CachedResponse[T], entry: Entry) -> CachedResponse[T]:
        """Return what there is; that makes it a part of what the caller generates."""
        fit = served.detail is not CacheDetail.STALE
        self._is_part(entry.recording, entry.epoch, entry.clock, entry.remaining_ms, fit=fit)
        return served

    def _keep(self, entry: Entry, ticket: Ticket | None) -> None:
        if self.memory is not None and ticket is not None:
            self.memory.keep(self.keys, entry, ticket)
