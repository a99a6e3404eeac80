"""Which writes of mutations are known to be invalidated, for every process or for this one only."""

import threading
from collections.abc import Mapping

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._queue import InvalidationQueue
from tests.fuzz.graphql.world import TENANTS
from tests.fuzz.truth import Truth

_has_pending = InvalidationQueue.has_pending
"""As it was imported: a mutant may damage it."""


class Acknowledgements:
    """The writes of the mutations that answered in this process.

    A mutation answers although Redis did not take its invalidation, which is queued then. Until the
    queue of its tenant is empty, only this process promises not to answer what is older. From then on
    every process does.

    Args:
        cache: The cache under test.
        truth: Whose floors rise.
    """

    def __init__(self, cache: ResponseCache, truth: Truth) -> None:
        self._caches = {tenant: cache.for_tenant(tenant) for tenant in TENANTS}
        self._truth = truth
        self._lock = threading.Lock()
        self._pending: dict[str, dict[int, int]] = {tenant: {} for tenant in TENANTS}

    def add(self, tenant: str, written: Mapping[int, int]) -> bool:
        """Note what a mutation wrote that has answered; return whether it counts for every process."""
        with self._lock:
            pending = self._pending[tenant]
            for datum, version in written.items():
                pending[datum] = max(version, pending.get(datum, 0))
        return self.settle(tenant)

    def settle(self, tenant: str) -> bool:
        """Raise the floors to all that was noted, unless an invalidation is queued; return whether it was done."""
        with self._lock:
            settled = dict(self._pending[tenant])
        if not settled:
            return True
        # Asked after the writes were noted: what is queued on their behalf was queued before that.
        if self._has_pending(tenant):
            return False
        self._truth.acknowledge(settled)
        with self._lock:
            pending = self._pending[tenant]
            for datum, version in settled.items():
                if pending.get(datum) == version:
                    del pending[datum]
        return True

    def pending(self, tenant: str) -> dict[int, int]:
        """Return what only this process has to answer."""
        with self._lock:
            return dict(self._pending[tenant])

    def _has_pending(self, tenant: str) -> bool:
        cache = self._caches[tenant]
        return _has_pending(tenant_of(cache).engine.queue, cache._keyspace)
