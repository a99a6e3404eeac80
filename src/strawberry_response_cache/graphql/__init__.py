"""What Strawberry users import; the package's top level exports it all."""

from strawberry_response_cache.graphql._explain import ExplainedField, Explanation, explain
from strawberry_response_cache.graphql._extension import ResponseCacheExtension
from strawberry_response_cache.graphql._hints import CacheScope, cache_control
from strawberry_response_cache.graphql._invalidates import invalidates
from strawberry_response_cache.graphql._reasons import Reason
from strawberry_response_cache.graphql._restrict import (
    invalidate,
    invalidate_sync,
    restrict_cache,
    skip_cache,
)

__all__ = [
    "CacheScope",
    "ExplainedField",
    "Explanation",
    "Reason",
    "ResponseCacheExtension",
    "cache_control",
    "explain",
    "invalidate",
    "invalidate_sync",
    "invalidates",
    "restrict_cache",
    "skip_cache",
]
