"""Spans, and what is noted on the current span.

A span is created when its call has ended, with the times of the call, so no span stays open. Only the span of a
refresh in the background is open while it runs, because the spans of its calls are its children. Spans are created
only under a recording parent.
"""

from opentelemetry import trace
from opentelemetry.context import Context, attach
from opentelemetry.util.types import AttributeValue

from strawberry_response_cache.core._observer import (
    Concluded,
    Ended,
    Invalidated,
    LookedUp,
    Observer,
    PutIn,
    Subject,
)
from strawberry_response_cache.telemetry._metrics import SCOPE_NAME
from strawberry_response_cache.telemetry._names import (
    AGE,
    BATCH_SIZE,
    ERROR_TYPE,
    FIELD,
    GET,
    GRAPHQL_OPERATION_NAME,
    GRAPHQL_OPERATION_TYPE,
    INVALIDATE,
    INVALIDATE_KIND,
    ITEM_SIZE,
    NAME,
    PUT,
    REASON,
    REFRESH,
    RESULT,
    SCOPE,
    STATUS,
    TAG_COUNT,
    TIER,
    TTL,
    VISIBILITY,
)


class Spans(Observer):
    """Makes the spans.

    Args:
        provider: The provider that receives them; None for the global one.
    """

    def __init__(self, provider: trace.TracerProvider | None) -> None:
        self._tracer = trace.get_tracer(SCOPE_NAME, tracer_provider=provider)

    def looked_up(self, event: LookedUp) -> None:
        """Create a span for a lookup."""
        attributes = _attributes_of_subject(event.subject)
        attributes[RESULT] = event.result
        if event.result != "miss":
            attributes[TIER] = "redis"
        _add_known(attributes, AGE, event.age)
        _add_known(attributes, TTL, event.ttl)
        _add_known(attributes, ITEM_SIZE, event.size)
        _add_known(attributes, BATCH_SIZE, event.batch_size)
        self._span(GET, event.started_ns, event.ended_ns, attributes, event.error_type)

    def put_in(self, event: PutIn) -> None:
        """Create a span for a commit."""
        attributes = _attributes_of_subject(event.subject)
        attributes[TTL] = event.ttl
        attributes[ITEM_SIZE] = event.size
        attributes[TAG_COUNT] = event.tag_count
        self._span(PUT, event.started_ns, event.ended_ns, attributes, event.error_type)

    def invalidated(self, event: Invalidated) -> None:
        """Create a span for an invalidation."""
        attributes = _attributes_of_subject(event.subject)
        attributes[INVALIDATE_KIND] = event.kind
        attributes[TAG_COUNT] = event.tag_count
        self._span(INVALIDATE, event.started_ns, event.ended_ns, attributes, event.error_type)

    def refreshing(self, subject: Subject) -> Ended:
        """Begin the span of a refresh: a new root, linked to the span that caused it."""
        cause = trace.Link(trace.get_current_span().get_span_context())
        span = self._tracer.start_span(
            REFRESH, context=Context(), attributes=_attributes_of_subject(subject), links=[cause]
        )
        attach(trace.set_span_in_context(span))  # it ends with the context of the refresh

        def ended(error_type: str | None) -> None:
            if error_type is not None:
                span.set_attribute(ERROR_TYPE, error_type)
                span.set_status(trace.StatusCode.ERROR)
            span.end()

        return ended

    def concluded(self, event: Concluded) -> None:
        """Set the attributes of an operation's outcome on the current span."""
        span = trace.get_current_span()
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
        _add_known(attributes, ERROR_TYPE, error_type)
        span = self._tracer.start_span(name, attributes=attributes, start_time=started_ns)
        if error_type is not None:
            span.set_status(trace.StatusCode.ERROR)
        span.end(end_time=ended_ns)


def _attributes_of_subject(subject: Subject) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {NAME: subject.name, SCOPE: subject.scope}
    _add_known(attributes, VISIBILITY, subject.visibility)
    _add_known(attributes, FIELD, subject.field)
    _add_known(attributes, GRAPHQL_OPERATION_TYPE, subject.operation_type)
    _add_known(attributes, GRAPHQL_OPERATION_NAME, subject.operation_name)
    return attributes


def _add_known(
    attributes: dict[str, AttributeValue], name: str, value: AttributeValue | None
) -> None:
    if value is not None:
        attributes[name] = value
