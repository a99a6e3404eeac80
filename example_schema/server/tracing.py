"""OpenTelemetry spans: one around each HTTP request, and their printing with `--trace`."""

import threading
from collections import defaultdict, deque
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_REMEMBERED_TRACES = 1000


class ServerSpanMiddleware:
    """Puts each HTTP request into a span, so that the spans of the cache have a parent."""

    def __init__(self, app: ASGIApp) -> None:
        """Trace the requests to `app`."""
        self._app = app
        self._tracer = trace.get_tracer("example_schema")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request inside a span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        with self._tracer.start_as_current_span(
            f"{method} {path}",
            kind=trace.SpanKind.SERVER,
            attributes={"http.request.method": method, "url.path": path},
        ) as span:

            async def send_with_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, send_with_status)


class SpanPrinter(SpanExporter):
    """Prints finished spans, one line each, indented below their parents.

    Spans end before their parents do, so those of a trace are kept until its first span has
    ended. Work in the background may end later still: its spans follow as they come.
    """

    def __init__(self) -> None:
        """Begin with nothing to print."""
        self._lock = threading.Lock()
        self._waiting: defaultdict[int, list[ReadableSpan]] = defaultdict(list)
        self._printed: deque[int] = deque(maxlen=_REMEMBERED_TRACES)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Print the traces that are complete with these spans."""
        with self._lock:
            for span in spans:
                trace_id, _ = _ids(span)
                if span.parent is None:
                    self._printed.append(trace_id)
                    _print_below(span, self._waiting.pop(trace_id, []), depth=0)
                elif trace_id in self._printed:
                    _print_line(span, depth=1)
                else:
                    self._waiting[trace_id].append(span)
        return SpanExportResult.SUCCESS


def print_spans() -> TracerProvider:
    """Print every span from now on. Shut the returned provider down at the end."""
    provider = TracerProvider(resource=Resource({"service.name": "ledger"}))
    provider.add_span_processor(SimpleSpanProcessor(SpanPrinter()))
    trace.set_tracer_provider(provider)
    return provider


def _print_below(span: ReadableSpan, finished: list[ReadableSpan], depth: int) -> None:
    _print_line(span, depth)
    _, span_id = _ids(span)
    children = [child for child in finished if child.parent and child.parent.span_id == span_id]
    for child in sorted(children, key=lambda child: child.start_time or 0):
        _print_below(child, finished, depth + 1)


def _ids(span: ReadableSpan) -> tuple[int, int]:
    context = span.get_span_context()
    # The type allows for spans without ids; the SDK exports none.
    return (context.trace_id, context.span_id) if context else (0, 0)


def _print_line(span: ReadableSpan, depth: int) -> None:
    milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1_000_000
    attributes = " ".join(f"{name}={value!s}" for name, value in (span.attributes or {}).items())
    print(f"{'  ' * depth}{span.name}  {milliseconds:.1f} ms  {attributes}".rstrip(), flush=True)
