"""All tenants of a cache cleared at once, for tests between which nothing may be left.

Redis has no list of a cache's tenants. A tenant without a tag table has no entry that counts, so it is enough to find the
tag tables.
"""

from typing import TYPE_CHECKING, Final

from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._invalidations import Invalidations
from strawberry_response_cache.core._keys import FORMAT_VERSION, Keyspace
from strawberry_response_cache.core.protocol.scans import Page, Scan
from strawberry_response_cache.core.redis.async_transport import AsyncCluster
from strawberry_response_cache.core.redis.sync_transport import SyncCluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from strawberry_response_cache.core._engine import Engine
    from strawberry_response_cache.core._observer import Subject
    from strawberry_response_cache.core.drivers.async_driver import AsyncDriver
    from strawberry_response_cache.core.drivers.sync_driver import SyncDriver
    from strawberry_response_cache.core.protocol import Unavailable

_NO_CLUSTER: Final = (
    "A cluster has no list of a cache's tenants. Clear each with cache.for_tenant(...).clear(), or give the tests a "
    "single server or memory://."
)


class AllTenants:
    """All tenants of a cache, the cache itself included.

    Args:
        engine: The state of the cache.
        keyspace: The keys of the cache, or of any tenant.
        subject: The cache, for the observer.
    """

    def __init__(self, engine: "Engine", keyspace: Keyspace, subject: "Subject") -> None:
        self._engine = engine
        self._keyspace = keyspace
        self._subject = subject

    async def clear(self) -> None:
        """Clear every tenant.

        Raises:
            CacheConfigurationError: If the server is a cluster.
            CacheStoreError: If Redis did not take it.
        """
        driver = self._engine.async_driver()
        tags = self._tag_tables(driver)
        while (scan := tags.next()) is not None:
            tags.add(await driver.invalidating.perform(scan))
        for tenant in tags.tenants:
            await self._of(tenant).clear(queued=False)
        self._forget_locally()

    def clear_sync(self) -> None:
        """Clear every tenant; the sync form of `clear`."""
        driver = self._engine.sync_driver()
        tags = self._tag_tables(driver)
        while (scan := tags.next()) is not None:
            tags.add(driver.invalidating.perform(scan))
        for tenant in tags.tenants:
            self._of(tenant).clear_sync(queued=False)
        self._forget_locally()

    def _tag_tables(self, driver: "AsyncDriver | SyncDriver") -> "_TagTables":
        if isinstance(driver.transport, AsyncCluster | SyncCluster):
            raise CacheConfigurationError(_NO_CLUSTER)
        return _TagTables(self._keyspace.prefix, self._engine.check)

    def _of(self, tenant: str) -> Invalidations:
        slots = self._keyspace.slots_per_tenant
        keyspace = Keyspace(self._keyspace.prefix, slots_per_tenant=slots, within=tenant)
        return Invalidations(self._engine, keyspace, self._subject)

    def _forget_locally(self) -> None:
        """Empty local memory: an entry there may be of a tenant whose tag table the server has evicted."""
        for driver in self._engine.drivers():
            if driver.memory is not None:
                driver.memory.forget_everything()


class _TagTables:
    """The search for all tag tables of a cache, page by page.

    Args:
        prefix: The name of the cache.
        check: Raises for a failure.

    Attributes:
        tenants: The digests of the tenants that were found.
    """

    def __init__(self, prefix: str, check: "Callable[[Unavailable], None]") -> None:
        self._pattern = f"{{{prefix}:{FORMAT_VERSION}:*}}:t"
        self._check = check
        self._cursor: str | None = "0"
        self.tenants: set[str] = set()

    def next(self) -> Scan | None:
        """Return the next page to read; None if there is none."""
        return None if self._cursor is None else Scan(self._pattern, self._cursor)

    def add(self, page: "Page | Unavailable") -> None:
        """Note the tenants on a page."""
        if not isinstance(page, Page):
            self._check(page)
            return
        # With several slots, the slot stands before the digest.
        self.tenants.update(key.removesuffix("}:t").rpartition(":")[2] for key in page.keys)
        self._cursor = page.cursor if page.cursor != "0" else None
