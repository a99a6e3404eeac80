"""Strawberry's consumers for Channels; stored responses are sent as they are, with headers for caches."""

from collections.abc import MutableMapping
from typing import Any

from cross_web import HTTPException
from strawberry.channels import GraphQLHTTPConsumer as _GraphQLHTTPConsumer
from strawberry.channels import SyncGraphQLHTTPConsumer as _SyncGraphQLHTTPConsumer
from strawberry.channels.handlers.http_handler import ChannelsResponse
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.views import AsyncCachingView, ThreadedCachingView

__all__ = ["GraphQLHTTPConsumer", "SyncGraphQLHTTPConsumer"]


class _ChannelsView:
    def text_headers(self, response: Any) -> Any:  # noqa: ANN401 - of a stream or not
        """Return a response with its headers as text; those of Channels are bytes."""
        return _TextResponse(response)

    def refusal(self, error: HTTPException) -> ChannelsResponse:
        """Return the reason of a refusal as plain text, as Strawberry's consumer does."""
        return ChannelsResponse(
            content=error.reason.encode(),
            status=error.status_code,
            headers={b"Content-Type": b"text/plain"},
        )

    def not_modified(self, response: ChannelsResponse) -> ChannelsResponse:
        """Return a response with status 304, with the headers of a response and without its content."""
        return ChannelsResponse(content=b"", status=304, headers=response.headers)


class _TextResponse:
    """A response of Channels, or of a stream, with its headers as text."""

    def __init__(self, response: Any) -> None:  # noqa: ANN401 - of a stream or not
        self.headers = _TextHeaders(response.headers)
        self._response = response

    @property
    def status(self) -> int:
        """The status of Channels' response; to set it sets the status of that response."""
        status: int = self._response.status
        return status

    @status.setter
    def status(self, status: int) -> None:
        self._response.status = status


class _TextHeaders(dict[str, str]):
    """The headers of a response of Channels as text; a change here changes that response."""

    def __init__(self, headers: MutableMapping[bytes, bytes]) -> None:
        super().__init__({name.decode(): value.decode() for name, value in headers.items()})
        self._headers = headers

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name, value)
        self._headers[name.encode()] = value.encode()

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        del self._headers[name.encode()]


class GraphQLHTTPConsumer(
    _ChannelsView, AsyncCachingView, _GraphQLHTTPConsumer[Context, RootValue]
):
    """`strawberry.channels.GraphQLHTTPConsumer`, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> from channels.routing import URLRouter
        >>> from django.urls import path
        >>> import strawberry
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> schema = strawberry.Schema(Query)
        >>> view = GraphQLHTTPConsumer.as_asgi(schema=schema)
        >>> application = URLRouter([path("graphql", view)])
    """


class SyncGraphQLHTTPConsumer(  # type: ignore[misc] # its `run` is awaited, as Strawberry's own
    _ChannelsView, ThreadedCachingView, _SyncGraphQLHTTPConsumer[Context, RootValue]
):
    """`strawberry.channels.SyncGraphQLHTTPConsumer`, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> from channels.routing import URLRouter
        >>> from django.urls import path
        >>> import strawberry
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> schema = strawberry.Schema(Query)
        >>> view = SyncGraphQLHTTPConsumer.as_asgi(schema=schema)
        >>> application = URLRouter([path("graphql", view)])
    """
