"""The steps of `remember`, in their order."""

from dataclasses import dataclass
from typing import TypeVar

from strawberry_response_cache.core._port import (
    Granted,
    Held,
    Moved,
    NoLease,
    Release,
    Unavailable,
    Unreadable,
)
from strawberry_response_cache.core._remember.finding import Refresh
from strawberry_response_cache.core._remember.sharing import Sharing
from strawberry_response_cache.core._requests import Detach, Flow
from strawberry_response_cache.core._response import CacheDetail, CachedResponse
from strawberry_response_cache.core._waiting import Backoff, Watch

T = TypeVar("T")


@dataclass(slots=True)
class Remember(Sharing[T]):
    """One caller asking for one value; its arguments are those of `Asking`."""

    def flow(self) -> Flow[T]:
        """Obtain the value: from memory, a flight, the store, or the generator."""
        self.came = self.clock()
        if self.invalidation_pending:
            return (yield from self._without_lease(CacheDetail.INVALIDATION_PENDING))
        watch = Watch(self.flights)
        try:
            return (yield from self._obtain(watch))
        finally:
            watch.end()

    def _obtain(self, watch: Watch) -> Flow[T]:  # noqa: C901, PLR0912 - one loop, one case for each thing that can be found
        backoff = Backoff(self.limits.wait_budget, self.jitter)
        alone = self.flights.is_marked(self.keys.entry, self.clock())
        rejected: str | None = None
        while True:
            if (remembered := self._from_memory()) is not None:
                return remembered
            if not alone and self.flights.is_open(self.keys.entry):
                watch.end()
                if (joined := (yield from self._join(leaseless=False))) is not None:
                    return joined
            found = yield from self._look_up(rejected or "")
            if not isinstance(found, Held):
                watch.end()
            match found:
                case CachedResponse() as hit:
                    return hit
                case Refresh() as refresh:
                    return (yield from self._refresh(refresh))
                case Granted(lease):
                    return (yield from self._lead(lease, is_open=not alone))
                case Held() if any(flight.key == self.keys.entry for flight in self.within):
                    return (yield from self._generate_alone(CacheDetail.REENTRANT))
                case Held() if alone:
                    return (yield from self._generate_alone(CacheDetail.UNCACHEABLE))
                case Held() if self.flights.is_open(self.keys.entry):
                    continue  # it is a caller of this process
                case Held() if backoff.is_spent:
                    watch.end()  # whoever waits for this caller is not to wait for its generator
                    return (yield from self._generate_alone(CacheDetail.WAITED_OUT))
                case Held():
                    yield from self._wait_for_release(backoff, watch)
                case NoLease():
                    return (yield from self._without_lease(CacheDetail.NO_LEASE))
                case Unavailable() as failed:
                    # An answer that never came may have been a lease, which would block others.
                    if failed.sent:
                        yield Detach(Release(self.keys, self._any_lease(), in_doubt=True))
                    return (yield from self._without_lease(CacheDetail.STORE_FAILURE))
                case Unreadable(write_id) if rejected is None:
                    rejected = write_id
                case Moved() if rejected is None:
                    rejected = ""
                case _:
                    # Twice not what was judged: this key is not to be trusted now.
                    yield Release(self.keys, self._any_lease())
                    return (yield from self._generate_alone(CacheDetail.STORE_FAILURE))
