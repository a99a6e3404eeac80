"""Most responses have no headers but those of their content: theirs are written in few steps."""

import sys
from types import FrameType
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from strawberry_response_cache.graphql.http.freshness import Freshness
from strawberry_response_cache.graphql.http.response_headers import ResponseHeaders
from strawberry_response_cache.graphql.http.rules import HeaderOptions

_MOST_CALLS: Final = 15
_KNOWN: Final = Freshness(lifetime=60.5, stale=30, age=7.9, is_shared=True)


def written(options: HeaderOptions, request: Any) -> dict[bytes, bytes]:
    """Return the headers of a response to a hit that are not those of its content."""
    response = Response(b"{}", media_type="application/json")
    headers = ResponseHeaders(options)
    headers.begin()
    headers.end(_KNOWN)
    headers.write(response, request, is_sent=True)
    return {name: value for name, value in response.raw_headers if b"content" not in name}


def test_a_plain_response_has_age_cache_control_and_vary() -> None:
    request = Request({"type": "http", "headers": [(b"accept", b"*/*")]})
    assert written(HeaderOptions(vary={}, s_maxage=600), request) == {
        b"age": b"7",
        b"cache-control": b"public, max-age=60, s-maxage=600, stale-while-revalidate=30",
        b"vary": b"Accept",
    }


def test_writing_the_headers_of_a_plain_response_calls_few_functions() -> None:
    options, request = HeaderOptions(vary={}), Request({"type": "http", "headers": []})
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "strawberry_response_cache" in frame.f_code.co_filename:
            calls.append(frame.f_code.co_qualname)

    for _ in range(2):  # what is the same for all is known after the first
        calls.clear()
        sys.setprofile(note)
        try:
            written(options, request)
        finally:
            sys.setprofile(None)
    assert len(calls) <= _MOST_CALLS, calls
