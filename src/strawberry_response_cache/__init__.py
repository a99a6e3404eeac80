"""A response cache for Strawberry GraphQL on Redis and Valkey."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strawberry_response_cache.core import (
        Cacheable,
        CacheConfigurationError,
        CacheDetail,
        CachedResponse,
        CacheError,
        CacheSerializationError,
        CacheSettings,
        CacheStatistics,
        CacheStatus,
        CacheStoreError,
        CallStatistics,
        InvalidatedTags,
        OperationStatistics,
        RedisHandle,
        RequestStatistics,
        ResponseCache,
    )
    from strawberry_response_cache.graphql import (
        CacheScope,
        ExplainedField,
        Explanation,
        Reason,
        ResponseCacheExtension,
        cache_control,
        explain,
        invalidate,
        invalidate_sync,
        invalidates,
        purge_names,
        renew_cache,
        restrict_cache,
        skip_cache,
    )
    from strawberry_response_cache.middleware import ResponseCacheMiddleware

__version__ = "0.1.0"

_CORE = "strawberry_response_cache.core"
_GRAPHQL = "strawberry_response_cache.graphql"
_MIDDLEWARE = "strawberry_response_cache.middleware"

# Loaded on first access (PEP 562), so that a REST service that uses only the core imports
# neither Strawberry nor GraphQL.
_EXPORTS = {
    "CacheConfigurationError": _CORE,
    "CacheDetail": _CORE,
    "CacheError": _CORE,
    "CacheScope": _GRAPHQL,
    "CacheSerializationError": _CORE,
    "CacheSettings": _CORE,
    "CacheStatistics": _CORE,
    "CacheStatus": _CORE,
    "CacheStoreError": _CORE,
    "Cacheable": _CORE,
    "CachedResponse": _CORE,
    "CallStatistics": _CORE,
    "ExplainedField": _GRAPHQL,
    "Explanation": _GRAPHQL,
    "InvalidatedTags": _CORE,
    "Reason": _GRAPHQL,
    "RedisHandle": _CORE,
    "OperationStatistics": _CORE,
    "RequestStatistics": _CORE,
    "ResponseCache": _CORE,
    "ResponseCacheExtension": _GRAPHQL,
    "ResponseCacheMiddleware": _MIDDLEWARE,
    "cache_control": _GRAPHQL,
    "explain": _GRAPHQL,
    "invalidate": _GRAPHQL,
    "invalidate_sync": _GRAPHQL,
    "invalidates": _GRAPHQL,
    "purge_names": _GRAPHQL,
    "renew_cache": _GRAPHQL,
    "restrict_cache": _GRAPHQL,
    "skip_cache": _GRAPHQL,
}

__all__ = [
    "CacheConfigurationError",
    "CacheDetail",
    "CacheError",
    "CacheScope",
    "CacheSerializationError",
    "CacheSettings",
    "CacheStatistics",
    "CacheStatus",
    "CacheStoreError",
    "Cacheable",
    "CachedResponse",
    "CallStatistics",
    "ExplainedField",
    "Explanation",
    "InvalidatedTags",
    "OperationStatistics",
    "Reason",
    "RedisHandle",
    "RequestStatistics",
    "ResponseCache",
    "ResponseCacheExtension",
    "ResponseCacheMiddleware",
    "cache_control",
    "explain",
    "invalidate",
    "invalidate_sync",
    "invalidates",
    "purge_names",
    "renew_cache",
    "restrict_cache",
    "skip_cache",
]


def __getattr__(name: str) -> object:
    """Load an exported name."""
    if name not in _EXPORTS:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the exported names."""
    return sorted({*globals(), *__all__})
