"""OpenTelemetry: the only module that imports it, and only its API.

All names of the package in telemetry are defined in this module. A span is created when its call has ended,
with the times of the call, so no span stays open. Spans are created only under a recording parent.
"""

from typing import Final

from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from strawberry_response_cache.core._observer import (
    Concluded,
    Invalidated,
    LookedUp,
    PutIn,
    Subject,
)

NAMESPACE: Final = "response_cache"

GET: Final = f"{NAMESPACE}.get"
PUT: Final = f"{NAMESPACE}.put"
INVALIDATE: Final = f"{NAMESPACE}.invalidate"

NAME: Final = f"{NAMESPACE}.name"
SCOPE: Final = f"{NAMESPACE}.scope"
RESULT: Final = f"{NAMESPACE}.result"
TIER: Final = f"{NAMESPACE}.tier"
VISIBILITY: Final = f"{NAMESPACE}.visibility"
FIELD: Final = f"{NAMESPACE}.field"
TTL: Final = f"{NAMESPACE}.ttl"
AGE: Final = f"{NAMESPACE}.age"
ITEM_SIZE: Final = f"{NAMESPACE}.item.size"
TAG_COUNT: Final = f"{NAMESPACE}.tag.count"
INVALIDATE_KIND: Final = f"{NAMESPACE}.invalidate.kind"
STATUS: Final = f"{NAMESPACE}.status"
REASON: Final = f"{NAMESPACE}.reason"
GRAPHQL_OPERATION_TYPE: Final = "graphql.operation.type"
GRAPHQL_OPERATION_NAME: Final = "graphql.operation.name"
ERROR_TYPE: Final = "error.type"


class OpenTelemetry:
    """Turns what the cache does into OpenTelemetry spans.

    Args:
        tracer_provider: The provider that receives the spans; None, the default, takes the global provider.

    Example:
        >>> from strawberry_response_cache import ResponseCache
        >>> cache = ResponseCache.from_url("memory://", prefix="ledger", telemetry=OpenTelemetry())
    """

    def __init__(self, *, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer(
            "strawberry_response_cache", tracer_provider=tracer_provider
        )

    def listening(self) -> bool:
        """Whether the current span is recorded."""
        return trace.get_current_span().is_recording()

    def looked_up(self, event: LookedUp) -> None:
        """Create a span for a lookup."""
        attributes = _about(event.subject)
        attributes[RESULT] = event.result
        if event.result != "miss":
            attributes[TIER] = "redis"
        _add(attributes, AGE, event.age)
        _add(attributes, TTL, event.ttl)
        _add(attributes, ITEM_SIZE, event.size)
        self._span(GET, event.started_ns, event.ended_ns, attributes, event.error_type)

    def put_in(self, event: PutIn) -> None:
        """Create a span for a commit."""
        attributes = _about(event.subject)
        attributes[TTL] = event.ttl
        attributes[ITEM_SIZE] = event.size
        attributes[TAG_COUNT] = event.tag_count
        self._span(PUT, event.started_ns, event.ended_ns, attributes, event.error_type)

    def invalidated(self, event: Invalidated) -> None:
        """Create a span for an invalidation."""
        attributes = _about(event.subject)
        attributes[INVALIDATE_KIND] = event.kind
        attributes[TAG_COUNT] = event.tag_count
        self._span(INVALIDATE, event.started_ns, event.ended_ns, attributes, event.error_type)

    def concluded(self, event: Concluded) -> None:
        """Set the attributes of an operation's outcome on the current span."""
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attribute(STATUS, event.status)
            if event.reason is not None:
                span.set_attribute(REASON, event.reason)

    def _span(
        self,
        name: str,
        started_ns: int,
        ended_ns: int,
        attributes: dict[str, AttributeValue],
        error_type: str | None,
    ) -> None:
        _add(attributes, ERROR_TYPE, error_type)
        span = self._tracer.start_span(name, attributes=attributes, start_time=started_ns)
        if error_type is not None:
            span.set_status(trace.StatusCode.ERROR)
        span.end(end_time=ended_ns)


def _about(subject: Subject) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {NAME: subject.name, SCOPE: subject.scope}
    _add(attributes, VISIBILITY, subject.visibility)
    _add(attributes, FIELD, subject.field)
    _add(attributes, GRAPHQL_OPERATION_TYPE, subject.operation_type)
    _add(attributes, GRAPHQL_OPERATION_NAME, subject.operation_name)
    return attributes


def _add(attributes: dict[str, AttributeValue], name: str, value: AttributeValue | None) -> None:
    if value is not None:
        attributes[name] = value
