"""The port: bytes in, judged entries and leases out. Everything above it is a client of it.

An effect says what to ask of the store; `calls` turns it into commands of one slot and `interpret`
turns the replies into a judgement. Neither does I/O, so one protocol serves both drivers.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from strawberry_response_cache.core import _scripts
from strawberry_response_cache.core._entry import (
    Entry,
    Recording,
    UnreadableEntryError,
    decode,
    encode,
)
from strawberry_response_cache.core._keys import EVERYTHING, EntryKeys
from strawberry_response_cache.core._scripts import Script

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to store one entry, as of one moment of the tenant's clock."""

    token: str
    epoch: str
    clock: int


# -- What a lookup can find ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fresh:
    """An entry within its ttl."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Stale:
    """An entry within its stale window; with a lease, the caller is the one to refresh it."""

    entry: Entry
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Granted:
    """Nothing usable, and the lease is the caller's."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing usable, and another caller holds the lease."""


@dataclass(frozen=True, slots=True)
class NoLease:
    """Nothing usable, and the server takes no writes."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The judged entry's bytes are damaged; looking up again with this write id purges it."""

    write_id: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The entry was replaced between its judgement and its reading."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store did not answer; `error_type` is all that is kept of the error.

    The error's own text can hold the command's arguments, so it is never passed on.
    """

    error_type: str
    asked: bool = True
    """Whether the server was asked at all."""


class NotAskedError(Exception):
    """The server was not asked, since asking it now would only cost time."""


Judgement: TypeAlias = Fresh | Stale | Granted | Held | NoLease | Unreadable | Moved | Unavailable


# -- Effects: what can be asked of the store ------------------------------------------------------

Call: TypeAlias = tuple[Script | str, tuple[str, ...], tuple[Any, ...]]
"""A script or a command's name, its keys, its arguments. A script's first argument comes back."""


class _RunId:
    """The type of `RUN_ID`."""

    def __repr__(self) -> str:
        return "RUN_ID"


RUN_ID: Final = _RunId()
"""Stands among a call's arguments for the run id of whichever server the call is sent to."""


class Effect(Protocol[R_co]):
    """Something to ask of the store, in one batch of calls on one connection."""

    def calls(self) -> Sequence[Call]:
        """Return the calls to send, in order."""
        ...

    def interpret(self, replies: Sequence[Any]) -> R_co:
        """Return what the replies mean. A reply may be an exception."""
        ...

    def unavailable(self, error: BaseException) -> R_co:
        """Return what it means that the store did not answer."""
        ...


def new_token() -> str:
    """Return a random token: for leases, write ids and epochs."""
    return secrets.token_urlsafe(12)


def failure(error: BaseException) -> Unavailable:
    """Return what may be said of an error: its qualified type name, never its text."""
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return Unavailable(f"{module}{kind.__qualname__}", not isinstance(error, NotAskedError))


def _judging(
    keys: tuple[str, str, str], token: str, lease_ms: int, rejected: str = "", draw: float = 0.0
) -> Call:
    """Return the call that judges an entry and, if there is none, asks for the lease."""
    seed = token[::-1]
    life = _scripts.TAG_TABLE_LIFE_MS
    return (_scripts.LOOKUP, keys, (token, lease_ms, seed, life, rejected, RUN_ID, draw))


_WITH_LEASE: Final = frozenset({"granted", "refresh"})


def _is_word(epoch: object) -> bool:
    """Whether an epoch can stand in the header of an entry; a damaged reply holds anything."""
    return (
        isinstance(epoch, str)
        and bool(epoch)
        and epoch.isascii()
        and epoch.isprintable()
        and " " not in epoch
    )


