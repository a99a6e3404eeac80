"""Strawberry's views for Django; they send stored responses as they are."""

from strawberry.django.views import AsyncGraphQLView as _AsyncGraphQLView
from strawberry.django.views import GraphQLView as _GraphQLView
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.views import AsyncStoredResponses, StoredResponses


class GraphQLView(StoredResponses, _GraphQLView[Context, RootValue]):
    """`strawberry.django.views.GraphQLView`, which sends a stored response as it is.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets plain results, as without the cache.

    Example:
        >>> from django.urls import path
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> urlpatterns = [path("graphql", GraphQLView.as_view(schema=strawberry.Schema(Query)))]
    """


class AsyncGraphQLView(AsyncStoredResponses, _AsyncGraphQLView[Context, RootValue]):
    """`strawberry.django.views.AsyncGraphQLView`, which sends a stored response as it is.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets plain results, as without the cache.

    Example:
        >>> from django.urls import path
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> urlpatterns = [path("graphql", AsyncGraphQLView.as_view(schema=strawberry.Schema(Query)))]
    """
