"""Which requests may be answered, and which of their parts distinguish them."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.graphql.policy.reasons import Problem
from strawberry_response_cache.middleware._messages import LONGEST_BODY, AsgiScope

_JSON: Final = b"application/json"
_MOST_HEADERS: Final = 64
_BYTES: Final = 16
_MAX_BYTES: Final = 4 * 1024 * 1024
_SIZE: Final = 800
"""The approximate size of what is kept of a request, in bytes, apart from its query string and headers."""
_SIZE_OF_LINE: Final = 150
_LEFT_ALONE: Final = frozenset({b"content-encoding", b"expect", b"range", b"upgrade"})
"""Requests with these headers are left to the application."""
_OF_ONE_REQUEST: Final = frozenset(
    {
        b"b3",
        b"cf-ray",
        b"connection",
        b"content-length",
        b"if-none-match",
        b"newrelic",
        b"sentry-trace",
        b"traceparent",
        b"tracestate",
        b"transfer-encoding",
        b"x-amzn-trace-id",
        b"x-b3-parentspanid",
        b"x-b3-sampled",
        b"x-b3-spanid",
        b"x-b3-traceid",
        b"x-cloud-trace-context",
        b"x-correlation-id",
        b"x-datadog-parent-id",
        b"x-datadog-trace-id",
        b"x-request-id",
    }
)
"""Headers that identify one request, and not its sender or its query. All others distinguish requests."""


class AskedRequest(NamedTuple):
    """A request that may be answered.

    Attributes:
        has_body: Whether its query is in the body.
        hashed: A hash of its method, query string and headers, without those that identify one request.
        if_none_match: The value of ``If-None-Match``; None if there is none.
    """

    has_body: bool
    hashed: Any
    if_none_match: bytes | None


_Lines: TypeAlias = tuple[tuple[bytes, bytes], ...]

_latest: Final[Bounded[tuple[str, bytes, _Lines, bool], AskedRequest]] = Bounded(_MAX_BYTES)
"""What recent requests asked. Clients choose how long their headers are, so it is bounded in bytes."""


def asked_by(scope: AsgiScope, obeys_requests: bool) -> AskedRequest | None:  # noqa: FBT001 - called by the guard
    """Return what a request asks; None if only the application may answer it.

    Args:
        scope: Its ASGI scope.
        obeys_requests: Whether a request's ``Cache-Control`` is obeyed: only the application answers one that has it.
    """
    method, query, lines = scope["method"], scope.get("query_string", b""), scope["headers"]
    if type(lines) is not list:  # it may be read only once
        return None
    try:
        return _remembered(method, query, tuple(lines), obeys_requests)
    except TypeError:  # each line is a list
        return _remembered(method, query, tuple(map(tuple, lines)), obeys_requests)


def _remembered(
    method: str,
    query: bytes,
    lines: _Lines,
    obeys_requests: bool,  # noqa: FBT001 - positions are faster
) -> AskedRequest | None:
    """Return what a request asks, as remembered if a request with the same headers was read before."""
    request = method, query, lines, obeys_requests
    asked = _latest.get(request)
    if asked is None and (asked := _read_request(method, query, lines, obeys_requests)) is not None:
        sent = len(query) + sum(len(name) + len(value) for name, value in lines)
        _latest.put(request, asked, size=_SIZE + sent + _SIZE_OF_LINE * len(lines))
    return asked


def _read_request(
    method: str,
    query: bytes,
    lines: _Lines,
    obeys_requests: bool,  # noqa: FBT001 - as above
) -> AskedRequest | None:
    headers: dict[bytes, bytes] = dict(lines)
    # A header of several lines may be read in one way or another.
    if len(headers) != len(lines) or len(headers) > _MOST_HEADERS or len(query) > LONGEST_BODY:
        return None
    if not _LEFT_ALONE.isdisjoint(headers) or (obeys_requests and b"cache-control" in headers):
        return None
    is_readable = _has_json(headers) if method == "POST" else method == "GET" and _is_empty(headers)
    if not is_readable:
        return None
    words = [b"%d %b" % (len(query), method.encode("latin-1")), query]
    for name, value in headers.items():
        if name not in _OF_ONE_REQUEST:
            words += (name, value)
    start = b"\n".join(words)
    # No header may hold a line break, so that different words never have the same text.
    if start.count(b"\n") - query.count(b"\n") != len(words) - 1:
        return None
    hashed = blake2b(b"%d %b" % (len(start), start), digest_size=_BYTES)
    return AskedRequest(method == "POST", hashed, headers.get(b"if-none-match"))


def _has_json(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body is JSON, and not known to be too long; a request of HTTP/2 need not send its length."""
    kind = headers.get(b"content-type", b"")
    if kind != _JSON and kind.partition(b";")[0].strip().lower() != _JSON:
        return False
    length = headers.get(b"content-length")
    if length is None:
        return True
    return length.isdigit() and len(length) <= len(b"%d" % LONGEST_BODY)


def _is_empty(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a GET has no body, as it should."""
    return headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers


def name_of(asked: AskedRequest, body: bytes, answers: Mapping[str, str | Problem | None]) -> bytes:
    """Return a digest of a request and of who asks: the headers, and what the middleware's functions returned."""
    hashed = asked.hashed.copy()
    if not answers:
        hashed.update(b"0 " + body)
        return bytes(hashed.digest())
    said = []
    for name, answer in answers.items():
        text = answer if isinstance(answer, str) else ""
        kind = "text" if isinstance(answer, str) else "none" if answer is None else "problem"
        said.append(f"{name} {kind} {len(text)} {text}")
    words = "\n".join(said).encode("utf-8", "surrogatepass")
    hashed.update(b"%d %b" % (len(words), words))
    hashed.update(body)
    return bytes(hashed.digest())
