"""The cache in a Django project: an app with settings, views, invalidations on save, and a command."""

from typing import TYPE_CHECKING

from strawberry_response_cache.django._on_save import invalidate_on_save
from strawberry_response_cache.django._query_set import InvalidatingQuerySet, invalidate_models
from strawberry_response_cache.django._shared_cache import get_cache

if TYPE_CHECKING:
    from strawberry_response_cache.django._views import AsyncGraphQLView, GraphQLView

__all__ = [
    "AsyncGraphQLView",
    "GraphQLView",
    "InvalidatingQuerySet",
    "get_cache",
    "invalidate_models",
    "invalidate_on_save",
]


def __getattr__(name: str) -> object:
    """Load a view on first use: it needs the settings, which Django has not loaded when it imports its apps."""
    if name not in {"AsyncGraphQLView", "GraphQLView"}:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from strawberry_response_cache.django import _views  # noqa: PLC0415 - see above

    return getattr(_views, name)
