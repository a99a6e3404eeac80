"""A server that is full and evicts nothing: invalidations take effect, and invalidated entries make room."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from tests.faults.callers import Callers, giving
from tests.servers import debian_redis
from tests.servers.valkey import valkey_node

if TYPE_CHECKING:
    from tests.servers.node import Node

LARGE = "x" * 20_000
ENTRIES = 200
"""More than there is room for."""


@pytest.fixture(params=["valkey", "debian"])
def raw(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A plain client of a server of this test alone, of each kind that there is."""
    if request.param == "debian" and (reason := debian_redis.why_not()):
        pytest.skip(reason)
    node: Node = valkey_node() if request.param == "valkey" else debian_redis.plain_node()
    with node, node.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        yield client


@pytest.fixture
def full(new_cache: Callable[..., ResponseCache], raw: Any) -> ResponseCache:
    """A cache on that server."""
    port = raw.connection_pool.connection_kwargs["port"]
    return new_cache(f"redis://127.0.0.1:{port}", compress_above=10**6)


def fill(raw: Any, *, room_for: int = 0) -> None:
    """Leave room for so many large entries and no more."""
    raw.config_set("maxmemory", raw.info("memory")["used_memory"] + room_for * len(LARGE) or 1)


async def ask(cache: ResponseCache, callers: Callers, number: int, value: str) -> Any:
    tags = ["all", f"t{number}"]
    return await callers.remember(cache, [str(number)], 600, giving(value), tags=tags)


async def test_an_invalidation_on_a_full_server_invalidates_only_entries_with_its_tags(
    full: ResponseCache, raw: Any, callers: Callers, face: Any
) -> None:
    for number in range(3):
        await ask(full, callers, number, "old")
    raw.config_set("maxmemory", 1)

    await face.invalidate(full, "t0")

    for number in (1, 2):
        kept = await ask(full, callers, number, "new")
        assert (kept.value, kept.status) == ("old", CacheStatus.HIT)
    for _ in range(2):
        assert (await ask(full, callers, 0, "new")).value == "new"
    raw.config_set("maxmemory", 0)
    assert (await ask(full, callers, 0, "newer")).value != "old"
    assert (await ask(full, callers, 1, "newer")).value == "old"


async def test_many_tags_that_are_invalidated_on_a_full_server_stay_invalidated(
    full: ResponseCache, raw: Any, callers: Callers, face: Any
) -> None:
    for number in range(20):
        await ask(full, callers, number, "old")
    raw.config_set("maxmemory", 1)

    await face.invalidate(full, *(f"t{number}" for number in range(10)))
    await face.invalidate(full, *(f"t{number}" for number in range(10)))
    raw.config_set("maxmemory", 0)

    values = [(await ask(full, callers, number, "new")).value for number in range(20)]
    assert values == ["new"] * 10 + ["old"] * 10


@pytest.mark.parametrize("how", ["tag", "clear"])
async def test_after_an_invalidation_of_everything_a_full_server_stores_again(
    full: ResponseCache, raw: Any, callers: Callers, face: Any, how: str
) -> None:
    """An invalidated entry is deleted when its key is asked for, which makes room."""
    fill(raw, room_for=50)
    details = [(await ask(full, callers, n, f"old{LARGE}")).detail for n in range(ENTRIES)]
    stored = details.count(CacheDetail.GENERATED)
    assert 0 < stored < ENTRIES, "it is full now"

    await (face.invalidate(full, "all") if how == "tag" else face.clear(full))
    for number in range(ENTRIES):
        assert (await ask(full, callers, number, f"new{LARGE}")).value.startswith("new")
    again = [await ask(full, callers, number, f"newer{LARGE}") for number in range(ENTRIES)]

    hits = [response for response in again if response.status is CacheStatus.HIT]
    assert {response.value[:3] for response in hits} == {"new"}
    assert len(hits) > stored / 2
    entries = list(raw.scan_iter(match="*}:e:*", count=1000))
    assert len(entries) <= 2 * stored, "what is dead is gone"


@pytest.mark.parametrize("lost", ["an evicted table", "another run of the server"])
async def test_entries_without_their_tag_table_are_deleted_when_they_are_asked_for(
    full: ResponseCache, raw: Any, callers: Callers, lost: str
) -> None:
    await ask(full, callers, 0, "old")
    keys = tenant_of(full).keys(["0"])
    if lost == "an evicted table":
        raw.delete(keys.tags)
    else:
        raw.hset(keys.tags, "r", "another")
    raw.config_set("maxmemory", 1)

    response = await ask(full, callers, 0, "new")

    assert response.value == "new"
    assert not raw.exists(keys.entry)
    assert not raw.exists(keys.lease)


async def test_a_valid_entry_is_never_deleted_to_make_room_for_another(
    full: ResponseCache, raw: Any, callers: Callers
) -> None:
    fill(raw, room_for=20)
    for number in range(ENTRIES):
        await ask(full, callers, number, f"old{LARGE}")
    kept = set(raw.scan_iter(match="*}:e:*", count=1000))

    further = range(ENTRIES, 2 * ENTRIES)
    details = {(await ask(full, callers, number, f"old{LARGE}")).detail for number in further}

    assert kept <= set(raw.scan_iter(match="*}:e:*", count=1000))
    assert details - {CacheDetail.GENERATED}, "it is full"
