"""The serializer, with which a client of the algorithm turns its values into bytes and back."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._response import CacheDetail
from strawberry_response_cache.core.algorithm.parts import Parts
from strawberry_response_cache.core.protocol import Unavailable
from strawberry_response_cache.core.protocol.entry import ValueRecording

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NotStored:
    """A serializer's answer that a value must not be stored.

    Attributes:
        detail: Why.
        failure: What went wrong, if a stale value may be served instead; else None.
        instead: The marker that is stored in its place, and which joiners receive too; None for nothing.
        beside: Parts of the value that are stored with the marker, each under its keys, in the same slot, if there
            is neither an entry nor a lease.
        apart: The keys of entries that could not be stored, but do not keep the parts in ``beside`` from being stored.
    """

    detail: CacheDetail
    failure: Unavailable | None = None
    instead: ValueRecording | None = None
    beside: tuple[tuple[EntryKeys, ValueRecording], ...] = ()
    apart: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Diverted:
    """A serializer's answer that a value is stored under other keys, with a marker under its own keys.

    Attributes:
        marker: The recording for the requested keys; joiners receive it too.
        keys: The keys for the value, in the same slot; None if the value is not stored.
        recording: The value.
    """

    marker: ValueRecording
    keys: EntryKeys | None
    recording: ValueRecording


class Serializer(Protocol[T]):
    """Turns values into bytes, and bytes into values again.

    Attributes:
        serves_stale: Whether a stale value may be served if the generator raises.
    """

    serves_stale: ClassVar[bool]

    def record(self, value: T, parts: Parts) -> ValueRecording | Diverted | NotStored:
        """Turn a generated value into a recording; its exceptions reach the caller.

        Args:
            value: The generated value.
            parts: What its generator read from the cache, which the recording does not hold yet.
        """
        ...

    def read(self, recording: ValueRecording) -> T:
        """Rebuild a value.

        Raises:
            UnreadableEntryError: If the bytes are not such a value; the entry is deleted then.
        """
        ...

    def known_tags(self) -> AbstractSet[str]:
        """Return digests of tags that the value will surely carry; called while it is generated.

        If one of them is invalidated, callers that come later do not join the generation. It may be called
        from another thread.
        """
        ...
