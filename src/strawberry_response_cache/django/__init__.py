"""The cache in a Django project: an app with settings, invalidations on save, and a command."""

from strawberry_response_cache.django._on_save import invalidate_on_save
from strawberry_response_cache.django._query_set import InvalidatingQuerySet, invalidate_models
from strawberry_response_cache.django._shared_cache import get_cache
from strawberry_response_cache.django._views import AsyncGraphQLView, GraphQLView

__all__ = [
    "AsyncGraphQLView",
    "GraphQLView",
    "InvalidatingQuerySet",
    "get_cache",
    "invalidate_models",
    "invalidate_on_save",
]
