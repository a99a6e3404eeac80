"""What generators read from: a database whose content changes and whose reads can be held up."""

import asyncio
import threading
from typing import Any, NamedTuple

from strawberry_response_cache.core import CacheDetail, CachedResponse, ResponseCache
from tests.conftest import Eventually

PATIENCE = 60


class Database:
    """One row, read by generators of either face.

    Attributes:
        content: What the row holds.
        reads: How often it was read.
    """

    def __init__(self, content: str = "old") -> None:
        self.content = content
        self.reads = 0
        self._being_read = threading.Event()
        self._go = threading.Event()

    def read(self) -> str:
        """Read the row."""
        self.reads += 1
        return self.content

    def read_slowly(self) -> str:
        """Read the row, and return it when `let_go` says so: it may be outdated by then."""
        content = self.read()
        self._being_read.set()
        assert self._go.wait(PATIENCE)
        return content

    def is_being_read(self) -> bool:
        """Whether a slow read has begun."""
        return self._being_read.is_set()

    def let_go(self) -> None:
        """Let slow reads return."""
        self._go.set()


class Held(NamedTuple):
    """A lease that is held by a run which goes on until its database lets go."""

    database: Database
    leader: asyncio.Future[CachedResponse[Any]]


async def hold(cache: ResponseCache, face: Any, eventually: Eventually) -> Held:
    """Begin to generate the entry `a`, and hold its lease."""
    database = Database()
    leader = face.begin(cache, ["a"], 600, database.read_slowly, tags=["t"])
    await eventually(database.is_being_read)
    return Held(database, leader)


async def assert_nobody_is_waited_for(cache: ResponseCache, face: Any, held: Held) -> None:
    """Assert that the lease of a run that can store nothing any more keeps nobody waiting."""
    try:
        async with asyncio.timeout(60):
            response = await face.remember(cache, ["a"], 600, lambda: "new", tags=["t"])
        assert (response.value, response.detail) == ("new", CacheDetail.GENERATED)
    finally:
        held.database.let_go()
    assert (await held.leader).detail is not CacheDetail.GENERATED
    assert (await face.remember(cache, ["a"], 600, lambda: "no", tags=["t"])).value == "new"
