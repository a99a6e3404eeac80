"""What a client of the algorithm brings: both directions between its values and bytes."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._response import CacheDetail
from strawberry_response_cache.core.protocol import Unavailable
from strawberry_response_cache.core.protocol.entry import Recording

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NotStored:
    """A serializer's answer that a value is not to be stored.

    Attributes:
        detail: Why.
        failure: What went wrong, where a value that there is may be served instead.
    """

    detail: CacheDetail
    failure: Unavailable | None = None


@dataclass(frozen=True, slots=True)
class Diverted:
    """A serializer's answer that a value belongs under other keys, and what stands under its own.

    Attributes:
        marker: What to store under the keys that were asked for; joiners get it too.
        keys: Where the value goes, in the slot of those keys; None for nowhere.
        recording: The value.
    """

    marker: Recording
    keys: EntryKeys | None
    recording: Recording


class Serializer(Protocol[T]):
    """How values become bytes and come back.

    Attributes:
        serves_stale: Whether a value that there is may be served instead of what a generator raises.
    """

    serves_stale: ClassVar[bool]

    def record(self, value: T, metas: AbstractSet[str]) -> Recording | Diverted | NotStored:
        """Turn a generated value into a recording; what it raises is raised to the caller.

        Args:
            value: What was generated.
            metas: The words that the recordings of its parts carry, such as `PRIVATE`.
        """
        ...

    def read(self, recording: Recording) -> T:
        """Rebuild a value.

        Raises:
            UnreadableEntryError: If these bytes do not make one; the entry is deleted.
        """
        ...

    def known_tags(self) -> AbstractSet[str]:
        """Return digests of tags that the value will surely carry; asked while it is generated.

        An invalidation of one of them makes the run useless to whoever comes later. It may be asked
        from another thread.
        """
        ...
