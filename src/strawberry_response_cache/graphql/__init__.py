"""What Strawberry users import; the package's top level exports it all."""

from strawberry_response_cache.graphql._explain import explain
from strawberry_response_cache.graphql._explanation import ExplainedField, Explanation
from strawberry_response_cache.graphql._extension import ResponseCacheExtension
from strawberry_response_cache.graphql.annotations.hints import CacheScope, cache_control
from strawberry_response_cache.graphql.annotations.invalidates import invalidates
from strawberry_response_cache.graphql.annotations.renew import renew_cache
from strawberry_response_cache.graphql.annotations.restrict import restrict_cache, skip_cache
from strawberry_response_cache.graphql.http.cdn_tags import purge_names
from strawberry_response_cache.graphql.invalidation.invalidate import invalidate, invalidate_sync
from strawberry_response_cache.graphql.policy.reasons import Reason

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
    "purge_names",
    "renew_cache",
    "restrict_cache",
    "skip_cache",
]
