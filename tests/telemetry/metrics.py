"""Reads metrics from an SDK in memory."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from strawberry_response_cache import CacheStatistics, CallStatistics, telemetry
from strawberry_response_cache.core.drivers.measuring import LOOKUPS

Labels = tuple[tuple[str, Any], ...]


def figure_of(point: Any) -> float:
    """What a point of a metric says; of a histogram, the number of its values."""
    return float(point.count if hasattr(point, "count") else point.value)


class Meters:
    """A meter provider of its own, and what it has been told."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])

    def collected(self) -> dict[str, Any]:
        """The metrics, by name."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def figures(self, name: str) -> dict[Labels, float]:
        """The figures of a metric, by their attributes; of a histogram, the number of its values."""
        metric = self.collected().get(name)
        points = [] if metric is None else metric.data.data_points
        return {
            tuple(sorted((point.attributes or {}).items())): figure_of(point) for point in points
        }

    def of(self, metric: telemetry.Metric, **attributes: str) -> float:
        """The sum of the figures of a metric with these attributes."""
        asked = {
            telemetry.GRAPHQL_OPERATION_NAME
            if name == "graphql_operation_name"
            else f"{telemetry.NAMESPACE}.{name}": value
            for name, value in attributes.items()
        }
        return sum(
            figure
            for labels, figure in self.figures(metric.name).items()
            if asked.items() <= dict(labels).items()
        )


def recorded(operation: str, calls: CallStatistics) -> int:
    """How many of the calls of the store are in the histogram: of lookups that succeed, a sample."""
    successes = calls.calls - calls.failures
    return calls.failures + (-(-successes // LOOKUPS) if operation == "get" else successes)


def as_metrics(statistics: CacheStatistics) -> Mapping[str, Mapping[str, float]]:
    """The same figures as the metrics have, by what tells them apart."""
    scopes = {
        "operation": statistics.operations,
        "field": statistics.fields,
        "value": statistics.values,
    }
    return {
        "response_cache.requests": {
            f"{scope} {result}": figure
            for scope, requests in scopes.items()
            for result, figure in {
                "hit local": requests.local_hits,
                "hit redis": requests.redis_hits,
                "stale redis": requests.stale_hits,
                "coalesced": requests.coalesced,
                "miss": requests.misses,
                "bypass": requests.bypasses,
            }.items()
        },
        "response_cache.saved": {scope: each.saved for scope, each in scopes.items()},
        "response_cache.bypasses": statistics.bypasses,
        "response_cache.load.duration": {
            scope: each.calls for scope, each in statistics.loads.items() if each.calls
        },
        "response_cache.store.duration": {
            name: recorded(name, each) for name, each in statistics.store.items() if each.calls
        },
        "response_cache.invalidations": statistics.invalidations,
        "response_cache.verified": statistics.verified,
        "response_cache.pending": {"": statistics.pending_invalidations},
        "response_cache.local.size": {"": statistics.local_bytes},
        "response_cache.local.entries": {"": statistics.local_entries},
        "response_cache.evictions": {"": statistics.evictions},
        "response_cache.breaker.open": {"": float(statistics.is_breaker_open)},
    }
