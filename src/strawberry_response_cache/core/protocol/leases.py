"""What can be done with a lease: store by it, keep it, turn it into a throttle, give it back."""

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
    """Store a recording, if nothing was invalidated since the lease was granted that concerns it.

    Attributes:
        keys: The entry's keys.
        lease: The right to store it.
        recording: The value to store.
        clock: The lowest clock among the lease and the parts of the value.
        compress_above: See `encode`.
        beside: Recordings that are stored first, each under its keys, in the same slot; the answer is that to
            the recording itself.
        only_absent: Whether these are stored only where neither an entry nor a lease stands.
        packed_calls: The calls, if they were made already; see `packed`.
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
        """Return the same with its entries compressed, so that nothing is left to do when it is sent."""
        return replace(self, packed_calls=tuple(self.calls()))

    def calls(self) -> Sequence[StoreCall]:
        """One script for each recording: compare, write, and at last release."""
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
        ):  # a forget of its key leaves the lease of the operation, so its own tag tells of it
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
        """One script, which touches only the caller's own lease, and keeps the tag table that it needs."""
        arguments = (self.lease.token, self.lease_ms, scripts.TAG_TABLE_LIFE_MS)
        return ((scripts.RENEW, (self.keys.lease, self.keys.tags), arguments),)


@dataclass(frozen=True, slots=True)
class Throttle(Housekeeping):
    """Keep others from a refresh that failed just now, for as long as there is something to serve."""

    keys: EntryKeys
    lease: Lease
    lease_ms: int

    def calls(self) -> Sequence[StoreCall]:
        """One script, which touches only the caller's own lease."""
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
        """One script, which touches only the caller's own lease."""
        arguments = (self.lease.token, self.keys.channel)
        return ((scripts.RELEASE, (self.keys.lease,), arguments),)

    def interpret(self, replies: Sequence[Any]) -> Unavailable | NotYet | None:
        """Return None if the lease was released."""
        (reply,) = replies
        if isinstance(reply, Exception):
            return failure(reply)
        return NotYet() if self.in_doubt and reply == ["nothing"] else None
