"""With the OpenTelemetry extension that Strawberry ships, in either order: each records the spans that it records alone."""

from typing import Any

import pytest
import strawberry
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from strawberry.extensions.tracing import OpenTelemetryExtension, OpenTelemetryExtensionSync

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    telemetry,
)
from strawberry_response_cache.telemetry import OpenTelemetry


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


@pytest.mark.parametrize("order", ["before ours", "after ours"])
@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_spans_of_the_cache_are_children_of_the_request_and_a_hit_has_no_resolver_span(
    url: str, way: str, order: str
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    kind = OpenTelemetryExtension if way == "execute" else OpenTelemetryExtensionSync

    def other() -> Any:
        return kind(tracer_provider=provider)

    async with ResponseCache.from_url(
        url,
        prefix="test",
        telemetry=OpenTelemetry(tracer_provider=provider),
        read_deadline=20,
        connect_deadline=20,
    ) as cache:
        ours = ResponseCacheExtension(cache, tenant=None)
        both: list[Any] = [other, ours] if order == "before ours" else [ours, other]
        schema = strawberry.Schema(Query, extensions=both)

        async def told(query: str) -> list[tuple[str, str | None]]:
            with provider.get_tracer("test").start_as_current_span("request") as request:
                if way == "execute":
                    result = await schema.execute(query)
                else:
                    result = schema.execute_sync(query)
            assert result.errors is None
            spans = exporter.get_finished_spans()
            exporter.clear()
            names = {span.context.span_id: span.name for span in spans}
            assert {span.context.trace_id for span in spans} == {
                request.get_span_context().trace_id
            }
            (about,) = [dict(span.attributes or {}) for span in spans if span.name == "request"]
            assert telemetry.STATUS in about
            leave_out = {"GraphQL Parsing", "GraphQL Validation", "request"}
            return [
                (span.name, span.parent and names[span.parent.span_id])
                for span in spans
                if span.name not in leave_out
            ]

        get = (telemetry.GET, "request")
        operation = ("GraphQL Query: Title", "request")
        assert await told("query Title { title }") == [
            get,
            ("GraphQL Resolving: title", "GraphQL Query: Title"),
            (telemetry.PUT, "request"),
            operation,
        ]
        assert await told("query Title { title }") == [get, operation]
        await told("query Name { author { name } }")
        assert (telemetry.PUT, "request") not in await told("query Name { author { name } }")
