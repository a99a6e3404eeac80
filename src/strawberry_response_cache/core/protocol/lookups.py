"""Lookups: an entry that still counts, or the lease if there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.protocol import scripts
from strawberry_response_cache.core.protocol.answers import (
    Fresh,
    Granted,
    Held,
    Lease,
    LookupAnswer,
    Moment,
    Moved,
    NoLease,
    Stale,
    Unavailable,
    Unreadable,
    failure,
)
from strawberry_response_cache.core.protocol.effects import READ, RUN_ID, Call, Effect
from strawberry_response_cache.core.protocol.entry import Entry, UnreadableEntryError, decode
from strawberry_response_cache.core.protocol.tokens import new_token
from strawberry_response_cache.core.protocol.troubles import Trouble, trouble_of_code


def _check_entry(
    keys: tuple[str, str, str], token: str, lease_ms: int, rejected: str = "", draw: float = 0.0
) -> Call:
    """Return the call that checks whether an entry counts and, if not, requests the lease; see `Lookup`."""
    life = scripts.TAG_TABLE_LIFE_MS
    return (scripts.LOOKUP, keys, (token, lease_ms, rejected, draw, RUN_ID, life))


def _is_word(epoch: object) -> bool:
    """Whether an epoch is valid in the header of an entry; a damaged reply may hold anything."""
    return (
        isinstance(epoch, str)
        and bool(epoch)
        and epoch.isascii()
        and epoch.isprintable()
        and " " not in epoch
    )


@dataclass(slots=True)  # not frozen, because each hit creates one; see `Entry`
class Lookup(Effect[LookupAnswer]):
    """Read an entry if it still counts; if not, request the lease.

    Attributes:
        keys: The entry's keys.
        lease_ms: The life of the lease, in milliseconds; 0 requests none.
        rejected: The write id of an entry that could not be rebuilt; it is deleted.
        draw: How early the entry is refreshed before it expires, in multiples of its cost.
        max_bytes: The largest payload to unpack.
    """

    keys: EntryKeys
    lease_ms: int
    rejected: str = ""
    token: str = field(default_factory=new_token, repr=False)
    draw: float = 0.0
    max_bytes: int | None = None

    def calls(self) -> Sequence[Call]:
        """A script that checks whether the entry counts, and a native GET that fetches it."""
        keys = self.keys
        check = _check_entry(
            (keys.tags, keys.entry, keys.lease),
            self.token,
            self.lease_ms,
            self.rejected,
            self.draw,
        )
        return (check, (READ, (keys.entry,), ()))

    def interpret(self, replies: Sequence[Any]) -> LookupAnswer:
        """Combine the check with the bytes, which count only if they are of the checked write."""
        checked, stored = replies
        if isinstance(checked, Exception):
            return failure(checked)
        try:
            state, write_id, remaining, epoch, ticks = checked
            pttl, clock = int(remaining), int(ticks)
        except (TypeError, ValueError) as error:
            return failure(error)
        match state:
            case "fresh" | "stale" | "refresh":
                return self._found(state, self._entry(stored, write_id, pttl), epoch, clock)
            case "granted":
                lease = self._lease(epoch, clock)
                return lease if isinstance(lease, Unavailable) else Granted(lease)
            case "held":
                return Held()
            case "refused":
                return NoLease(trouble_of_code(epoch))
            case _:
                return Unavailable("unknown_state", trouble=Trouble.NONSENSE)

    def _found(
        self, state: str, entry: Entry | Unreadable | Moved, epoch: str, clock: int
    ) -> LookupAnswer:
        if not isinstance(entry, Entry):
            return entry
        if state == "fresh":
            return Fresh(entry)
        if state == "stale":
            return Stale(entry, None)
        lease = self._lease(epoch, clock)
        return lease if isinstance(lease, Unavailable) else Stale(entry, lease)

    def _lease(self, epoch: str, clock: int) -> Lease | Unavailable:
        if not _is_word(epoch):
            return Unavailable("malformed_epoch", trouble=Trouble.NONSENSE)
        return Lease(self.token, epoch, clock)

    def _entry(self, stored: object, write_id: str, pttl: int) -> Entry | Unreadable | Moved:
        if not isinstance(stored, bytes):
            return Moved()
        try:
            entry = decode(stored, pttl_ms=pttl, max_bytes=self.max_bytes)
        except UnreadableEntryError:
            return Unreadable(write_id)
        return entry if entry.write_id == write_id else Moved()


@dataclass(frozen=True, slots=True)
class ReadClock(Effect["Moment | Unavailable | None"]):
    """Read a tenant's clock in one slot.

    Attributes:
        tag_table: The tag table of the slot.
        begin: Whether to start an epoch if there is none.
    """

    tag_table: str
    begin: bool = False
    token: str = field(default_factory=new_token, repr=False)

    def calls(self) -> Sequence[Call]:
        """A lookup of an entry that never exists."""
        nowhere = f"{self.tag_table}:-"
        keys = (self.tag_table, nowhere, f"{nowhere}:l")
        # A very short lease, for which no caller waits, starts the epoch.
        return (_check_entry(keys, self.token, lease_ms=int(self.begin)),)

    def interpret(self, replies: Sequence[Any]) -> "Moment | Unavailable | None":
        """Return the moment; None if there is no epoch."""
        (checked,) = replies
        if isinstance(checked, Exception):
            return failure(checked)
        try:
            _, _, _, epoch, ticks = checked
            return None if epoch == "-" else Moment(epoch, int(ticks))
        except (TypeError, ValueError) as error:
            return failure(error)
