"""What leaves the process: OTLP to a collector, and what Prometheus scrapes. Names, units and values of every metric."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    telemetry,
)
from strawberry_response_cache.telemetry import OpenTelemetry
from tests.telemetry.metrics import recorded

PREFIX = "exported"


class Collector(BaseHTTPRequestHandler):
    """Takes what an exporter posts."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        received: list[ExportMetricsServiceRequest] = self.server.received  # type: ignore[attr-defined]
        received.append(ExportMetricsServiceRequest.FromString(self.rfile.read(length)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def collector() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.received = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/v1/metrics"
        yield SimpleNamespace(url=url, received=server.received)  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def title(self) -> str:
        return "Emma"

    @strawberry.field
    def plain(self) -> int:
        return 1


def use(provider: MeterProvider) -> ResponseCache:
    """Return a cache that has something to say of every metric."""
    cache = ResponseCache.from_url(
        "memory://",
        prefix=PREFIX,
        telemetry=OpenTelemetry(meter_provider=provider),
        operation_names=5,
    )
    extension = ResponseCacheExtension(cache, tenant=None, verify=1.0)
    schema = strawberry.Schema(Query, extensions=[extension])
    for query in ["query Title { title }"] * 3 + ["query Plain { plain }"]:
        assert schema.execute_sync(query).errors is None
    cache.invalidate_sync("a", "b")
    cache.clear_sync()
    return cache


def expected(cache: ResponseCache) -> dict[str, float]:
    """The sum of the figures of each metric; of a histogram, the number of its values."""
    statistics = cache.statistics()
    by_name = statistics.by_operation.values()
    return dict.fromkeys((metric.name for metric in telemetry.METRICS), 0.0) | {
        telemetry.REQUESTS.name: 4,
        telemetry.IMPACT.name: sum(each.impact for each in by_name),
        telemetry.HIT_LIMIT.name: sum(each.hit_limit or 0 for each in by_name),
        telemetry.BYPASSES.name: 1,
        telemetry.SAVED.name: statistics.operations.saved,
        telemetry.VERIFIED.name: 2,
        telemetry.LOAD_DURATION.name: 3,  # two of them of hits
        telemetry.STORE_DURATION.name: sum(
            recorded(name, each) for name, each in statistics.store.items()
        ),
        telemetry.INVALIDATIONS.name: 2,
        telemetry.FAULTS.name: statistics.faults,
    }


def test_a_collector_gets_every_metric_with_its_unit_and_value(collector: Any) -> None:
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=collector.url), export_interval_millis=float("inf")
    )
    provider = MeterProvider([reader])
    with use(provider) as cache:
        assert reader.force_flush(60_000)
        provider.shutdown()
        found = {
            metric.name: metric
            for resource in collector.received[-1].resource_metrics
            for scope in resource.scope_metrics
            if scope.scope.name == "strawberry_response_cache"
            for metric in scope.metrics
        }
        assert {name: metric.unit for name, metric in found.items()} == {
            metric.name: metric.unit for metric in telemetry.METRICS
        }
        assert {name: _sum(metric) for name, metric in found.items()} == pytest.approx(
            expected(cache)
        )
    hits = [
        point.as_int
        for point in found[telemetry.REQUESTS.name].sum.data_points
        if {each.key: each.value.string_value for each in point.attributes}
        == {
            telemetry.NAME: PREFIX,
            telemetry.SCOPE: "operation",
            telemetry.RESULT: "hit",
            telemetry.TIER: "redis",
            telemetry.GRAPHQL_OPERATION_NAME: "Title",
        }
    ]
    assert hits == [2]


def _sum(metric: Any) -> float:
    kind = metric.WhichOneof("data")
    points = getattr(metric, kind).data_points
    if kind == "histogram":
        return float(sum(point.count for point in points))
    return float(sum(getattr(point, point.WhichOneof("value")) for point in points))


UNITS = {"s": "_seconds", "By": "_bytes"}
"""What Prometheus' names have for a unit; a unit in braces is left out."""


def prometheus_name(metric: telemetry.Metric) -> str:
    """Return the name that is documented for Prometheus, without the suffix of a gauge that is a ratio."""
    name = metric.name.replace(".", "_") + UNITS.get(metric.unit, "")
    return name + {"counter": "_total", "histogram": "_count"}.get(metric.instrument, "")


def test_prometheus_scrapes_every_metric_with_its_value() -> None:
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    try:
        with use(provider) as cache:
            text = generate_latest(REGISTRY).decode()
            values = expected(cache)
    finally:
        provider.shutdown()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("response_cache_name", PREFIX) == PREFIX:
                name = re.sub("_ratio$", "", sample.name)
                found[name] = found.get(name, 0) + sample.value
    for metric in telemetry.METRICS:
        assert found[prometheus_name(metric)] == pytest.approx(values[metric.name]), metric.name
    assert 'response_cache_result="hit"' in text
    assert 'graphql_operation_name="Title"' in text
