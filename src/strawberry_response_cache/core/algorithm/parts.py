"""Parts: the values that a generator reads from the cache, which count as parts of its own value.

Without this, invalidated data would survive inside a newer entry. The whole has the tags of its parts,
expires with the first of them, and counts as of the lowest clock among its lease and its parts. A part that
may not be stored keeps the whole from being stored.
"""

import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from strawberry_response_cache.core._families import EVERYTHING
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.protocol import Lease
from strawberry_response_cache.core.protocol.entry import NO_META, ValueRecording

FOR_EVER: Final = 1 << 62
"""Longer than any ttl, in milliseconds."""

_MOST_TAGS: Final = 200

BEFORE_EVERYTHING: Final = -1
"""A clock below each floor of a tag table, so that a commit with this clock is refused."""


@dataclass(frozen=True, slots=True)
class Part:
    """A value that a generator read from the cache.

    Attributes:
        keys: Its keys; with an empty entry key, it is everything that was read since one moment.
        tags: Its tags, with the tags of its own parts.
        remaining_ms: How long it stays fresh.
        epoch: The epoch in which it was recorded; None for a value that was just generated, which is
            not older than the whole's own lease.
        clock: The clock at which it was recorded; None as for ``epoch``.
        is_fit: Whether values built from it may be stored.
        meta: The meta word of its recording.
    """

    keys: EntryKeys
    tags: tuple[str, ...]
    remaining_ms: int
    epoch: str | None = None
    clock: int | None = None
    is_fit: bool = True
    meta: str = NO_META


def unfit_part(keys: EntryKeys) -> Part:
    """Return a part that keeps the values built from it from being stored."""
    return Part(keys, (), 0, is_fit=False)


class Parts:
    """The parts of one generation; any of its tasks and threads may add to them."""

    __slots__ = ("_is_over", "_noted")

    def __init__(self) -> None:
        self._noted: list[tuple[Part, float]] = []
        self._is_over = False

    def add(self, part: Part) -> None:
        """Note a part and the current time."""
        if not self._is_over:
            self._noted.append((part, time.monotonic()))

    def end(self) -> None:
        """Drop the parts and ignore further ones: the generation has ended, but tasks that it started may still run."""
        self._is_over = True
        self._noted = []

    def add_all(self, others: "Parts") -> None:
        """Note the parts of another generation, which may have become parts of this one."""
        self._noted += others._noted  # noqa: SLF001 - of its own class

    @property
    def are_any(self) -> bool:
        """Whether anything was read from a cache so far."""
        return bool(self._noted)

    @property
    def metas(self) -> frozenset[str]:
        """The meta words of the parts, from all caches."""
        return frozenset(part.meta for part, _ in self._noted if part.meta != NO_META)

    @property
    def tags(self) -> frozenset[str]:
        """The tags of the parts so far, their own among them; also while others are added."""
        return _tags_of([part for part, _ in [*self._noted]])

    def fold(
        self,
        recording: ValueRecording,
        keys: EntryKeys,
        lease: Lease | None,
        apart: AbstractSet[str] = frozenset(),
    ) -> tuple[ValueRecording, int | None] | None:
        """Return the recording and the clock of the whole.

        Args:
            recording: The recording of the whole.
            keys: Its keys.
            lease: The right to store it; None if nothing is stored.
            apart: Keys of entries. A part that may not be stored is left out if it has one of these keys, unless
                two such parts have the same key.

        Returns:
            None if a part keeps the whole from being stored: it is stale, was not stored itself,
            or belongs to another tenant, whose invalidations do not reach this one.
        """
        clock = None if lease is None else lease.clock
        # Parts from another cache are ignored: its tags are not those of this cache.
        here = [each for each in self._noted if each[0].keys.channel == keys.channel]
        left_out = [part.keys.entry for part, _ in here if not part.is_fit]
        left_out = [entry for entry in left_out if entry in apart]
        if len(left_out) > len({*left_out}):
            return None  # something else read it too
        noted = [each for each in here if each[0].is_fit or each[0].keys.entry not in apart]
        if not noted:
            return recording, clock
        now, parts = time.monotonic(), [part for part, _ in noted]
        remaining = min(part.remaining_ms - round((now - at) * 1000) for part, at in noted)
        if remaining <= 0 or not all(p.is_fit and p.keys.tenant == keys.tenant for p in parts):
            return None
        if clock is not None and lease is not None:
            for part in parts:
                # Clocks of two slots cannot be compared; an invalidation runs in every slot twice instead.
                if part.keys.tags == keys.tags and part.clock is not None:
                    same = part.epoch == lease.epoch
                    clock = min(clock, part.clock if same else BEFORE_EVERYTHING)
        tags = _tags_of(parts)
        if len(tags) > _MOST_TAGS:
            # Every lookup compares each tag; this one tag is invalidated by every invalidation.
            tags = frozenset(EVERYTHING)
        folded = replace(
            recording,
            ttl_ms=min(recording.ttl_ms, remaining),
            tags=tuple(sorted(tags.union(recording.tags))),
        )
        return folded, clock


def _tags_of(parts: Iterable[Part]) -> frozenset[str]:
    """Return the tags whose invalidation outdates one of the parts: their tags, and the own tag of each."""
    return frozenset(
        tag
        for part in parts
        for tag in ((part.keys.own_tag, *part.tags) if part.keys.entry else part.tags)
    )
