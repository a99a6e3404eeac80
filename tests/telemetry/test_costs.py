"""What telemetry adds to a hit in local memory, in calls of functions: those do not depend on how busy a machine is."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import strawberry
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.telemetry import OpenTelemetry


@strawberry.type
class Query:
    @cache_control(ttl=3600)
    @strawberry.field
    def title(self) -> str:
        return "Emma"


async def one() -> int:
    return 1


async def calls_of(hit: Callable[[], Awaitable[object]]) -> int:
    """Return how many functions are called, those in C included."""
    calls = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    await hit()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        await hit()
    finally:
        sys.setprofile(before)
    return calls


async def calls_of_hits(*, telemetry: bool | OpenTelemetry, names: int = 0) -> tuple[int, int]:
    """Return the calls of a hit of `remember`, and those of a hit of an operation."""
    async with ResponseCache.from_url(
        "memory://",
        prefix="test",
        telemetry=telemetry,
        local_bytes=1_000_000,
        local_max_lag=60,
        early_refresh=0,
        operation_names=names,
    ) as cache:
        extension = ResponseCacheExtension(cache, tenant=None)
        schema = strawberry.Schema(Query, extensions=[extension])

        async def remember() -> object:
            return await cache.remember(["a"], 3600, one)

        async def execute() -> object:
            return await schema.execute("query Title { title }")

        while not cache.statistics().values.local_hits:  # until its messages arrive
            await remember()
        while not cache.statistics().operations.local_hits:
            await execute()
        return await calls_of(remember), await calls_of(execute)


async def test_telemetry_adds_few_function_calls_to_a_hit_in_local_memory() -> None:
    tracing, metering = TracerProvider(sampler=ALWAYS_OFF), MeterProvider([InMemoryMetricReader()])
    telemetry = OpenTelemetry(tracer_provider=tracing, meter_provider=metering)
    plain = await calls_of_hits(telemetry=False)
    with tracing.get_tracer("test").start_as_current_span("request"):
        told = await calls_of_hits(telemetry=telemetry)
        named = await calls_of_hits(telemetry=telemetry, names=5)
    metering.shutdown()
    tracing.shutdown()
    assert told[0] == named[0] == plain[0]
    # It looks once whether the current span is recorded. A span or a measurement of an SDK takes many more.
    assert plain[1] <= told[1] <= plain[1] + 16
    assert named[1] <= told[1] + 16
