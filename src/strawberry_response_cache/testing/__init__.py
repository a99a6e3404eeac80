"""Helpers for the tests of an application: an empty cache, what the cache did, and assertions on it.

`strawberry_response_cache.testing.pytest` has fixtures; nothing else here imports pytest.
"""

from strawberry_response_cache.testing._assertions import (
    assert_bypass,
    assert_hit,
    assert_invalidated,
    assert_miss,
    assert_stale,
)
from strawberry_response_cache.testing._caches import (
    clear_all_tenants,
    clear_all_tenants_sync,
    memory_cache,
)
from strawberry_response_cache.testing._recording import (
    RecordedField,
    RecordedOperation,
    Recording,
    record,
)

__all__ = [
    "RecordedField",
    "RecordedOperation",
    "Recording",
    "assert_bypass",
    "assert_hit",
    "assert_invalidated",
    "assert_miss",
    "assert_stale",
    "clear_all_tenants",
    "clear_all_tenants_sync",
    "memory_cache",
    "record",
]
