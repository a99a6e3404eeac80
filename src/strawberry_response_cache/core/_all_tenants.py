"""Clears all tenants of a cache, one after the other, for operators and between tests.

Redis has no list of a cache's tenants. A tenant without a tag table has no entry that counts, so it is enough to find the
tag tables.
"""

from typing import TYPE_CHECKING, Final

from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._inspection import Inspection
from strawberry_response_cache.core._invalidations import Invalidations
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core.protocol.scans import Page, Scan
from strawberry_response_cache.core.redis.async_transport import AsyncCluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from strawberry_response_cache.core._values import RememberedValues

_NO_CLUSTER: Final = "The tenants of a cluster are cleared by the sync form only; call that, in a thread where an event loop runs."


class AllTenants:
    """All tenants of a cache, the cache itself included."""

    def __init__(self, cache: "RememberedValues") -> None:
        self._engine, self._keyspace = cache._engine, cache._keyspace  # noqa: SLF001 - beside it
        self._subject, self._inspection = cache._subject, Inspection(cache)  # noqa: SLF001 - as above

    async def clear(self) -> None:
        """Clear every tenant.

        Raises:
            CacheConfigurationError: If the server is a cluster.
            CacheStoreError: If Redis failed; some tenants may be cleared then.
        """
        driver = self._engine.async_driver()
        if isinstance(driver.transport, AsyncCluster):
            raise CacheConfigurationError(_NO_CLUSTER)
        tenants: set[str] = set()
        cursor: str | None = None
        while cursor != "0":
            page = await driver.invalidating.perform(Scan(self._pattern, cursor or "0"))
            if not isinstance(page, Page):
                self._engine.check(page)
                return
            tenants |= self._tenants(page.keys)
            cursor = page.cursor
        for tenant in tenants:
            invalidations = self._of(tenant)
            await invalidations.perform(invalidations.of_everything(queued=False))
        self._empty_local_memory()

    def clear_sync(self) -> None:
        """Clear every tenant. This is the sync form of `clear`; it also works on a cluster.

        Raises:
            CacheStoreError: If Redis failed; some tenants may be cleared then.
        """
        for _ in self.clear_stepwise():
            pass

    def clear_stepwise(self) -> "Iterator[int]":
        """Clear every tenant, and yield how many were cleared after each page of the servers' keys.

        It is not atomic: tenants that a request begins to use meanwhile may be left out.

        Raises:
            CacheStoreError: If Redis failed; the tenants that were cleared until then stay cleared.
        """
        cleared: set[str] = set()
        for _, keys in self._inspection.pages(self._pattern):
            for tenant in self._tenants(keys) - cleared:
                invalidations = self._of(tenant)
                invalidations.perform_sync(invalidations.of_everything(queued=False))
                cleared.add(tenant)
            yield len(cleared)
        self._empty_local_memory()

    @property
    def _pattern(self) -> str:
        return f"{self._keyspace.pattern_of_all}}}:t"

    def _tenants(self, keys: "Iterable[str]") -> set[str]:
        found = map(self._keyspace.found, keys)
        return {each.tenant for each in found if each is not None}

    def _of(self, tenant: str) -> Invalidations:
        slots = self._keyspace.slots_per_tenant
        keyspace = Keyspace(self._keyspace.prefix, slots_per_tenant=slots, within=tenant)
        return Invalidations(self._engine, keyspace, self._subject)

    def _empty_local_memory(self) -> None:
        """Empty local memory: an entry there may be of a tenant whose tag table the server has evicted."""
        for driver in self._engine.drivers():
            if driver.memory is not None:
                driver.memory.drop_all()
