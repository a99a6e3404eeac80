"""Keys that are marked for a while; how many is bounded."""

import threading
from collections import OrderedDict
from typing import Final

from strawberry_response_cache.core._fork import renewed_in_child

MOST: Final = 1024
"""The most marks. Above that, the mark that was set the longest ago is removed."""


class Marks:
    """Keys, each marked until some time; every method is atomic.

    Example:
        >>> marks = Marks()
        >>> marks.set("key", until=5.0)
        >>> marks.has("key", now=4.0), marks.has("key", now=5.0), marks.has("other", now=4.0)
        (True, False, False)
    """

    def __init__(self) -> None:
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._until: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of marks. A mark whose time is over counts until `has` removes it."""
        return len(self._until)

    def set(self, key: str, until: float) -> None:
        """Mark a key.

        Args:
            key: The key.
            until: When the mark ends, in seconds of the caller's clock.
        """
        with self._lock:
            self._until[key] = until
            self._until.move_to_end(key)
            if len(self._until) > MOST:
                self._until.popitem(last=False)

    def remove(self, key: str) -> None:
        """Remove the mark of a key, if there is one."""
        if key in self._until:
            with self._lock:
                self._until.pop(key, None)

    def has(self, key: str, now: float) -> bool:
        """Whether a key is marked.

        Args:
            key: The key.
            now: The time, in seconds of the caller's clock.
        """
        until = self._until.get(key)
        if until is None:
            return False
        if until > now:
            return True
        self.remove(key)
        return False
