"""Strawberry's views for Flask; they send stored responses as they are."""

from strawberry.flask.views import AsyncGraphQLView as _AsyncGraphQLView
from strawberry.flask.views import GraphQLView as _GraphQLView
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.views import AsyncStoredResponses, StoredResponses

__all__ = ["AsyncGraphQLView", "GraphQLView"]


class GraphQLView(StoredResponses, _GraphQLView[Context, RootValue]):
    """`strawberry.flask.GraphQLView`, which sends a stored response as it is.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets plain results, as without the cache.
    """


class AsyncGraphQLView(AsyncStoredResponses, _AsyncGraphQLView[Context, RootValue]):
    """`strawberry.flask.AsyncGraphQLView`, which sends a stored response as it is.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets plain results, as without the cache.
    """
