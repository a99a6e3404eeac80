"""A server is killed and comes back with an older snapshot: what was invalidated since stays invalidated."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from tests.conftest import Eventually
from tests.servers import standalone
from tests.servers.standalone import Standalone
from tests.topologies.sources import Database

INVALIDATIONS = ["invalidate", "forget", "clear"]

NewCache = Callable[..., ResponseCache]


@pytest.fixture
def server() -> Iterator[Standalone]:
    """A server of this test alone."""
    with standalone.plain() as started:
        yield started


def save(server: Standalone) -> None:
    with server.admin() as admin:
        admin.save()


def restart_from_snapshot(server: Standalone) -> None:
    server.node.kill()
    server.node.start()


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_an_invalidation_that_the_snapshot_lacks_is_not_undone(
    new_cache: NewCache, server: Standalone, face: Any, what: str
) -> None:
    cache, fresh = new_cache(server.url), new_cache(server.url)
    await face.remember(cache, ["a"], 600, lambda: "old", tags=["t"])
    save(server)
    await face.invalidate_by(cache, what)

    restart_from_snapshot(server)

    assert (await face.remember(fresh, ["a"], 600, lambda: "new", tags=["t"])).value == "new"
    assert (await face.remember(cache, ["a"], 600, lambda: "no", tags=["t"])).value == "new"


@pytest.mark.parametrize("what", INVALIDATIONS)
async def test_a_commit_after_the_restart_is_judged_by_the_invalidation_that_the_snapshot_lacks(
    new_cache: NewCache,
    server: Standalone,
    face: Any,
    eventually: Eventually,
    what: str,
) -> None:
    cache, database = new_cache(server.url), Database()
    leader = face.begin(cache, ["a"], 600, database.read_slowly, tags=["t"])
    await eventually(database.is_being_read)
    save(server)
    database.content = "new"
    await face.invalidate_by(cache, what)

    restart_from_snapshot(server)
    database.let_go()

    assert (await leader).detail is not CacheDetail.GENERATED
    assert (await face.remember(cache, ["a"], 600, database.read, tags=["t"])).value == "new"


async def test_a_restart_costs_misses_and_then_entries_hit_again(
    new_cache: NewCache, server: Standalone, face: Any
) -> None:
    cache = new_cache(server.url)
    await face.remember(cache, ["a"], 600, lambda: "old", tags=["t"])
    save(server)

    restart_from_snapshot(server)

    again = await face.remember(cache, ["a"], 600, lambda: "new", tags=["t"])
    assert again.status is CacheStatus.MISS
    assert (await face.remember(cache, ["a"], 600, lambda: "no", tags=["t"])).value == "new"
