"""Which entries were asked for more than once lately, in bounded memory, for ``store_after=2``."""

import threading
from typing import Final

from strawberry_response_cache.core._fork import renewed_in_child

_BITS: Final = 21
_MASK: Final = 2**_BITS - 1
MOST: Final = 100_000
"""The keys of one generation. With that many, fewer than one in a hundred new keys counts as seen before."""


class Sightings:
    """The keys that this process was asked for lately, and those that it was asked for again.

    Each question is answered by Bloom filters of two generations, the "doorkeeper" of TinyLFU: 1 MiB in all,
    however many keys there are. The older generation is dropped when the younger is full, so the latest
    100,000 to 200,000 keys are known. A key that was dropped counts as seen for the first time again; a few new keys
    count as seen before. Both decide only whether a response is stored.

    Source: https://arxiv.org/abs/1512.00727

    Args:
        most: The keys of one generation.

    Example:
        >>> sightings = Sightings()
        >>> sightings.note("key")
        >>> sightings.has_again("key")
        False
        >>> sightings.note("key")
        >>> sightings.has_again("key")
        True
    """

    def __init__(self, most: int = MOST) -> None:
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._most = most
        self._count = 0
        self._once = [_Filter(), _Filter()]
        self._again = [_Filter(), _Filter()]

    def note(self, key: str) -> None:
        """Note that a key is asked for."""
        number = hash(key)
        with self._lock:
            if any(each.has(number) for each in self._once):
                self._again[0].add(number)
            if not self._once[0].has(number):
                self._once[0].add(number)
                self._count += 1
            if self._count >= self._most:
                self._count = 0
                for filters in (self._once, self._again):
                    filters[:] = [_Filter(), filters[0]]

    def has_again(self, key: str) -> bool:
        """Whether a key was noted at least twice."""
        number = hash(key)
        with self._lock:
            return any(each.has(number) for each in self._again)


class _Filter:
    """A Bloom filter of three bits for each number; one number gives all three."""

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        self._bits = bytearray(2 ** (_BITS - 3))

    def add(self, number: int) -> None:
        for place in _places(number):
            self._bits[place >> 3] |= 1 << (place & 7)

    def has(self, number: int) -> bool:
        return all(self._bits[place >> 3] & 1 << (place & 7) for place in _places(number))


def _places(number: int) -> tuple[int, int, int]:
    # A hash of Python has 64 bits, and differs between processes: no client can aim at a place.
    return number & _MASK, number >> _BITS & _MASK, number >> 2 * _BITS & _MASK
