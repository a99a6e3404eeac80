"""OpenTelemetry: the only package that imports it, and only its API."""

from opentelemetry import metrics, trace
from opentelemetry.context import get_current

from strawberry_response_cache.core._observer import Counted, Scope, StoreOperation
from strawberry_response_cache.telemetry._metrics import registry
from strawberry_response_cache.telemetry._names import *  # noqa: F403 - its names are part of the public face
from strawberry_response_cache.telemetry._spans import Spans


class OpenTelemetry(Spans):
    """Turns what the cache does into OpenTelemetry spans and metrics.

    Args:
        tracer_provider: The provider that receives the spans; None, the default, takes the global provider.
        meter_provider: The provider that reads the metrics; None, the default, takes the global provider.

    Example:
        >>> from strawberry_response_cache import ResponseCache
        >>> cache = ResponseCache.from_url("memory://", prefix="ledger", telemetry=OpenTelemetry())
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        super().__init__(tracer_provider)
        self._instruments = registry.instruments(meter_provider)

    def listening(self) -> bool:
        """Whether the current span is recorded."""
        # Nothing is current in most requests of a service that records no spans.
        return bool(get_current()) and trace.get_current_span().is_recording()

    def watch(self, cache: Counted) -> None:
        """Report the statistics of a cache as metrics for as long as it exists."""
        self._instruments.watch(cache)

    def loaded(self, name: str, scope: Scope, seconds: float, error_type: str | None) -> None:
        """Record how long an operation, a field or a value took to generate, because it was not cached."""
        self._instruments.loaded(name, scope, seconds, error_type)

    def called(
        self, name: str, operation: StoreOperation, seconds: float, error_type: str | None
    ) -> None:
        """Record how long a call of the store took."""
        self._instruments.called(name, operation, seconds, error_type)
