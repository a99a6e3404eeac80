"""Hits of the middleware are told like those of the application: counters, spans, and who watches."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from strawberry_response_cache import ResponseCache, telemetry
from strawberry_response_cache.telemetry import OpenTelemetry
from tests.conftest import settings_of
from tests.middleware.service import Shop, call
from tests.telemetry.metrics import Meters

on_each_tier = pytest.mark.parametrize("local_bytes", [0, 1_000_000], ids=["redis", "local"])


async def test_hits_are_counted(shop: Shop, shop_cache: ResponseCache) -> None:
    await shop.warm()

    before = shop_cache.statistics().operations
    await shop.call()
    after = shop_cache.statistics().operations
    assert (after.hits, after.total) == (before.hits + 1, before.total + 1)
    is_local = bool(settings_of(shop_cache).local_bytes)
    assert after.local_hits == (before.local_hits + 1 if is_local else 0)
    assert after.saved >= before.saved


async def test_hits_are_counted_by_the_name_of_the_operation(
    new_cache: Callable[..., ResponseCache],
) -> None:
    cache = new_cache("memory://", operation_names=10)
    shop = Shop(cache)
    await shop.warm("query Named { book { title } }")
    await shop.call("query Named { book { title } }")
    assert shop.entered == 2
    (figures,) = [each for name, each in cache.statistics().by_operation.items() if name == "Named"]
    assert (figures.requests.hits, figures.requests.misses) == (2, 1)
    assert figures.hit_limit == pytest.approx(2 / 3)


@pytest.mark.combined
@on_each_tier
async def test_spans_are_those_of_the_application(local_bytes: int) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traced = OpenTelemetry(tracer_provider=provider)
    tracer = provider.get_tracer("test")

    def told() -> list[tuple[str, dict[str, Any]]]:
        spans = [(span.name, dict(span.attributes or {})) for span in exporter.get_finished_spans()]
        exporter.clear()
        changing = {"response_cache.age", "response_cache.ttl"}
        return [(n, {k: v for k, v in a.items() if k not in changing}) for n, a in spans]

    async with ResponseCache.from_url(
        "memory://", prefix="shop", telemetry=traced, local_bytes=local_bytes
    ) as cache:
        shop = Shop(cache)
        await shop.warm("query Named { book { title } }")
        exporter.clear()
        with tracer.start_as_current_span("request"):
            await call(shop.plain, "query Named { book { title } }")
        theirs = told()
        with tracer.start_as_current_span("request"):
            await shop.call("query Named { book { title } }")
        assert shop.entered == 2
        assert told() == theirs
        assert theirs[-1][1]["response_cache.status"] == "hit"
        expected = ["request"] if local_bytes else ["response_cache.get", "request"]
        assert [name for name, _ in theirs] == expected


@pytest.mark.combined
@on_each_tier
async def test_metrics_are_those_of_the_application(local_bytes: int) -> None:
    """But for lookups, of which the middleware makes one more to learn an answer."""
    changing = {
        "response_cache.load.duration",
        "response_cache.saved",
        "response_cache.store.duration",
    }
    told = []
    for is_in_front in (True, False):
        meters = Meters()
        async with ResponseCache.from_url(
            "memory://",
            prefix="shop",
            telemetry=OpenTelemetry(meter_provider=meters.provider),
            local_bytes=local_bytes,
        ) as cache:
            shop = Shop(cache)
            for query in ("{ book { title } }", "{ uncached }", "{ greeting }") * 5:
                await (shop.call(query) if is_in_front else call(shop.plain, query))
            assert shop.entered == (9 if is_in_front else 0)
            assert meters.of(telemetry.REQUESTS, scope="operation", result="hit") == 8
            told.append(
                {name: meters.figures(name) for name in meters.collected().keys() - changing}
            )
    assert told[0] == told[1]


async def test_watchers_of_the_extension_see_hits_of_the_middleware(
    make: Callable[..., Shop],
) -> None:
    shop = make()
    seen: list[Any] = []
    shop.extension._options.watchers = (seen.append,)
    await shop.warm("query Named { book { title } }")
    await shop.call("query Named { book { title } }")
    assert shop.entered == 2
    assert [each.outcome.status for each in seen] == ["miss", "hit", "hit"]
    assert {(each.operation_type, each.operation_name) for each in seen} == {("query", "Named")}
    assert seen[1].outcome.scope == seen[2].outcome.scope == "PUBLIC"
    assert seen[1].outcome.limited_by == seen[2].outcome.limited_by == "Query.book"


async def test_reprs_hold_nothing_of_a_request(make: Callable[..., Shop]) -> None:
    shop = make()
    await shop.warm("{ mine }", user="a-secret-user", tenant="a-secret-tenant")
    (seen,) = shop.remembered._kept.values()
    assert "a-secret" not in repr(seen.value)
