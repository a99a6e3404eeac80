"""Most responses get their headers in a quick way, which writes what the general way would."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement
from types import FrameType
from typing import Any, Final

import pytest
from starlette.requests import Request
from starlette.responses import Response

from strawberry_response_cache.graphql.http.freshness import Freshness
from strawberry_response_cache.graphql.http.response_headers import ResponseHeaders
from strawberry_response_cache.graphql.http.rules import HeaderOptions

_MOST_CALLS: Final = 7
_SENT: Final = {"content-type": "application/json"}
_OF_CONTENT: Final = {b"content-length", b"content-type"}


class ReadInFull(Request):
    """A request of another class, whose response is read in full."""


_KNOWN: Final = Freshness(lifetime=60.5, stale=30, age=7.9, is_shared=True)
_PLAIN: Final[dict[str, Any]] = {
    "options": HeaderOptions(vary={}, s_maxage=600),
    "ends": [_KNOWN],
    "more": 0,
    "status": None,
    "asked": {"headers": [(b"accept", b"*/*")]},
    "before": [],
    "times": 1,
}
_OTHERS: Final[dict[str, list[Any]]] = {
    "options": [
        HeaderOptions(vary={"tenant": ("X-Tenant",)}),
        HeaderOptions(vary={}, cdn_tags=("Cache-Tag",)),
    ],
    "ends": [
        [None],
        [_KNOWN, replace(_KNOWN, age=8)],
        [_KNOWN, None],
        [replace(_KNOWN, is_shared=False)],
        [replace(_KNOWN, is_shortened=True)],
        [replace(_KNOWN, stale=0, age=0)],
        [replace(_KNOWN, lifetime=61, tags=("books",))],
    ],
    "more": [1],
    "status": ["hit"],
    "asked": [
        {"headers": [(b"accept", b"*/*"), (b"cookie", b"a=1")]},
        {"headers": [(b"authorization", b"Basic YQ==")]},
        {"headers": [(b"authorization", b"")]},
        {"headers": [], "session": {}},
        {"headers": [], "session": {"user": 1}},
    ],
    "before": [
        [(b"vary", b"Origin")],
        [(b"Cache-Control", b"no-cache")],
        [(b"set-cookie", b"a=1")],
        [(b"x-other", b"1")],
        [(b"age", b"9"), (b"vary", b"Origin")],
    ],
    "times": [2],
}


def each_pair() -> Iterator[dict[str, Any]]:
    """Return the plain case, and those that differ from it in one or two facts."""
    others = [(name, value) for name, values in _OTHERS.items() for value in values]
    yield _PLAIN
    for one, other in combinations_with_replacement(others, 2):
        yield {**_PLAIN, **dict((one, other))}


def written(kind: type[Request], **facts: Any) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response that was written to."""
    response = Response(b"{}", media_type="application/json")
    response.raw_headers += facts["before"]
    request = kind({"type": "http", "method": "POST", **facts["asked"]})
    headers = ResponseHeaders(facts["options"])
    headers.begin(len(facts["ends"]) + facts["more"])
    for each in facts["ends"]:
        headers.end(each, facts["status"])
    for _ in range(facts["times"]):
        headers.write(response, request, is_sent=True)
    return sorted(response.raw_headers)


def test_both_ways_write_the_same() -> None:
    for facts in each_pair():
        assert written(Request, **facts) == written(ReadInFull, **facts), facts


@pytest.mark.parametrize("kind", [Request, ReadInFull])
def test_headers_of_a_plain_response(kind: type[Request]) -> None:
    lines = dict(written(kind, **_PLAIN))
    assert {name: lines[name] for name in lines.keys() - _OF_CONTENT} == {
        b"age": b"7",
        b"cache-control": b"public, max-age=60, s-maxage=600, stale-while-revalidate=30",
        b"vary": b"Accept",
    }


def test_headers_of_a_plain_response_call_few_functions() -> None:
    options, request = HeaderOptions(vary={}), Request({"type": "http", "headers": []})
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "strawberry_response_cache" in frame.f_code.co_filename:
            calls.append(frame.f_code.co_qualname)

    for _ in range(2):  # what is the same for all is known after the first
        response = Response(b"{}", media_type="application/json")
        calls.clear()
        sys.setprofile(note)
        try:
            headers = ResponseHeaders(options)
            headers.begin()
            headers.end(_KNOWN)
            headers.write(response, request, is_sent=True)
        finally:
            sys.setprofile(None)
    assert len(calls) <= _MOST_CALLS, calls
