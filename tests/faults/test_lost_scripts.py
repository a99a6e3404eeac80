"""If a server has lost its scripts, at any moment, the call is repeated once."""

import asyncio
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from tests.faults.callers import Callers, giving
from tests.faults.proxy import Proxy


@pytest.fixture
def forgetful(proxy: Proxy, raw_valkey: Any) -> Proxy:
    """A proxy to a server that forgets all scripts just before each one that is called by its digest."""
    proxy.before("EVALSHA", raw_valkey.script_flush)
    return proxy


async def test_each_call_whose_script_the_server_has_lost_is_repeated_once(
    forgetful: Proxy, unhurried: ResponseCache, callers: Callers
) -> None:
    for round_of_calls in range(3):
        value = f"value {round_of_calls}"
        miss = await callers.remember(unhurried, ["a"], 600, giving(value), tags=["t"])
        hit = await callers.remember(unhurried, ["a"], 600, lambda: "no", tags=["t"])
        await callers.invalidate_by(unhurried, "invalidate")

        assert (miss.value, miss.detail) == (value, CacheDetail.GENERATED)
        assert (hit.value, hit.detail) == (value, CacheDetail.FRESH)

    assert forgetful.seen["EVALSHA"] == forgetful.seen["EVAL"] == 3 * 4
    assert forgetful.accepted == 1


async def test_a_lease_is_released_though_the_server_loses_its_scripts(
    forgetful: Proxy, unhurried: ResponseCache, callers: Callers, raw_valkey: Any
) -> None:
    def fail() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        await callers.remember(unhurried, ["a"], 600, fail)
    await callers.settled(unhurried)

    assert not raw_valkey.exists(tenant_of(unhurried).keys(["a"]).lease)


async def test_many_callers_at_once_get_their_values_while_the_server_loses_its_scripts(
    forgetful: Proxy, unhurried: ResponseCache, callers: Callers
) -> None:
    async def call(number: int) -> Any:
        return await callers.remember(unhurried, [str(number % 5)], 600, lambda: number % 5)

    for _ in range(3):
        responses = await asyncio.gather(*(call(number) for number in range(50)))
        assert [response.value for response in responses] == [n % 5 for n in range(50)]
        assert CacheDetail.STORE_FAILURE not in {response.detail for response in responses}

    assert {(await call(number)).status for number in range(5)} == {CacheStatus.HIT}


async def test_no_invalidation_is_lost_while_the_server_loses_its_scripts(
    forgetful: Proxy, unhurried: ResponseCache, callers: Callers
) -> None:
    content = "old"

    def generate() -> str:
        return content

    for number in range(10):
        content = f"content {number}"
        await callers.invalidate_by(unhurried, "invalidate")
        responses = await asyncio.gather(
            *(callers.remember(unhurried, ["a"], 600, generate, tags=["t"]) for _ in range(10))
        )
        assert {response.value for response in responses} == {content}
