"""Strawberry's view for aiohttp; it sends stored responses as they are."""

from typing import TYPE_CHECKING, Any

from strawberry.aiohttp.views import GraphQLView as _GraphQLView
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.views import AsyncStoredResponses

if TYPE_CHECKING:
    from strawberry.http import GraphQLHTTPResponse

__all__ = ["GraphQLView"]


class GraphQLView(AsyncStoredResponses, _GraphQLView[Context, RootValue]):
    """`strawberry.aiohttp.views.GraphQLView`, which sends a stored response as it is.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets plain results, as without the cache.
    """

    def create_response(
        self,
        response_data: "GraphQLHTTPResponse | list[GraphQLHTTPResponse]",
        sub_response: Any,  # noqa: ANN401 - aiohttp's, which may not be installed
    ) -> Any:  # noqa: ANN401 - as above
        """Create aiohttp's response, from stored bytes where there are any."""
        body = self.stored_body(response_data)
        if body is None:
            return super().create_response(response_data, sub_response)
        # Strawberry's view would decode them, and aiohttp encode them again.
        sub_response.body = body
        sub_response.charset = "utf-8"
        sub_response.content_type = "application/json"
        return sub_response
