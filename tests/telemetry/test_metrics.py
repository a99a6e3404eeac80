"""Metrics, and `statistics()`, which has the same numbers without an SDK."""

import asyncio
import gc
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import strawberry
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics import MeterProvider

from strawberry_response_cache import (
    CacheStoreError,
    RequestStatistics,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    telemetry,
)
from strawberry_response_cache.core.drivers.measuring import LOOKUPS
from strawberry_response_cache.telemetry import OpenTelemetry
from strawberry_response_cache.telemetry._metrics import _Registry
from tests.conftest import UntilJoined
from tests.core.test_refreshes import make_dear_at
from tests.telemetry.metrics import Meters, as_metrics, figure_of

DOCS = Path(__file__).parents[2] / "docs/production/telemetry.md"


@pytest.fixture
def meters() -> Iterator[Meters]:
    meters = Meters()
    yield meters
    meters.provider.shutdown()


@pytest.fixture
async def metered(url: str, meters: Meters) -> Any:
    observer = OpenTelemetry(meter_provider=meters.provider)
    async with ResponseCache.from_url(
        url, prefix="test", telemetry=observer, read_deadline=20, connect_deadline=20
    ) as cache:
        yield cache


async def one() -> int:
    return 1


async def fails() -> int:
    raise LookupError


def same(cache: ResponseCache, meters: Meters) -> None:
    """The metrics have the figures of the statistics."""
    collected = meters.collected()
    for name, expected in as_metrics(cache.statistics()).items():
        found: dict[str, float] = {}
        for point in collected[name].data.data_points if name in collected else []:
            told = {
                key: value
                for key, value in (point.attributes or {}).items()
                if key not in {telemetry.NAME, telemetry.ERROR_TYPE}
            }
            label = " ".join(str(value) for value in told.values())
            found[label] = found.get(label, 0) + figure_of(point)
        assert found == pytest.approx(dict(expected)), name


@pytest.mark.parametrize("synchronous", [False, True], ids=["async", "sync"])
async def test_each_request_is_counted_once_by_its_result(
    metered: ResponseCache, meters: Meters, *, synchronous: bool
) -> None:
    def plain() -> int:
        return 1

    def raises() -> int:
        raise LookupError

    if synchronous:
        for _ in range(3):
            metered.remember_sync(["a"], 60, plain)
        metered.remember_sync(["a"], 0, plain)
        metered.remember_sync(["b"], 60, plain, cacheable=lambda _: False)
        with pytest.raises(LookupError):
            metered.remember_sync(["c"], 60, raises)
        metered.remember_many_sync([["a"], ["d"]], 60, lambda keys: [1 for _ in keys])
    else:
        for _ in range(3):
            await metered.remember(["a"], 60, one)
        await metered.remember(["a"], 0, one)
        await metered.remember(["b"], 60, one, cacheable=lambda _: False)
        with pytest.raises(LookupError):
            await metered.remember(["c"], 60, fails)

        async def load(keys: list[list[str]]) -> list[int]:
            return [1 for _ in keys]

        await metered.remember_many([["a"], ["d"]], 60, load)
    statistics = metered.statistics()
    assert statistics.values == RequestStatistics(
        redis_hits=3, misses=3, bypasses=2, saved=statistics.values.saved
    )
    assert statistics.bypasses == {"ttl_zero": 1, "uncacheable": 1}
    assert statistics.loads["value"].calls == 4
    assert statistics.loads["value"].failures == 1
    loads = meters.figures(telemetry.LOAD_DURATION.name)
    errors = {dict(labels).get(telemetry.ERROR_TYPE): number for labels, number in loads.items()}
    assert errors == {None: 3, "LookupError": 1}
    same(metered, meters)


@pytest.mark.parametrize("synchronous", [False, True], ids=["async", "sync"])
async def test_a_sample_of_the_lookups_is_in_the_histogram(
    metered: ResponseCache, meters: Meters, *, synchronous: bool
) -> None:
    for _ in range(LOOKUPS + 1):
        if synchronous:
            metered.remember_sync(["a"], 60, lambda: 1)
        else:
            await metered.remember(["a"], 60, one)
    assert metered.statistics().store["get"].calls == LOOKUPS + 1
    assert meters.of(telemetry.STORE_DURATION, operation="get") == 2
    assert meters.of(telemetry.STORE_DURATION, operation="put") == 1
    same(metered, meters)


