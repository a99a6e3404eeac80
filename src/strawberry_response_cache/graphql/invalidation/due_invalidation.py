"""What a mutation has to invalidate, once, or again for database replicas that lag."""

import asyncio
from collections.abc import Coroutine
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.graphql._guard import Guard


@dataclass(frozen=True, slots=True)
class DueInvalidation:
    """Tags to invalidate in a tenant, or the whole tenant. What Redis does not take is queued.

    Attributes:
        cache: The tenant's cache.
        tags: The tags.
        everything: Whether it is the whole tenant.
    """

    cache: ResponseCache
    tags: AbstractSet[str]
    everything: bool

    async def invalidate(self) -> None:
        """Invalidate the tags, or the whole tenant.

        Raises:
            CacheError: If it can neither be invalidated nor queued.
        """
        if self.tags:
            await self.cache.invalidate(*sorted(self.tags), queued=True)
        if self.everything:
            await self.cache.clear(queued=True)

    def invalidate_sync(self) -> None:
        """Invalidate the tags, or the whole tenant; the sync form of `invalidate`."""
        if self.tags:
            self.cache.invalidate_sync(*sorted(self.tags), queued=True)
        if self.everything:
            self.cache.clear_sync(queued=True)

    def invalidate_in(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Invalidate the tags, or the whole tenant, in another thread's event loop; in this thread if it has ended."""
        begun = None
        if loop is not None and loop.is_running():
            begun = posted(self.invalidate(), loop)
        if begun is None:
            self.invalidate_sync()
        else:
            begun.add_done_callback(partial(Guard().step, self._make_up))

    def _make_up(self, begun: Future[None]) -> None:
        if begun.cancelled():  # the loop ends
            self.invalidate_sync()


def posted(
    coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
) -> Future[None] | None:
    """Run a coroutine in the event loop of another thread, and return its future; None if that loop is closed."""
    try:
        return asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:
        coroutine.close()
        return None
