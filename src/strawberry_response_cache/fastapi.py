"""Strawberry's views for FastAPI; they send stored responses as they are."""

from strawberry.fastapi import GraphQLRouter as _GraphQLRouter
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.views import AsyncStoredResponses

__all__ = ["GraphQLRouter"]


class GraphQLRouter(AsyncStoredResponses, _GraphQLRouter[Context, RootValue]):
    """`strawberry.fastapi.GraphQLRouter`, which sends a stored response as it is.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets plain results, as without the cache.
    """