async def test_callers_that_join_a_run_are_coalesced(
    metered: ResponseCache, meters: Meters, until_joined: UntilJoined
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> int:
        begun.set()
        await may_end.wait()
        return 1

    leader = asyncio.create_task(metered.remember(["a"], 60, slow))
    await begun.wait()
    joiners = [asyncio.create_task(metered.remember(["a"], 60, one)) for _ in range(3)]
    await until_joined(metered, 3, ["a"])
    may_end.set()
    await asyncio.gather(leader, *joiners)
    assert meters.of(telemetry.REQUESTS, result="coalesced") == 3
    assert meters.of(telemetry.REQUESTS, result="miss") == 1
    same(metered, meters)


async def test_local_hits_and_evictions_are_counted(url: str, meters: Meters) -> None:
    observer = OpenTelemetry(meter_provider=meters.provider)
    async with ResponseCache.from_url(
        url,
        prefix="test",
        telemetry=observer,
        read_deadline=20,
        connect_deadline=20,
        local_bytes=10_000,
    ) as cache:

        async def long() -> str:
            return "x" * 6_000

        while not cache.statistics().values.local_hits:  # until its messages arrive
            await cache.remember(["a"], 60, long)
        assert meters.of(telemetry.REQUESTS, result="hit", tier="local") == 1
        assert meters.of(telemetry.LOCAL_ENTRIES) == 1
        assert meters.of(telemetry.LOCAL_SIZE) > 6_000
        assert meters.of(telemetry.EVICTIONS) == 0
        await cache.remember(["b"], 60, long)
        assert meters.of(telemetry.EVICTIONS) == 1
        assert meters.of(telemetry.LOCAL_ENTRIES) == 1
        same(cache, meters)


@pytest.mark.parametrize("synchronous", [False, True], ids=["async", "sync"])
async def test_the_time_saved_by_a_hit_is_what_its_value_took_to_generate(
    metered: ResponseCache, meters: Meters, raw_of: Any, *, synchronous: bool
) -> None:
    async def ask() -> float:
        if synchronous:
            return metered.remember_sync(["a"], 600, lambda: 1).saved
        return (await metered.remember(["a"], 600, one)).saved

    assert await ask() == 0
    raw = raw_of(metered)
    (key,) = raw.keys("*:e:*")
    make_dear_at(raw, key, cost_ms=1_500)
    assert [await ask(), await ask()] == [1.5, 1.5]
    assert metered.statistics().values.saved == 3
    assert meters.of(telemetry.SAVED, scope="value") == 3
    same(metered, meters)


@pytest.mark.parametrize("synchronous", [False, True], ids=["async", "sync"])
async def test_an_answer_past_its_ttl_is_counted_as_stale(
    metered: ResponseCache, meters: Meters, raw_of: Any, *, synchronous: bool
) -> None:
    async def ask() -> str:
        if synchronous:
            answer = metered.remember_sync(["a"], 600, lambda: 1, stale=600, background=True)
        else:
            answer = await metered.remember(["a"], 600, one, stale=600, background=True)
        return answer.detail.value

    assert await ask() == "generated"
    raw = raw_of(metered)
    (key,) = raw.keys("*:e:*")
    raw.pexpire(key, 300_000)
    assert await ask() == "stale"
    assert (metered.statistics().values.stale_hits, metered.statistics().values.hits) == (1, 1)
    assert meters.of(telemetry.REQUESTS, result="stale", tier="redis") == 1


async def test_invalidations_are_counted_by_kind(metered: ResponseCache, meters: Meters) -> None:
    began = time.perf_counter()
    await metered.invalidate("a", "b")
    metered.invalidate_sync("a")
    await metered.forget(["a"])
    await metered.for_tenant("acme").clear()
    calls = metered.statistics().store["invalidate"]
    assert (calls.calls, calls.failures) == (4, 0)
    assert 0 < calls.seconds <= time.perf_counter() - began
    assert metered.statistics().invalidations == {"tags": 2, "key": 1, "clear": 1}
    assert meters.of(telemetry.STORE_DURATION, operation="invalidate") == 4
    same(metered, meters)


async def test_an_outage_shows_in_breaker_pending_and_failures(meters: Meters) -> None:
    observer = OpenTelemetry(meter_provider=meters.provider)
    async with ResponseCache.from_url(
        "redis://127.0.0.1:1",
        prefix="test",
        telemetry=observer,
        breaker_failures=2,
        breaker_seconds=60,
        invalidate_deadline=0.05,
    ) as cache:
        assert not cache.statistics().is_breaker_open
        while not cache.statistics().is_breaker_open:
            await cache.remember(["a"], 60, one)
        assert meters.of(telemetry.BREAKER_OPEN) == 1
        assert meters.of(telemetry.BYPASSES, reason="store_failure") > 1
        with pytest.raises(CacheStoreError):
            await cache.invalidate("lost")
        assert cache.statistics().invalidations == {}
        await cache.invalidate("x", "y", queued=True)
        await cache.for_tenant("acme").clear(queued=True)
        found = {
            dict(labels).get(telemetry.ERROR_TYPE)
            for labels in meters.figures(telemetry.STORE_DURATION.name)
        }
        assert "redis.exceptions.ConnectionError" in found
        assert meters.of(telemetry.PENDING) == cache.statistics().pending_invalidations >= 3
        same(cache, meters)


@strawberry.type
class Author:
    id: strawberry.ID

    @cache_control(ttl=60)
    @strawberry.field
    def name(self) -> str:
        return "Ann"


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def title(self) -> str:
        return "Emma"

    @strawberry.field
    def author(self) -> Author:
        return Author(id=strawberry.ID("1"))


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self) -> str:
        return "Persuasion"


