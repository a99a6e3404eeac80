"""Inspections: what is stored under a key, read without a lease and without any change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.protocol.answers import Unavailable, failure
from strawberry_response_cache.core.protocol.effects import RUN_ID, Effect, StoreCall


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundUnderKeys:
    """What is stored under the keys of an entry.

    Attributes:
        stored: The bytes of the entry; None if there are none.
        pttl_ms: For how long the server keeps it, in milliseconds.
        is_leased: Whether a caller holds the lease.
        epoch: The epoch of its tag table; None if there is no table.
        floor: The floor of that table: entries with a lower clock do not count.
        is_of_another_run: Whether the table was written before the server restarted or failed over.
    """

    stored: bytes | None
    pttl_ms: int
    is_leased: bool
    epoch: str | None
    floor: int
    is_of_another_run: bool


@dataclass(frozen=True, slots=True)
class LookAt(Effect[FoundUnderKeys | Unavailable]):
    """Read an entry, its lease and its tag table."""

    keys: EntryKeys

    def calls(self) -> Sequence[StoreCall]:
        """Return native commands, because the script of lookups would also delete a damaged entry."""
        keys = self.keys
        return (
            ("GET", (keys.entry,), ()),
            ("PTTL", (keys.entry,), ()),
            ("PTTL", (keys.lease,), ()),
            ("HMGET", (keys.tags,), ("e", "f", "r")),
            ("PING", (), (RUN_ID,)),  # says the run id that lookups go by
        )

    def interpret(self, replies: Sequence[Any]) -> FoundUnderKeys | Unavailable:
        """Return what is stored, or the failure."""
        error = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if error is not None:
            return failure(error)
        stored, pttl, lease, (epoch, floor, run_id), current = replies
        return FoundUnderKeys(
            stored=stored,
            pttl_ms=pttl,
            is_leased=lease > 0,
            epoch=None if epoch is None else epoch.decode("ascii", "replace"),
            floor=int(floor or 0),
            is_of_another_run=bool(current) and run_id != current,
        )


@dataclass(frozen=True, slots=True)
class LookAtTags(Effect[Mapping[str, int] | Unavailable]):
    """Read when tags were invalidated last."""

    tag_table: str
    tags: Sequence[str]

    def calls(self) -> Sequence[StoreCall]:
        """Return one HMGET; it also reads the clock, because without tags it would have no field."""
        fields = [f"t:{tag}" for tag in self.tags]
        return (("HMGET", (self.tag_table,), ("c", *fields)),)

    def interpret(self, replies: Sequence[Any]) -> Mapping[str, int] | Unavailable:
        """Return the clock of each tag that was invalidated, or the failure."""
        (reply,) = replies
        if isinstance(reply, Exception):
            return failure(reply)
        clocks = zip(self.tags, reply[1:], strict=True)
        return {tag: int(clock) for tag, clock in clocks if clock is not None}
