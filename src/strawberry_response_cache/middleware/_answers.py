"""The response to a hit, made by the same code as the responses of this package's views."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from sys import getsizeof
from typing import Final

from strawberry_response_cache.core import CacheDetail
from strawberry_response_cache.core.protocol.entry import Entry
from strawberry_response_cache.graphql._claim import ClaimedHit
from strawberry_response_cache.graphql._options import Options
from strawberry_response_cache.graphql._report import Report
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest, CacheResult
from strawberry_response_cache.graphql.execution.cached_execution import stored_result
from strawberry_response_cache.graphql.execution.http_report import HttpReport, Sharing
from strawberry_response_cache.graphql.http.conditional import etag, is_known_to_client
from strawberry_response_cache.graphql.http.response_headers import ResponseHeaders
from strawberry_response_cache.graphql.http.session_cookies import sends_session_cookie
from strawberry_response_cache.middleware._messages import AsgiScope, Headers, Message

_OK: Final = 200
_NOT_MODIFIED: Final = 304
_START: Final = "http.response.start"
_BODY: Final = "http.response.body"
_OF_TIME: Final = frozenset({b"age", b"cache-status"})
"""Headers whose values change from second to second."""
_OF_CONTENT: Final = frozenset({b"content-length", b"content-type"})


class _ScopedRequest:
    """A request with a scope, for the code that writes headers."""

    def __init__(self, scope: AsgiScope) -> None:
        self.scope = dict(scope)


class _Response:
    """A response with raw headers like Starlette's, for the code that writes headers."""

    def __init__(self) -> None:
        self.raw_headers: Headers = []


@dataclass(slots=True, kw_only=True)
class _Head:
    """The headers of a response, without those of its content.

    Attributes:
        made_for: What they depend on: the write, the age and the remaining time of the entry, and a session's cookie.
        headers: The headers.
        validator: The validator that is sent with the response; empty if there is none.
    """

    made_for: tuple[object, ...]
    headers: Headers
    validator: str


@dataclass(slots=True, kw_only=True)
class Repeated:
    """An answer of the application that the middleware may repeat.

    Attributes:
        hit: The hit from which the application answered.
        content_type: The content type of its answer.
        has_etag: Whether its answer has a validator; Strawberry's own views send none.
        reads_session: Whether the application read the session in the scope.
        head: The headers that were made for it most recently; None if none were made yet.
    """

    hit: ClaimedHit
    content_type: bytes
    has_etag: bool
    reads_session: bool = False
    head: _Head | None = None

    @property
    def size(self) -> int:
        """Its approximate size in memory, in bytes: clients choose names, and tags fill headers."""
        texts = getsizeof(self.hit.subject.operation_name) + getsizeof(self.hit.session)
        lines = [] if self.head is None else self.head.headers
        headers = sum(len(name) + len(value) for name, value in lines)
        return self.hit.policy.size + texts + headers + len(self.content_type)


class Answers:
    """Makes the responses to hits."""

    def __init__(self, options: Options, sharing: Sharing) -> None:
        self._options = options
        self._sharing = sharing

    def messages(
        self,
        repeated: Repeated,
        entry: Entry,
        *,
        request: Callable[[], RequestContext],
        scope: AsgiScope,
        if_none_match: bytes | None,
    ) -> tuple[Message, Message]:
        """Return the messages of the response to a hit.

        Raises:
            UnreadableEntryError: If it is not the entry of such a request.
        """
        head = self._head(repeated, entry, request, scope)
        if (
            if_none_match is not None
            and head.validator
            and is_known_to_client(if_none_match.decode("latin-1"), head.validator)
        ):
            start = {"type": _START, "status": _NOT_MODIFIED, "headers": [*head.headers]}
            return start, {"type": _BODY, "body": b""}
        payload = entry.recording.payload
        headers = [
            (b"content-length", b"%d" % len(payload)),
            (b"content-type", repeated.content_type),
            *head.headers,
        ]
        start = {"type": _START, "status": _OK, "headers": headers}
        return start, {"type": _BODY, "body": payload}

    def _head(
        self,
        repeated: Repeated,
        entry: Entry,
        request: Callable[[], RequestContext],
        scope: AsgiScope,
    ) -> _Head:
        sends_cookie = "session" in scope and sends_session_cookie(_ScopedRequest(scope))
        left = entry.remaining_ms // 1000
        age = (entry.recording.ttl_ms - entry.remaining_ms) // 1000
        made_for = (entry.write_id, age, left, sends_cookie)
        head = repeated.head
        if head is None or head.made_for != made_for:
            head = repeated.head = self._made(repeated, entry, request(), scope, made_for)
        return head

    def _made(
        self,
        repeated: Repeated,
        entry: Entry,
        request: RequestContext,
        scope: AsgiScope,
        made_for: tuple[object, ...],
    ) -> _Head:
        options, asked, response = self._options, _ScopedRequest(scope), _Response()
        cache_result, validator = self._result(repeated.hit, entry, request), ""
        if options.headers is not None:
            report = Report(request.guard)
            report.conclude(cache_result.outcome())
            told = HttpReport(options, report, request.guard, sharing=lambda: self._sharing)
            told.request = request
            told.note(cache_result.freshness, repeated.hit.policy)
            headers = ResponseHeaders(options.headers)
            headers.begin()
            headers.end(told.freshness, told.cache_status())
            headers.write(response, asked, is_sent=True)
            is_validated = repeated.has_etag and scope["method"] == "GET"
            if is_validated and (validator := headers.validator(response)):
                response.raw_headers.append((b"etag", etag(validator).encode("latin-1")))
        return _Head(made_for=made_for, headers=response.raw_headers, validator=validator)

    def report(self, hit: ClaimedHit, entry: Entry, request: RequestContext) -> Report:
        """Return the report of a hit, for the functions that watch the extension."""
        report = Report(request.guard)
        report.operation_type = hit.subject.operation_type or ""
        report.operation_name = hit.subject.operation_name
        report.conclude(self._result(hit, entry, request).outcome())
        return report

    def _result(self, hit: ClaimedHit, entry: Entry, request: RequestContext) -> CacheResult:
        cache_request = CacheRequest(
            cache=hit.cache,
            keys=hit.keys,
            policy=hit.policy,
            parts=lambda _: [],  # it is asked for no other entry
            session=hit.session,
            subject=hit.subject,
            as_stored=True,
        )
        return stored_result(cache_request, request, entry, CacheDetail.FRESH)


def unlike(sent: Headers, made: Headers) -> list[str]:
    """Return the names of the headers in which a response of the application differs from one made here."""
    theirs, ours = _compared(sent), _compared(made)
    names = {name for name, _ in (*theirs, *ours)}
    return sorted(
        name.decode("latin-1")
        for name in names
        if [each for each in theirs if each[0] == name]
        != [each for each in ours if each[0] == name]
    )


def _compared(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    lower = [(name.lower(), value) for name, value in headers]
    return [
        (name, b"" if name in _OF_TIME else value)
        for name, value in lower
        if name not in _OF_CONTENT
    ]


def has_etag(headers: Headers) -> bool:
    """Return whether a response has an ``ETag``."""
    return any(name.lower() == b"etag" for name, _ in headers)


def content_type_of(headers: Headers) -> bytes | None:
    """Return the content type of a response; None if it has several or none."""
    found = [value for name, value in headers if name.lower() == b"content-type"]
    return found[0] if len(found) == 1 else None