@pytest.mark.parametrize("synchronous", [False, True], ids=["async", "sync"])
async def test_operations_and_fields_are_counted(
    metered: ResponseCache, meters: Meters, *, synchronous: bool
) -> None:
    schema = strawberry.Schema(
        Query, Mutation, extensions=[ResponseCacheExtension(metered, tenant=None)]
    )
    for query in (
        ["{ title }"] * 3 + ["{ author { name } }"] * 3 + ["mutation { rename }", "{ no }"]
    ):
        if synchronous:
            schema.execute_sync(query)
        else:
            await schema.execute(query)
    statistics = metered.statistics()
    assert statistics.operations == RequestStatistics(
        redis_hits=2, misses=1, bypasses=4, saved=statistics.operations.saved
    )
    assert statistics.fields == RequestStatistics(
        redis_hits=2, misses=1, saved=statistics.fields.saved
    )
    assert statistics.values == RequestStatistics()
    assert statistics.bypasses == {"root_without_hint": 3, "mutation": 1}
    assert statistics.loads["operation"].calls == statistics.loads["field"].calls == 1
    same(metered, meters)


@pytest.mark.parametrize("synchronous", [False, True], ids=["async", "sync"])
async def test_the_time_saved_by_a_local_hit_is_what_the_operation_took_to_execute(
    url: str, *, synchronous: bool
) -> None:
    @strawberry.type
    class Dear:
        @cache_control(ttl=60)
        @strawberry.field
        def page(self) -> int:
            time.sleep(0.01)
            return 1

    async with ResponseCache.from_url(
        url, prefix="test", read_deadline=20, connect_deadline=20, local_bytes=10_000
    ) as cache:
        extension = ResponseCacheExtension(cache, tenant=None)
        schema = strawberry.Schema(Dear, extensions=[extension])
        while not cache.statistics().operations.local_hits:  # until its messages arrive
            before = cache.statistics().operations.saved
            if synchronous:
                schema.execute_sync("{ page }")
            else:
                await schema.execute("{ page }")
        assert cache.statistics().operations.saved - before >= 0.01


