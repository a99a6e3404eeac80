"""Strawberry's view for Sanic; stored responses are sent as they are, with headers for caches."""

from cross_web import HTTPException
from sanic import HTTPResponse
from strawberry.http.typevars import Context, RootValue
from strawberry.sanic.views import GraphQLView as _GraphQLView

from strawberry_response_cache.http.views import AsyncCachingView

__all__ = ["GraphQLView"]


class GraphQLView(AsyncCachingView, _GraphQLView[Context, RootValue]):
    """`strawberry.sanic.views.GraphQLView`, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> from sanic import Sanic
        >>> import strawberry
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> schema = strawberry.Schema(Query)
        >>> application = Sanic("shop")
        >>> route = application.add_route(GraphQLView.as_view(schema=schema), "/graphql")
    """

    def refusal(self, error: HTTPException) -> HTTPResponse:
        """Return the reason of a refusal as plain text, as Strawberry's view does."""
        return HTTPResponse(error.reason, status=error.status_code, content_type="text/plain")

    def not_modified(self, response: HTTPResponse) -> HTTPResponse:
        """Return a response with status 304, without content and without the headers that describe content."""
        return HTTPResponse(status=304, headers=response.headers)
