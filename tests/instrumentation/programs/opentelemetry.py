"""OpenTelemetry: the extension that Strawberry ships, with an SDK or with Logfire."""

import sys
from collections.abc import Callable
from typing import Any

from tests.instrumentation.requests import Listed, Package, run

_flush: list[Callable[[], list[Any]]] = []


def start() -> None:
    """Start an SDK, or Logfire, which brings one."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    if sys.argv[1] == "Logfire":
        import logfire

        logfire.configure(
            send_to_logfire=False,
            console=False,
            metrics=False,
            additional_span_processors=[SimpleSpanProcessor(exporter)],
        )
    else:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)

    def flush() -> list[Any]:
        finished = exporter.get_finished_spans()
        exporter.clear()
        return [
            [span.name, {k: v for k, v in (span.attributes or {}).items() if "logfire" not in k}]
            for span in finished
        ]

    _flush.append(flush)


def listed() -> dict[str, Listed]:
    """Return the extensions that Strawberry ships."""
    from strawberry.extensions import tracing

    return {
        "OpenTelemetryExtension": Listed(
            extension=tracing.OpenTelemetryExtension, faces=("async",)
        ),
        "OpenTelemetryExtensionSync": Listed(extension=tracing.OpenTelemetryExtensionSync),
    }


def told() -> list[Any]:
    """Return the spans that were finished."""
    return _flush[0]()


if __name__ == "__main__":
    run(Package(start=start, told=told, listed=listed))
