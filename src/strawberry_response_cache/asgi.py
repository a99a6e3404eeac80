"""Strawberry's views for Starlette and other ASGI applications; they send stored responses as they are."""

from strawberry.asgi import GraphQL as _GraphQL
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.views import AsyncStoredResponses

__all__ = ["GraphQL"]


class GraphQL(AsyncStoredResponses, _GraphQL[Context, RootValue]):
    """`strawberry.asgi.GraphQL`, which sends a stored response as it is.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets plain results, as without the cache.
    """
