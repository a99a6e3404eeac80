"""Having the value from others: callers of this process who generate it, or another process that does."""

from dataclasses import dataclass
from typing import TypeVar

from strawberry_response_cache.core._entry import UnreadableEntryError
from strawberry_response_cache.core._flights import (
    CrowdedError,
    Failed,
    Landed,
    NotShared,
    Promoted,
    ReentrantError,
)
from strawberry_response_cache.core._remember.generating import Generating
from strawberry_response_cache.core._requests import Flow, Join, Pause, Step
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._waiting import Backoff, Watch

T = TypeVar("T")


@dataclass(slots=True)
class Sharing(Generating[T]):
    """Waits for others, and takes what they made."""

    def _join(self, *, leaseless: bool) -> Step[CachedResponse[T] | None]:
        """Wait for another caller's generation; None if there is none, or it came to nothing."""
        try:
            joined = self.flights.join(
                self.keys.entry, self.within, leaseless=leaseless, came=self.came
            )
        except ReentrantError:
            return (yield from self._generate_alone(CacheDetail.REENTRANT))
        except CrowdedError:
            return (yield from self._generate_alone(CacheDetail.WAITED_OUT))
        if joined is None:
            return None
        flight, waiter = joined
        try:
            yield Join(waiter, self.limits.wait_budget)
        except BaseException as gone:
            yield from self._release(self.flights.leave(flight, waiter, self.within), gone)
            raise
        if waiter.outcome is None:
            yield from self._release(self.flights.leave(flight, waiter, self.within))
            return (yield from self._generate_alone(CacheDetail.WAITED_OUT))
        self.flights.arrived(flight, self.within)
        match waiter.outcome:
            case Landed() as landed:
                return (yield from self._share(landed))
            case Failed() as failed:
                failed.raise_again()
            case NotShared():
                return (yield from self._generate_alone(CacheDetail.UNCACHEABLE))
            case Promoted(lease):
                return (yield from self._lead(lease, flight=flight))
            case _:
                return None

    def _share(self, landed: Landed) -> Flow[T]:
        recording = landed.recording
        try:
            value = self.serializer.read(recording)
        except UnreadableEntryError:
            # Its leader gave another type for the same key.
            return (yield from self._generate_alone(CacheDetail.UNCACHEABLE))
        # Without a commit nothing proves that it is younger than the lease of a whole around it.
        fit = landed.clock is not None
        self._is_part(recording, landed.epoch, landed.clock, recording.ttl_ms, fit=fit)
        if not fit:
            return CachedResponse(value, CacheStatus.BYPASS, CacheDetail.JOINED)
        ttl = recording.ttl_ms / 1000
        return CachedResponse(value, CacheStatus.MISS, CacheDetail.JOINED, ttl=ttl)

    def _wait_for_release(self, backoff: Backoff, watch: Watch) -> Step[None]:
        """Wait until it is time to look again, as the one who watches, or for that one."""
        if not watch.is_held:
            try:
                joined = self.flights.join(self.keys.lease, (), leaseless=True)
            except CrowdedError:
                backoff.spend(backoff.left)
                return
            if joined is not None:
                flight, waiter = joined
                try:
                    backoff.spend((yield Join(waiter, backoff.left)))
                finally:
                    self.flights.leave(flight, waiter, ())
                return
            watch.begin(self.keys.lease)
        pause = backoff.next_pause()
        waited = yield Pause(pause, self.keys.lease)
        backoff.spend(pause if waited is None else waited)

    def _without_lease(self, detail: CacheDetail) -> Flow[T]:
        """Generate without storing, once for all callers of this process that came before.

        Those who come later wait for it and share the next.
        """
        while self.flights.has(self.keys.entry):
            if (joined := (yield from self._join(leaseless=True))) is not None:
                return joined
        return (yield from self._lead(None, detail=detail))
