"""Metrics: observable instruments that read the counters of the caches when an SDK collects.

The instruments are registered once for each meter provider. A second registration would lose its measurements
silently.
"""

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._observer import Counted
from strawberry_response_cache.core._statistics import CacheStatistics, RequestStatistics
from strawberry_response_cache.telemetry._names import (
    BREAKER_OPEN,
    BYPASSES,
    ERROR_TYPE,
    EVICTIONS,
    FAULTS,
    GRAPHQL_OPERATION_NAME,
    HIT_LIMIT,
    IMPACT,
    INVALIDATE_KIND,
    INVALIDATIONS,
    LOAD_DURATION,
    LOCAL_ENTRIES,
    LOCAL_SIZE,
    NAME,
    OPERATION,
    PENDING,
    REASON,
    REQUESTS,
    RESULT,
    SAVED,
    SCOPE,
    STORE_DURATION,
    TIER,
    VERIFIED,
    Metric,
)

SCOPE_NAME: Final = "strawberry_response_cache"
"""The name of the meter and of the tracer."""

_BOUNDARIES: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""Bucket boundaries in seconds. The default boundaries of SDKs are for milliseconds."""

_Labels: TypeAlias = tuple[tuple[str, str], ...]
_Figures: TypeAlias = Iterable[tuple[_Labels, float]]


def _requests(statistics: CacheStatistics) -> _Figures:
    if statistics.by_operation:
        for name, figures in statistics.by_operation.items():
            yield from _results("operation", figures.requests, (GRAPHQL_OPERATION_NAME, name))
    else:
        yield from _results("operation", statistics.operations)
    yield from _results("field", statistics.fields)
    yield from _results("value", statistics.values)


def _results(scope: str, requests: RequestStatistics, *further: tuple[str, str]) -> _Figures:
    about = (*further, (SCOPE, scope))
    yield (*about, (RESULT, "hit"), (TIER, "local")), requests.local_hits
    yield (*about, (RESULT, "hit"), (TIER, "redis")), requests.redis_hits
    yield (*about, (RESULT, "stale"), (TIER, "redis")), requests.stale_hits
    yield (*about, (RESULT, "coalesced")), requests.coalesced
    yield (*about, (RESULT, "miss")), requests.misses
    yield (*about, (RESULT, "bypass")), requests.bypasses


def _impact(statistics: CacheStatistics) -> _Figures:
    for name, figures in statistics.by_operation.items():
        yield ((GRAPHQL_OPERATION_NAME, name),), figures.impact


def _hit_limit(statistics: CacheStatistics) -> _Figures:
    for name, figures in statistics.by_operation.items():
        if figures.hit_limit is not None:
            yield ((GRAPHQL_OPERATION_NAME, name),), figures.hit_limit


def _saved(statistics: CacheStatistics) -> _Figures:
    yield ((SCOPE, "operation"),), statistics.operations.saved
    yield ((SCOPE, "field"),), statistics.fields.saved
    yield ((SCOPE, "value"),), statistics.values.saved


def _by(name: str, figures: Mapping[str, int]) -> _Figures:
    return [(((name, each),), figure) for each, figure in figures.items()]


_OBSERVED: Final[Mapping[Metric, Callable[[CacheStatistics], _Figures]]] = {
    REQUESTS: _requests,
    IMPACT: _impact,
    HIT_LIMIT: _hit_limit,
    BYPASSES: lambda statistics: _by(REASON, statistics.bypasses),
    SAVED: _saved,
    VERIFIED: lambda statistics: _by(RESULT, statistics.verified),
    INVALIDATIONS: lambda statistics: _by(INVALIDATE_KIND, statistics.invalidations),
    PENDING: lambda statistics: [((), statistics.pending_invalidations)],
    LOCAL_SIZE: lambda statistics: [((), statistics.local_bytes)],
    LOCAL_ENTRIES: lambda statistics: [((), statistics.local_entries)],
    EVICTIONS: lambda statistics: [((), statistics.evictions)],
    BREAKER_OPEN: lambda statistics: [((), statistics.is_breaker_open)],
}
"""The function that reads each observed metric from the statistics."""


class Instruments:
    """The instruments of one meter provider.

    Args:
        provider: The provider; None for the global one, which may be set later.
    """

    def __init__(self, provider: metrics.MeterProvider | None) -> None:
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._caches: weakref.WeakSet[Counted] = weakref.WeakSet()
        meter = metrics.get_meter(SCOPE_NAME, meter_provider=provider)
        self._load = _histogram(meter, LOAD_DURATION)
        self._store = _histogram(meter, STORE_DURATION)
        for metric, figures in _OBSERVED.items():
            self._observe(meter, metric, figures)
        meter.create_observable_counter(
            FAULTS.name, [self._faults], unit=FAULTS.unit, description=FAULTS.description
        )

    def watch(self, cache: Counted) -> None:
        """Report the statistics of a cache for as long as it exists."""
        with self._lock:
            self._caches.add(cache)

    def loaded(self, name: str, scope: str, seconds: float, error_type: str | None) -> None:
        """Record how long an operation, a field or a value took to generate."""
        self._load.record(seconds, _attributes_of_metric(name, SCOPE, scope, error_type))

    def called(self, name: str, operation: str, seconds: float, error_type: str | None) -> None:
        """Record how long a call of the store took."""
        self._store.record(seconds, _attributes_of_metric(name, OPERATION, operation, error_type))

    def _observe(
        self,
        meter: metrics.Meter,
        metric: Metric,
        figures: Callable[[CacheStatistics], _Figures],
    ) -> None:
        create = {
            "counter": meter.create_observable_counter,
            "up-down counter": meter.create_observable_up_down_counter,
            "gauge": meter.create_observable_gauge,
        }[metric.instrument]

        def observe(_: CallbackOptions) -> Iterator[Observation]:
            found: dict[tuple[str, _Labels], float] = {}
            for cache in self._known():
                for labels, figure in figures(cache.statistics()):
                    key = (cache.name, labels)
                    # Caches of one name are reported as one.
                    known = found.get(key, 0)
                    is_gauge = metric.instrument == "gauge"
                    found[key] = max(known, figure) if is_gauge else known + figure
            for (name, labels), figure in found.items():
                yield Observation(figure, {NAME: name, **dict(labels)})

        create(metric.name, [observe], unit=metric.unit, description=metric.description)

    def _faults(self, _: CallbackOptions) -> Iterator[Observation]:
        # Faults are counted for the process: a fault outside of a request belongs to no cache.
        if known := self._known():
            yield Observation(known[0].statistics().faults)

    def _known(self) -> list[Counted]:
        with self._lock:
            return list(self._caches)


def _attributes_of_metric(
    name: str, key: str, value: str, error_type: str | None
) -> dict[str, str]:
    about = {NAME: name, key: value}
    if error_type is not None:
        about[ERROR_TYPE] = error_type
    return about


def _histogram(meter: metrics.Meter, metric: Metric) -> metrics.Histogram:
    return meter.create_histogram(
        metric.name,
        unit=metric.unit,
        description=metric.description,
        explicit_bucket_boundaries_advisory=_BOUNDARIES,
    )


class _Registry:
    """The instruments of all meter providers."""

    def __init__(self) -> None:
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._of: weakref.WeakKeyDictionary[metrics.MeterProvider, Instruments] = (
            weakref.WeakKeyDictionary()
        )
        self._global: Instruments | None = None

    def instruments(self, provider: metrics.MeterProvider | None) -> Instruments:
        """Return the instruments of a provider; None for the global one.

        A provider that is passed may be the global one, or become it later; it gets instruments only once.
        """
        with self._lock:
            current = metrics.get_meter_provider()
            if provider is None or provider is current:
                if current in self._of:
                    return self._of[current]
                if self._global is None:
                    self._global = Instruments(None)
                return self._global
            if provider not in self._of:
                self._of[provider] = Instruments(provider)
            return self._of[provider]


registry: Final = _Registry()
