"""The fast path for hits in local memory, before the algorithm is set up: microseconds count here.

Only calls with plain arguments take it. All other calls run the algorithm, which gives the same answer or
reports wrong arguments.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from strawberry_response_cache.core._duration import MAX_SECONDS
from strawberry_response_cache.core._keys import EntryKeys, Keyspace, checked_key_parts
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._response import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core.protocol.entry import UnreadableEntryError
from strawberry_response_cache.core.serialization.codec import codec_for

_HIT: Final = CacheStatus.HIT
_LOCAL: Final = CacheDetail.LOCAL
_MOST_KEYS: Final = 1024
_MOST_PARTS: Final = 16
_LONGEST_PART: Final = 128
"""Longer keys, or keys with more parts, are not memoised, so that the memo is bounded in bytes."""


@lru_cache(maxsize=_MOST_KEYS)
def _known_keys(
    prefix: str, tenant_digest: str, slots_per_tenant: int, key_parts: tuple[str, ...]
) -> EntryKeys:
    return Keyspace(prefix, (), slots_per_tenant, tenant_digest).keys(key_parts)


def keys_of(keyspace: Keyspace, key_parts: Sequence[str]) -> EntryKeys:
    """Return the keys of the entry with these key parts; the latest are memoised.

    Raises:
        TypeError: If ``key_parts`` is not valid, see `checked_key_parts`.
    """
    if type(key_parts) is list or type(key_parts) is tuple:
        parts = tuple(key_parts)
        for part in parts:
            # A subclass may compare equal to another value, and would get that value's keys.
            if type(part) is not str or len(part) > _LONGEST_PART:
                break
        else:
            if len(parts) <= _MOST_PARTS:
                return _known_keys(
                    keyspace.prefix, keyspace.tenant_digest, keyspace.slots_per_tenant, parts
                )
    return keyspace.keys(checked_key_parts(key_parts))


def are_plain(ttl: object, stale: object, tags: object) -> bool:
    """Whether these arguments of `remember` have plain types, are valid and store something (a ttl above 0)."""
    if not _is_plain_duration(ttl) or ttl == 0:
        return False
    if stale is not None and not _is_plain_duration(stale):
        return False
    if type(tags) is list or type(tags) is tuple:
        for tag in tags:  # noqa: SIM110 - `all` with a generator takes three times as long
            if type(tag) is not str:
                return False
        return True
    return callable(tags)


def _is_plain_duration(duration: Any) -> bool:  # noqa: ANN401 - whatever a caller passed
    kind = type(duration)
    return (kind is int or kind is float) and 0 <= duration <= MAX_SECONDS


def local_hit(memory: Memory, keys: EntryKeys, as_type: object) -> CachedResponse[Any] | None:
    """Return a hit from local memory.

    Returns:
        None if there is no entry, or it cannot be rebuilt.

    Raises:
        CacheConfigurationError: If pydantic cannot serialise ``as_type``.
    """
    codec = codec_for(as_type)
    found = memory.find(keys)
    if found is None:
        return None
    entry, left = found
    recording = entry.recording
    try:
        value = codec.decode(recording.payload)
    except UnreadableEntryError:
        return None
    age = max(0.0, recording.ttl_ms / 1000 - left)
    return CachedResponse(value, _HIT, _LOCAL, age, left, recording.cost_ms / 1000)
