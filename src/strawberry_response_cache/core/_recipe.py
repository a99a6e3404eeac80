"""What a client of the algorithm brings: both directions between its values and bytes."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from strawberry_response_cache.core._entry import Recording
from strawberry_response_cache.core._response import CacheDetail

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NotStored:
    """A recipe's answer that a value is not to be stored, and why."""

    detail: CacheDetail


class Recipe(Protocol[T]):
    """How values become bytes and come back."""

    def record(self, value: T) -> Recording | NotStored:
        """Turn a generated value into a recording; what it raises is raised to the caller."""
        ...

    def read(self, recording: Recording) -> T:
        """Rebuild a value.

        Raises:
            UnreadableEntryError: If these bytes do not make one; the entry is purged.
        """
        ...
