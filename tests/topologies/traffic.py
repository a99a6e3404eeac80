"""Traffic on one entry, which notices every read that is older than an acknowledged invalidate."""

import asyncio
import time
from collections import Counter
from typing import Any, Final, Self

from strawberry_response_cache.core import CacheStatus, CacheStoreError, ResponseCache

KEY: Final = ["row"]
TAG: Final = "row"

_READERS: Final = 3
_THINKING: Final = 0.002
_PATIENCE: Final = 60


class Traffic:
    """A writer and some readers of one row, from `async with` to its end.

    The row holds a number that only grows. The writer raises it and invalidates; once the invalidation is
    acknowledged, no read that begins later may return a smaller number. An error of a read ends the
    traffic and fails the test; an invalidation that raises is not acknowledged, and is counted.

    Args:
        cache: The cache.
        face: Which of its faces to use.

    Attributes:
        statuses: How often reads came to each status.
        acknowledged: The number of the last invalidation that was acknowledged.
        unacknowledged: How many invalidations raised.
        outdated: What was promised and what was read, for each read that was too old.
    """

    def __init__(self, cache: ResponseCache, face: Any) -> None:
        self._cache = cache
        self._face = face
        self._row = 0
        self._over = False
        self._tasks: list[asyncio.Task[None]] = []
        self.statuses: Counter[CacheStatus] = Counter()
        self.acknowledged = 0
        self.unacknowledged = 0
        self.outdated: list[tuple[int, int]] = []

    async def _read(self) -> None:
        while not self._over:
            promised = self.acknowledged
            response = await self._face.begin(
                self._cache, KEY, 60, lambda: self._row, tags=[TAG], stale=60
            )
            self.statuses[response.status] += 1
            if response.value < promised:
                self.outdated.append((promised, response.value))
            await asyncio.sleep(_THINKING)

    async def _write(self) -> None:
        while not self._over:
            self._row += 1
            written = self._row
            try:
                await self._invalidate()
            except CacheStoreError:
                self.unacknowledged += 1
            else:
                self.acknowledged = written
            await asyncio.sleep(_THINKING * 10)  # so that most reads are hits

    async def _invalidate(self) -> None:
        if self._face.synchronous:
            await asyncio.to_thread(self._cache.invalidate_sync, TAG)
        else:
            await self._cache.invalidate(TAG)

    async def flows(self) -> None:
        """Wait until more reads have hit and more invalidations were acknowledged than by now."""
        hits, invalidates = self.statuses[CacheStatus.HIT] + 10, self.acknowledged + 3
        deadline = time.monotonic() + _PATIENCE
        while self.statuses[CacheStatus.HIT] < hits or self.acknowledged < invalidates:
            for task in self._tasks:
                if task.done():
                    task.result()
            assert time.monotonic() < deadline, f"no more hits or invalidates: {self!r}"
            await asyncio.sleep(_THINKING)

    def __repr__(self) -> str:
        """Sum it up as a failed assertion shows it."""
        return (
            f"<Traffic {dict(self.statuses)}, {self.acknowledged} invalidates, "
            f"{self.unacknowledged} refused, {self.outdated[:3]} outdated>"
        )

    async def __aenter__(self) -> Self:
        """Begin."""
        self._tasks = [asyncio.create_task(self._read()) for _ in range(_READERS)]
        self._tasks.append(asyncio.create_task(self._write()))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let everyone finish what they are at."""
        self._over = True
        await asyncio.gather(*self._tasks)
