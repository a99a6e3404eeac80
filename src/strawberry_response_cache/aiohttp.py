"""Strawberry's view for aiohttp; stored responses are sent as they are, with headers for caches."""

from typing import TYPE_CHECKING

from aiohttp import web
from cross_web import HTTPException
from strawberry.aiohttp.views import GraphQLView as _GraphQLView
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.views import AsyncCachingView

if TYPE_CHECKING:
    from strawberry.http import GraphQLHTTPResponse

__all__ = ["GraphQLView"]


class GraphQLView(AsyncCachingView, _GraphQLView[Context, RootValue]):
    """`strawberry.aiohttp.views.GraphQLView`, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> from aiohttp import web
        >>> import strawberry
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> schema = strawberry.Schema(Query)
        >>> application = web.Application()
        >>> route = application.router.add_route("*", "/graphql", GraphQLView(schema))
    """

    def create_response(
        self,
        response_data: "GraphQLHTTPResponse | list[GraphQLHTTPResponse]",
        sub_response: web.Response,
    ) -> web.Response:
        """Create aiohttp's response, from stored bytes where there are any."""
        body = self.guarded_body(response_data)
        if body is None:
            created: web.Response = super().create_response(response_data, sub_response)
            return created
        # Strawberry's view would decode them, and aiohttp encode them again.
        sub_response.body = body
        sub_response.content_type = "application/json"
        sub_response.charset = "utf-8"
        return sub_response

    def refusal(self, error: HTTPException) -> web.Response:
        """Return the reason of a refusal as plain text, as Strawberry's view does."""
        return web.Response(body=error.reason, status=error.status_code)

    def not_modified(self, response: web.Response) -> web.Response:
        """Return a response with status 304, without content and without the headers that describe content."""
        response.set_status(304)
        response.body = None
        response.headers.popall("Content-Type", None)
        return response