@dataclass(frozen=True, slots=True)
class Lookup(Effect[Judgement]):
    """Read an entry, judged; where there is none, ask for the lease.

    Attributes:
        keys: The entry's keys.
        lease_ms: The life of the lease.
        rejected: The write id of an entry that could not be rebuilt, and is to go.
        draw: How many times its cost before its end an entry is refreshed early.
        max_bytes: The largest payload to unpack.
    """

    keys: EntryKeys
    lease_ms: int
    rejected: str = ""
    token: str = field(default_factory=new_token, repr=False)
    draw: float = 0.0
    max_bytes: int | None = None

    def calls(self) -> Sequence[Call]:
        """A script that judges the entry, and a native GET that fetches it."""
        keys = (self.keys.entry, self.keys.lease, self.keys.tags)
        judge = _judging(keys, self.token, self.lease_ms, self.rejected, self.draw)
        return (judge, ("GET", keys[:1], ()))

    def interpret(self, replies: Sequence[Any]) -> Judgement:
        """Join the judgement with the bytes; they count only if they are the judged write."""
        judged, stored = replies
        if isinstance(judged, Exception):
            return failure(judged)
        try:
            verdict, write_id, remaining, epoch, ticks = judged
            pttl, clock = int(remaining), int(ticks)
        except (TypeError, ValueError) as error:
            return failure(error)
        if verdict in _WITH_LEASE and not _is_word(epoch):
            return Unavailable("malformed_epoch")
        lease = Lease(self.token, epoch, clock)
        match verdict:
            case "granted":
                return Granted(lease)
            case "held":
                return Held()
            case "refused":
                return NoLease()
            case "fresh" | "stale" | "refresh":
                entry = self._entry(stored, write_id, pttl)
                if not isinstance(entry, Entry):
                    return entry
                if verdict == "fresh":
                    return Fresh(entry)
                return Stale(entry, lease if verdict == "refresh" else None)
            case _:
                return Unavailable("unknown_verdict")

    def _entry(self, stored: object, write_id: str, pttl: int) -> Entry | Unreadable | Moved:
        if not isinstance(stored, bytes):
            return Moved()
        try:
            entry = decode(stored, pttl_ms=pttl, max_bytes=self.max_bytes)
        except UnreadableEntryError:
            return Unreadable(write_id)
        return entry if entry.write_id == write_id else Moved()

    def unavailable(self, error: BaseException) -> Judgement:
        """Nothing is known of the entry."""
        return failure(error)


@dataclass(frozen=True, slots=True)
class ReadClock(Effect["Moment | Unavailable | None"]):
    """Read a tenant's clock in one slot.

    Attributes:
        tag_table: The slot's.
        begin: Whether to begin an epoch if there is none.
    """

    tag_table: str
    begin: bool = False
    token: str = field(default_factory=new_token, repr=False)

    def calls(self) -> Sequence[Call]:
        """A lookup of an entry that never is."""
        nowhere = f"{self.tag_table}:-"
        keys = (nowhere, f"{nowhere}:l", self.tag_table)
        # A lease of a moment, which nobody waits for, begins the epoch.
        return (_judging(keys, self.token, lease_ms=int(self.begin)),)

    def interpret(self, replies: Sequence[Any]) -> "Moment | Unavailable | None":
        """Return the moment; None where there is no epoch."""
        (judged,) = replies
        if isinstance(judged, Exception):
            return failure(judged)
        try:
            _, _, _, epoch, ticks = judged
            return None if epoch == "-" else Moment(epoch, int(ticks))
        except (TypeError, ValueError) as error:
            return failure(error)

    def unavailable(self, error: BaseException) -> "Moment | Unavailable | None":
        """Nothing is known of the clock."""
        return failure(error)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a tenant's clock."""

    epoch: str
    clock: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The commit took place."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The commit was refused: the lease was lost, the tenant cleared, or a tag purged meanwhile."""


Committed: TypeAlias = Stored | Refused | Unavailable


