"""Strawberry's views for Quart; they send stored responses as they are."""

from strawberry.http.typevars import Context, RootValue
from strawberry.quart.views import GraphQLView as _GraphQLView

from strawberry_response_cache.http.views import AsyncStoredResponses

__all__ = ["GraphQLView"]


class GraphQLView(AsyncStoredResponses, _GraphQLView[Context, RootValue]):
    """`strawberry.quart.GraphQLView`, which sends a stored response as it is.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets plain results, as without the cache.
    """
