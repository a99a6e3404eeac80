"""The serializer, with which a client of the algorithm turns its values into bytes and back."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol, TypeVar

from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._response import CacheDetail
from strawberry_response_cache.core.protocol.entry import Recording

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NotStored:
    """A serializer's answer that a value must not be stored, and why."""

    detail: CacheDetail


@dataclass(frozen=True, slots=True)
class Diverted:
    """A serializer's answer that a value is stored under other keys, with a marker under its own keys.

    Attributes:
        marker: The recording for the requested keys; joiners receive it too.
        keys: The keys for the value, in the same slot; None if the value is not stored.
        recording: The value.
    """

    marker: Recording
    keys: EntryKeys | None
    recording: Recording


class Serializer(Protocol[T]):
    """Turns values into recordings and back."""

    def record(self, value: T, metas: AbstractSet[str]) -> Recording | Diverted | NotStored:
        """Turn a generated value into a recording; its exceptions reach the caller.

        Args:
            value: The generated value.
            metas: The meta words of its parts, such as `PRIVATE`.
        """
        ...

    def read(self, recording: Recording) -> T:
        """Rebuild a value.

        Raises:
            UnreadableEntryError: If the bytes are not such a value; the entry is deleted then.
        """
        ...
