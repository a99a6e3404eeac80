"""The effects on a lease: commit a value with it, renew it, turn it into a throttle, release it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.protocol import scripts
from strawberry_response_cache.core.protocol.answers import (
    Committed,
    Lease,
    NotYet,
    Refused,
    Stored,
    Unavailable,
    failure,
)
from strawberry_response_cache.core.protocol.effects import RUN_ID, Effect, Housekeeping, StoreCall
from strawberry_response_cache.core.protocol.entry import ValueRecording, encode


@dataclass(frozen=True, slots=True)
class Commit(Effect[Committed]):
    """Store a recording, unless an invalidation since the lease was granted concerns it.

    Attributes:
        keys: The entry's keys.
        lease: The right to store it.
        recording: The value to store.
        clock: The lowest clock among the lease and the parts of the value.
        compress_above: See `encode`.
        beside: Recordings that are stored first, each under its keys, in the same slot. The answer only says
            whether the recording itself was stored.
        only_absent: Whether those of ``beside`` are stored only under keys without an entry and without a lease.
        packed_calls: The calls with compressed entries, if `packed` has made them; else empty.
    """

    keys: EntryKeys
    lease: Lease
    recording: ValueRecording = field(repr=False)
    clock: int | None = None
    compress_above: int | None = None
    beside: tuple[tuple[EntryKeys, ValueRecording], ...] = field(default=(), repr=False)
    only_absent: bool = False
    packed_calls: tuple[StoreCall, ...] = field(default=(), repr=False)

    @property
    def size(self) -> int:
        """The bytes of all payloads, before they are compressed."""
        beside = sum(len(recording.payload) for _, recording in self.beside)
        return len(self.recording.payload) + beside

    def packed(self) -> "Commit":
        """Return this commit with its entries compressed already, so that sending it takes little time."""
        return replace(self, packed_calls=tuple(self.calls()))

    def calls(self) -> Sequence[StoreCall]:
        """Return one script for each recording: it checks the lease and the tags, and writes the entry.

        The last one, for the recording itself, also releases the lease.
        """
        if self.packed_calls:
            return self.packed_calls
        word = "absent" if self.only_absent else "keep"
        beside = [self._call(keys, recording, word) for keys, recording in self.beside]
        return [*beside, self._call(self.keys, self.recording, "drop")]

    def _call(self, keys: EntryKeys, recording: ValueRecording, lease_word: str) -> StoreCall:
        lease = self.lease
        clock = lease.clock if self.clock is None else self.clock
        life = recording.ttl_ms + recording.stale_ms
        own: tuple[str, ...] = ()
        tags = recording.tags
        if (
            lease_word == "absent"
        ):  # a forget of this key does not delete the operation's lease, so check the own tag too
            own, tags = (keys.lease,), (*tags, keys.own_tag)
        # The token is the write id, because a lease stores at most once.
        entry = encode(
            recording,
            write_id=lease.token,
            epoch=lease.epoch,
            clock=clock,
            compress_above=self.compress_above,
        )
        arguments = (
            lease.token,
            lease.epoch,
            clock,
            ",".join(tags),
            life,
            life + scripts.TAG_TABLE_LIFE_MS,
            RUN_ID,
            self.keys.channel,
            entry,
            lease_word,
        )
        return scripts.COMMIT, (keys.entry, self.keys.lease, self.keys.tags, *own), arguments

    def interpret(self, replies: Sequence[Any]) -> Committed:
        """Return whether it was stored."""
        reply = replies[-1]
        if isinstance(reply, Exception):
            return failure(reply)
        return Stored() if reply == ["stored"] else Refused()


@dataclass(frozen=True, slots=True)
class Renew(Housekeeping):
    """Extend or shorten a lease."""

    keys: EntryKeys
    lease: Lease
    lease_ms: int

    def calls(self) -> Sequence[StoreCall]:
        """Return one script. It changes only the caller's own lease, and extends the tag table with it."""
        arguments = (self.lease.token, self.lease_ms, scripts.TAG_TABLE_LIFE_MS)
        return ((scripts.RENEW, (self.keys.lease, self.keys.tags), arguments),)


@dataclass(frozen=True, slots=True)
class Throttle(Housekeeping):
    """Let no caller repeat a refresh that has just failed, for ``lease_ms`` and while the old value can be served."""

    keys: EntryKeys
    lease: Lease
    lease_ms: int

    def calls(self) -> Sequence[StoreCall]:
        """Return one script. It changes only the caller's own lease."""
        arguments = (self.lease.token, self.lease_ms, self.keys.channel)
        return ((scripts.THROTTLE, (self.keys.lease,), arguments),)


@dataclass(frozen=True, slots=True)
class Release(Effect[Unavailable | NotYet | None]):
    """Release a lease without storing.

    Attributes:
        keys: The entry's keys.
        lease: The lease.
        in_doubt: Whether the lookup that requested it may arrive after this effect.
    """

    keys: EntryKeys
    lease: Lease
    in_doubt: bool = False

    def calls(self) -> Sequence[StoreCall]:
        """Return one script. It changes only the caller's own lease."""
        arguments = (self.lease.token, self.keys.channel)
        return ((scripts.RELEASE, (self.keys.lease,), arguments),)

    def interpret(self, replies: Sequence[Any]) -> Unavailable | NotYet | None:
        """Return None, or the failure. If the lookup is in doubt and there was no such lease, return `NotYet`."""
        (reply,) = replies
        if isinstance(reply, Exception):
            return failure(reply)
        return NotYet() if self.in_doubt and reply == ["nothing"] else None
