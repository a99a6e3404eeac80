"""Strawberry's views for Channels; they send stored responses as they are."""

from strawberry.channels import GraphQLHTTPConsumer as _GraphQLHTTPConsumer
from strawberry.channels import SyncGraphQLHTTPConsumer as _SyncGraphQLHTTPConsumer
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.views import AsyncStoredResponses, StoredResponses

__all__ = ["GraphQLHTTPConsumer", "SyncGraphQLHTTPConsumer"]


class GraphQLHTTPConsumer(AsyncStoredResponses, _GraphQLHTTPConsumer[Context, RootValue]):
    """`strawberry.channels.GraphQLHTTPConsumer`, which sends a stored response as it is.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets plain results, as without the cache.
    """


class SyncGraphQLHTTPConsumer(StoredResponses, _SyncGraphQLHTTPConsumer[Context, RootValue]):
    """`strawberry.channels.SyncGraphQLHTTPConsumer`, which sends a stored response as it is.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets plain results, as without the cache.
    """