@dataclass(frozen=True, slots=True)
class Commit(Effect[Committed]):
    """Store a recording, if nothing that bears on it happened since the lease was granted.

    Attributes:
        keys: The entry's keys.
        lease: The right to store it.
        recording: What to store.
        clock: The lowest clock among the lease and the parts that the value was made of.
        compress_above: See `encode`.
        beside: The keys to store under instead, in the same slot; the lease stays for a commit of
            its own.
    """

    keys: EntryKeys
    lease: Lease
    recording: Recording = field(repr=False)
    clock: int | None = None
    compress_above: int | None = None
    beside: EntryKeys | None = None

    def calls(self) -> Sequence[Call]:
        """One script: compare, write, release."""
        recording, lease = self.recording, self.lease
        clock = lease.clock if self.clock is None else self.clock
        life = recording.ttl_ms + recording.stale_ms
        # The token is the write id: a lease stores at most once.
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
            ",".join(recording.tags),
            life,
            life + _scripts.TAG_TABLE_LIFE_MS,
            RUN_ID,
            self.keys.channel,
            entry,
            "drop" if self.beside is None else "keep",
        )
        where = self.keys if self.beside is None else self.beside
        return ((_scripts.COMMIT, (where.entry, self.keys.lease, self.keys.tags), arguments),)

    def interpret(self, replies: Sequence[Any]) -> Committed:
        """Return whether it was stored."""
        (reply,) = replies
        if isinstance(reply, Exception):
            return failure(reply)
        return Stored() if reply == ["stored"] else Refused()

    def unavailable(self, error: BaseException) -> Committed:
        """It may or may not have been stored."""
        return failure(error)


class _Housekeeping(Effect[Unavailable | None]):
    """An effect whose answer matters to nobody but the log."""

    __slots__ = ()

    def interpret(self, replies: Sequence[Any]) -> Unavailable | None:
        """Return the failure, if it failed."""
        return next((failure(reply) for reply in replies if isinstance(reply, Exception)), None)

    def unavailable(self, error: BaseException) -> Unavailable | None:
        """Return the failure."""
        return failure(error)


@dataclass(frozen=True, slots=True)
class Renew(_Housekeeping):
    """Extend a lease whose generation is still running."""

    keys: EntryKeys
    lease: Lease
    lease_ms: int

    def calls(self) -> Sequence[Call]:
        """One script, which touches only the caller's own lease."""
        return ((_scripts.RENEW, (self.keys.lease,), (self.lease.token, self.lease_ms)),)


@dataclass(frozen=True, slots=True)
class Release(_Housekeeping):
    """Give a lease back without storing."""

    keys: EntryKeys
    lease: Lease

    def calls(self) -> Sequence[Call]:
        """One script, which touches only the caller's own lease."""
        arguments = (self.lease.token, self.keys.channel)
        return ((_scripts.RELEASE, (self.keys.lease,), arguments),)


@dataclass(frozen=True, slots=True)
class Invalidate(_Housekeeping):
    """Purge every entry that carries one of the tags; its cost does not depend on their number."""

    tag_table: str
    channel: str
    tags: tuple[str, ...]
    max_tags: int

    def calls(self) -> Sequence[Call]:
        """One script."""
        arguments = (new_token(), RUN_ID, self.max_tags, self.channel, *self.tags)
        return ((_scripts.INVALIDATE, (self.tag_table,), arguments),)


@dataclass(frozen=True, slots=True)
class Forget(_Housekeeping):
    """Purge one entry and what was made of it, and refuse whatever is being generated for it."""

    keys: EntryKeys
    max_tags: int

    def calls(self) -> Sequence[Call]:
        """Three scripts: for the lease, for the entry, and for what carries the entry's own tag.

        The lease goes first: without it, what is being generated cannot commit.
        """
        keys, channel = self.keys, self.keys.channel
        purge = Invalidate(keys.tags, channel, (keys.own_tag, *EVERYTHING), self.max_tags)
        return (
            (_scripts.FORGET, (keys.lease,), (new_token(), channel, "w")),
            (_scripts.FORGET, (keys.entry,), (new_token(), channel, "k")),
            *purge.calls(),
        )


@dataclass(frozen=True, slots=True)
class Clear(_Housekeeping):
    """Purge every entry of a tenant in one slot."""

    tag_table: str
    channel: str

    def calls(self) -> Sequence[Call]:
        """One script."""
        return ((_scripts.CLEAR, (self.tag_table,), (new_token(), self.channel)),)


@dataclass(frozen=True, slots=True)
class Ping(_Housekeeping):
    """Ask whether the server answers."""

    def calls(self) -> Sequence[Call]:
        """One command."""
        return (("PING", (), ()),)
