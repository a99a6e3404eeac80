"""Datadog: its integration of graphql-core, and the extension that Strawberry ships."""

import os
import sys
from typing import Any

os.environ |= {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
    "DD_TRACE_STARTUP_LOGS": "false",
}

import ddtrace
from ddtrace.trace import TraceFilter, tracer

from tests.instrumentation.requests import Listed, Package, run

_variant = sys.argv[1]
_finished: list[Any] = []


class Collecting(TraceFilter):
    """Takes every trace, so that none is left to be sent."""

    def process_trace(self, trace: list[Any]) -> None:
        for span in trace:
            tags = {name: value for name, value in span.get_tags().items() if "graphql" in name}
            _finished.append([span.name, span.resource, tags, span.error])


def start() -> None:
    """Start Datadog with its integration, with or without spans of resolvers, or for the extensions."""
    tracer.configure(trace_processors=[Collecting()])
    if _variant != "extensions":
        ddtrace.config.graphql["resolvers_enabled"] = _variant == "integration with resolvers"
        ddtrace.patch(graphql=True)


def listed() -> dict[str, Listed]:
    """Return the extensions that Strawberry ships."""
    from strawberry.extensions import tracing

    return {
        "DatadogTracingExtension": Listed(
            extension=tracing.DatadogTracingExtension, faces=("async",)
        ),
        "DatadogTracingExtensionSync": Listed(extension=tracing.DatadogTracingExtensionSync),
    }


def told() -> list[Any]:
    """Return the spans that were finished."""
    told = _finished[:]
    _finished.clear()
    return told


if __name__ == "__main__":
    run(Package(start=start, told=told, listed=listed if _variant == "extensions" else None))
