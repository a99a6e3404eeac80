"""A fault while the headers of a response are written leaves a response that nobody may store."""

import asyncio
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.graphql.execution.counting import OperationCount
from strawberry_response_cache.graphql.http.response_headers import ResponseHeaders
from tests.views.calls import Request, Response, call


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def number(self) -> int:
        return 1


class ByText(GraphQL[Any, Any]):
    """A view of a framework that writes headers to another object than its response."""

    written: ClassVar[list[tuple[bytes, bytes]]] = []

    def text_headers(self, response: Any) -> Any:
        return SimpleNamespace(raw_headers=self.written)


def answered(view: type[GraphQL[Any, Any]], monkeypatch: pytest.MonkeyPatch) -> Response:
    """Answer a request, and fail where its headers are written."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ResponseHeaders, "write", fail)
    with ResponseCache.from_url("memory://", prefix="faults") as cache:
        extension = ResponseCacheExtension(cache, tenant=None)
        application = view(strawberry.Schema(Query, extensions=[extension]))
        response = asyncio.run(call(application, Request(query="{ number }")))
    assert (response.status, response.body) == (200, b'{"data":{"number":1}}')
    return response


def test_a_fault_while_headers_are_written_makes_a_response_no_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert answered(GraphQL, monkeypatch).headers["cache-control"] == "no-store"


def test_after_a_fault_no_store_is_written_with_the_set_header_of_the_framework(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    response = answered(ByText, monkeypatch)
    assert "cache-control" not in response.headers
    assert ByText.written == [(b"cache-control", b"no-store")]


def test_a_fault_after_a_response_was_found_to_be_public_makes_it_no_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(OperationCount, "cached", fail)
    with ResponseCache.from_url("memory://", prefix="faults") as cache:
        extension = ResponseCacheExtension(cache, tenant=None)
        application = GraphQL[Any, Any](strawberry.Schema(Query, extensions=[extension]))
        for _ in range(2):
            response = asyncio.run(call(application, Request(query="{ number }")))
            assert response.body == b'{"data":{"number":1}}'
            assert response.headers["cache-control"] == "no-store"
