"""A memory that outlives a request. It is bounded in bytes, and drops what was not used lately."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from strawberry_response_cache.core._fork import renewed_in_child

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_LARGEST_SHARE: Final = 8
"""A value takes at most an eighth of the memory, so that one client cannot push out all other values."""


@dataclass(slots=True)
class _BoundedValue(Generic[V]):
    value: V
    size: int
    is_used: bool = False


class Bounded(Generic[K, V]):
    """A memory that is bounded in bytes; every method is atomic.

    Sizes are estimates that their callers make: Python does not tell what an object keeps alive.

    Args:
        max_bytes: The bound on the sum of all sizes; 0 keeps nothing.

    Example:
        >>> texts: Bounded[str, str] = Bounded(80)
        >>> texts.put("a", "text", size=10), texts.put("b", "a longer text", size=11)
        (True, False)
        >>> texts.get("a"), texts.get("b"), texts.size
        ('text', None, 10)
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._largest = max_bytes // _LARGEST_SHARE
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._kept: OrderedDict[K, _BoundedValue[V]] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """Return a value, which counts as used now; None if it is not kept."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        # A request reads several values: a used one is moved only when room is needed, not at each read.
        kept.is_used = True
        return kept.value

    def put(self, key: K, value: V, *, size: int) -> bool:
        """Keep a value, unless it is too large. To make room, the oldest values that were not used lately are dropped.

        Args:
            key: Its key. The value that was kept under it is dropped, also if the new one is too large.
            value: The value.
            size: What it takes, in bytes.

        Returns:
            Whether it is kept.
        """
        with self._lock:
            self._remove(key)
            if size > self._largest:
                return False
            self._make_room(size)
            self._kept[key] = _BoundedValue(value, size)
            self.size += size
        return True

    def grow(self, key: K, value: V, by: int) -> bool:
        """Reserve more bytes for a value.

        Returns:
            Whether they are reserved: the value is still kept and does not become too large.
        """
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.value is not value or kept.size + by > self._largest:
                return False
            kept.is_used = True
            self._kept.move_to_end(key)
            kept.size += by
            self.size += by
            self._make_room(0)
            return self._kept.get(key) is kept

    def drop(self, key: K, value: V) -> None:
        """Drop a value, if it is still kept under this key."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.value is value:
                self._remove(key)

    def _make_room(self, size: int) -> None:
        while self.size + size > self._max_bytes:
            key, kept = next(iter(self._kept.items()))
            if kept.is_used:
                kept.is_used = False
                self._kept.move_to_end(key)
            else:
                self._remove(key)

    def _remove(self, key: K) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.size -= kept.size
