"""Data that a server loses, at any moment, makes lookups misses, and invalidated values are not served again."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from tests.faults.callers import Callers, giving
from tests.faults.proxy import Proxy

Loss = Callable[[Any, Any], object]

LOSSES: Final[Mapping[str, Loss]] = {
    "everything": lambda raw, keys: raw.flushall(),
    "the tag table": lambda raw, keys: raw.unlink(keys.tags),
    "the entry": lambda raw, keys: raw.unlink(keys.entry),
    "the lease": lambda raw, keys: raw.unlink(keys.lease),
}


@pytest.mark.parametrize("command", ["EVALSHA", "GET"])
@pytest.mark.parametrize("loss", LOSSES)
async def test_data_lost_during_a_lookup_makes_the_lookup_a_miss_at_most(
    proxy: Proxy,
    unhurried: ResponseCache,
    callers: Callers,
    raw_valkey: Any,
    loss: str,
    command: str,
) -> None:
    """GET is sent together with the script, so data that is lost before GET is lost after the check."""
    keys = tenant_of(unhurried).keys(["a"])
    await callers.warm_up(unhurried, ["a"], 600, "stored")
    proxy.before(command, lambda: LOSSES[loss](raw_valkey, keys))

    for _ in range(3):
        response = await callers.remember(unhurried, ["a"], 600, lambda: "stored")
        assert response.value == "stored"
        assert response.detail is not CacheDetail.STORE_FAILURE
    proxy.heal()
    raw_valkey.unlink(keys.lease)

    await callers.warm_up(unhurried, ["a"], 600, "stored")


@pytest.mark.parametrize("loss", LOSSES)
async def test_after_an_invalidation_and_a_loss_of_data_a_run_from_before_stores_nothing(
    direct: ResponseCache, unhurried: ResponseCache, callers: Callers, raw_valkey: Any, loss: str
) -> None:
    keys = tenant_of(direct).keys(["a"])

    def generate() -> str:
        direct.invalidate_sync("t")
        LOSSES[loss](raw_valkey, keys)
        # Somebody else's call makes a new tag table, with a new clock.
        direct.remember_sync(["other"], 600, lambda: "other", tags=["t"])
        return "old"

    first = await callers.remember(unhurried, ["a"], 600, generate, tags=["t"])
    assert (first.value, first.detail) == ("old", CacheDetail.REFUSED)

    new = await callers.remember(unhurried, ["a"], 600, lambda: "new", tags=["t"])
    assert (new.value, new.status) == ("new", CacheStatus.MISS)


@pytest.mark.parametrize("loss", LOSSES)
async def test_an_entry_that_was_invalidated_before_data_is_lost_is_not_served_again(
    direct: ResponseCache, callers: Callers, raw_valkey: Any, loss: str
) -> None:
    keys = tenant_of(direct).keys(["a"])
    await callers.remember(direct, ["a"], 600, lambda: "old", tags=["t"])
    await callers.invalidate_by(direct, "invalidate")
    LOSSES[loss](raw_valkey, keys)
    await callers.remember(direct, ["other"], 600, lambda: "other", tags=["t"])

    new = await callers.remember(direct, ["a"], 600, lambda: "new", tags=["t"])
    assert (new.value, new.status) == ("new", CacheStatus.MISS)


async def test_callers_get_their_values_while_redis_is_flushed_before_every_script(
    proxy: Proxy, unhurried: ResponseCache, callers: Callers, raw_valkey: Any
) -> None:
    await callers.warm_up(unhurried, ["warm"], 600, "stored")
    proxy.before("EVALSHA", raw_valkey.flushall)
    for number in range(10):
        response = await callers.remember(unhurried, ["a"], 600, giving(number))
        assert response.value == number
        assert response.detail is CacheDetail.REFUSED
