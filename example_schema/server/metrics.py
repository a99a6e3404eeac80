"""Metrics for Prometheus, under `/metrics`, with `--metrics`."""

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

METRICS_PATH = "/metrics"


def provide_metrics() -> MeterProvider:
    """Collect metrics from now on. Shut the returned provider down at the end."""
    provider = MeterProvider(
        [PrometheusMetricReader()], resource=Resource({"service.name": "ledger"})
    )
    metrics.set_meter_provider(provider)
    return provider


async def _metrics(_: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def metrics_route() -> Route:
    """Return the endpoint that Prometheus asks."""
    return Route(METRICS_PATH, _metrics)