async def test_two_caches_on_one_provider_both_report_and_a_deleted_one_disappears(
    meters: Meters,
) -> None:
    caches = {
        prefix: ResponseCache.from_url(
            "memory://", prefix=prefix, telemetry=OpenTelemetry(meter_provider=meters.provider)
        )
        for prefix in ("one", "two")
    }
    for prefix in ("one", "two"):
        await caches[prefix].remember(["a"], 60, one)
        await caches[prefix].aclose()
    assert meters.of(telemetry.REQUESTS, name="one", result="miss") == 1
    assert meters.of(telemetry.REQUESTS, name="two", result="miss") == 1
    del caches["two"]
    gc.collect()
    assert {
        dict(labels)[telemetry.NAME] for labels in meters.figures("response_cache.requests")
    } == {"one"}


async def test_metrics_of_caches_of_one_name_are_summed(meters: Meters) -> None:
    caches = [
        ResponseCache.from_url(
            "memory://", prefix="one", telemetry=OpenTelemetry(meter_provider=meters.provider)
        )
        for _ in range(2)
    ]
    for number, cache in enumerate(caches):
        await cache.remember([str(number)], 60, one)
    assert meters.of(telemetry.REQUESTS, result="miss") == 2
    assert meters.of(telemetry.BREAKER_OPEN) == 0
    for cache in caches:
        await cache.aclose()


async def test_statistics_need_no_telemetry() -> None:
    async with ResponseCache.from_url("memory://", prefix="one", telemetry=False) as cache:
        await cache.remember(["a"], 60, one)
        await cache.remember(["a"], 60, one)
        assert (cache.statistics().values.hits, cache.statistics().values.total) == (1, 2)
        assert cache.statistics().values.hit_ratio == 0.5
        assert cache.for_tenant("acme").statistics() == cache.statistics()


def test_a_provider_that_becomes_the_global_one_gets_its_instruments_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry, provider = _Registry(), MeterProvider()
    before = registry.instruments(None)
    assert registry.instruments(None) is before
    own = registry.instruments(provider)
    assert registry.instruments(provider) is own is not before
    monkeypatch.setattr(api, "get_meter_provider", lambda: provider)
    assert registry.instruments(None) is own, "it was passed before it was the global one"
    fresh = _Registry()
    assert fresh.instruments(None) is fresh.instruments(provider)
    provider.shutdown()


def test_the_documented_metrics_are_those_of_the_code() -> None:
    table = re.findall(
        r"^\| `(response_cache[\w.]+)` \| ([\w -]+) \| `([^`]+)` \| ([^|]*) \|",
        DOCS.read_text("utf-8"),
        re.MULTILINE,
    )
    assert [
        (name, kind, unit, re.findall("`(.+?)`", about)) for name, kind, unit, about in table
    ] == [
        (metric.name, metric.instrument, metric.unit, list(metric.attributes))
        for metric in telemetry.METRICS
    ]


def test_each_metric_has_its_instrument_and_unit(meters: Meters) -> None:
    with ResponseCache.from_url(
        "memory://",
        prefix="one",
        telemetry=OpenTelemetry(meter_provider=meters.provider),
        operation_names=5,
    ) as cache:
        cache.remember_sync(["a"], 60, lambda: 1)
        cache.remember_sync(["a"], 0, lambda: 1)
        extension = ResponseCacheExtension(cache, tenant=None)
        strawberry.Schema(Query, extensions=[extension]).execute_sync("query Title { title }")
        cache.clear_sync()
        collected = meters.collected()
    kinds = {
        "counter": ("Sum", True),
        "up-down counter": ("Sum", False),
        "gauge": ("Gauge", None),
        "histogram": ("Histogram", None),
    }
    for metric in telemetry.METRICS:
        found = collected[metric.name]
        kind = type(found.data).__name__, getattr(found.data, "is_monotonic", None)
        assert (kind, found.unit) == (kinds[metric.instrument], metric.unit)
        assert found.description == metric.description
        for point in found.data.data_points:
            known = {telemetry.NAME, *metric.attributes}
            assert set(point.attributes) <= known
            assert telemetry.NAME in point.attributes or metric is telemetry.FAULTS
