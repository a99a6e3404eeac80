"""The cache in a Django project: an app with settings, invalidations on save, and a command."""

from strawberry_response_cache.django._shared_cache import get_cache

__all__ = ["get_cache"]
