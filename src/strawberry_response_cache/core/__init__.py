"""The cache core: `ResponseCache` and its types. It does not import Strawberry or GraphQL."""

from strawberry_response_cache.core._cache import ResponseCache
from strawberry_response_cache.core._cacheable import Cacheable
from strawberry_response_cache.core._errors import (
    CacheConfigurationError,
    CacheError,
    CacheSerializationError,
    CacheStoreError,
)
from strawberry_response_cache.core._handle import RedisHandle
from strawberry_response_cache.core._invalidated_tags import InvalidatedTags
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core._statistics import (
    CacheStatistics,
    CallStatistics,
    OperationStatistics,
    RequestStatistics,
)

__all__ = [
    "CacheConfigurationError",
    "CacheDetail",
    "CacheError",
    "CacheSerializationError",
    "CacheSettings",
    "CacheStatistics",
    "CacheStatus",
    "CacheStoreError",
    "Cacheable",
    "CachedResponse",
    "CallStatistics",
    "InvalidatedTags",
    "OperationStatistics",
    "RedisHandle",
    "RequestStatistics",
    "ResponseCache",
]
