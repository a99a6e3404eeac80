"""Invalidations: by tags, of one key, or of a tenant. Their cost does not depend on the number of entries."""

from collections.abc import Sequence
from dataclasses import dataclass

from strawberry_response_cache.core._families import EVERYTHING
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.protocol import scripts
from strawberry_response_cache.core.protocol.effects import RUN_ID, Housekeeping, StoreCall
from strawberry_response_cache.core.protocol.tokens import new_token


@dataclass(frozen=True, slots=True)
class Invalidate(Housekeeping):
    """Invalidate every entry that has one of the tags; the cost does not depend on the number of entries."""

    tag_table: str
    channel: str
    tags: tuple[str, ...]
    max_tags: int

    def calls(self) -> Sequence[StoreCall]:
        """Return one script."""
        arguments = (new_token(), RUN_ID, self.max_tags, self.channel, *self.tags)
        return ((scripts.INVALIDATE, (self.tag_table,), arguments),)


@dataclass(frozen=True, slots=True)
class Forget(Housekeeping):
    """Invalidate one entry and the values of its slot that were built from it, and refuse a running generation of it.

    A marker stays, see `MARKER`.
    """

    keys: EntryKeys
    max_tags: int

    def calls(self) -> Sequence[StoreCall]:
        """Return three scripts: for the lease, for the entry, and for the tag of the entry.

        The lease is deleted first: without it, a running generation cannot commit.
        """
        keys, channel = self.keys, self.keys.channel
        invalidate = Invalidate(keys.tags, channel, (keys.own_tag, *EVERYTHING), self.max_tags)
        return (
            (scripts.FORGET, (keys.lease,), (new_token(), channel, "w")),
            (scripts.FORGET, (keys.entry,), (new_token(), channel, "k")),
            *invalidate.calls(),
        )


@dataclass(frozen=True, slots=True)
class Clear(Housekeeping):
    """Invalidate every entry of a tenant in one slot."""

    tag_table: str
    channel: str

    def calls(self) -> Sequence[StoreCall]:
        """Return one script."""
        return ((scripts.CLEAR, (self.tag_table,), (new_token(), self.channel)),)
