"""Caching of GraphQL operations: `cache_control` and `ResponseCacheExtension`."""

from strawberry_response_cache.graphql._extension import ResponseCacheExtension
from strawberry_response_cache.graphql._hints import CacheScope, cache_control
from strawberry_response_cache.graphql._reasons import Reason

__all__ = ["CacheScope", "Reason", "ResponseCacheExtension", "cache_control"]
