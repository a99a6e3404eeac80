"""Lookups: an entry that still counts, or the lease if there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from strawberry_response_cache.core._bounded import Bounded
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
from strawberry_response_cache.core.protocol.effects import READ, RUN_ID, Effect, StoreCall
from strawberry_response_cache.core.protocol.entry import (
    Entry,
    LargeEntryError,
    UnreadableEntryError,
    decode,
)
from strawberry_response_cache.core.protocol.tokens import new_token
from strawberry_response_cache.core.protocol.troubles import Trouble, trouble_of_code

MOST_IN_A_RUN: Final = 100
"""Lookups that one run of the script answers: a server does nothing else meanwhile, and each takes it ten
microseconds."""

_SIZE: Final = 900
"""The approximate size of an entry, in bytes, beside its value, note and tags."""
_SIZE_OF_TAG: Final = 100
_WORDS: Final = 5
"""How many words the script answers to a lookup: state, write id, remaining milliseconds, epoch and clock."""


def _is_word(epoch: object) -> bool:
    """Whether an epoch is valid in the header of an entry; a damaged reply may hold anything."""
    return (
        isinstance(epoch, str)
        and bool(epoch)
        and epoch.isascii()
        and epoch.isprintable()
        and " " not in epoch
    )


@dataclass(slots=True, kw_only=True)
class KnownEntry:
    """An entry that this process has read.

    Attributes:
        entry: The entry.
        good_at: The tenant's clock when Redis last said that it is good. Until the clock moves, nothing was
            invalidated, so Redis does not look at its tags again.
    """

    entry: Entry
    good_at: int


@dataclass(slots=True)  # not frozen, because each hit creates one; see `Entry`
class Lookup(Effect[LookupAnswer]):
    """Read an entry if it still counts; if not, request the lease.

    Attributes:
        keys: The entry's keys.
        lease_ms: The life of the lease, in milliseconds; 0 requests none.
        rejected: The write id of an entry that could not be rebuilt; it is deleted.
        draw: How early the entry is refreshed before it expires, in multiples of its cost.
        max_bytes: The largest payload to unpack.
        confirmed: The entries that this process has read. Redis tells whether one still counts, and its bytes are
            not fetched again; None fetches each.
        known: The entry of ``confirmed`` under these keys; None if there is none.
    """

    keys: EntryKeys
    lease_ms: int
    rejected: str = ""
    token: str = field(default_factory=new_token, repr=False)
    draw: float = 0.0
    max_bytes: int | None = None
    confirmed: Bounded[str, KnownEntry] | None = field(default=None, repr=False)
    known: KnownEntry | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Take the known entry once, so that calls and answer agree on whether its bytes are fetched."""
        if self.confirmed is not None:
            self.known = self.confirmed.get(self.keys.entry)
            if self.rejected:
                self._drop_known()
                self.known = None

    def calls(self) -> Sequence[StoreCall]:
        """Return the script that checks whether the entry counts, and a GET that fetches an entry that is not known."""
        return Lookups(self).calls()

    def interpret(self, replies: Sequence[Any]) -> LookupAnswer:
        """Combine the check with the bytes, which count only if they are of the checked write."""
        answer: LookupAnswer = Lookups(self).interpret(replies)[0]
        return answer

    @property
    def wish(self) -> str:
        """The script's argument for this lookup; a comment in the script names its parts."""
        known = self.known
        if known is not None:
            last = f"- {known.entry.write_id} {known.good_at}"  # what is known is not rejected
        elif self.lease_ms or self.rejected:
            last = f"{self.rejected or '-'} - 0"
        else:
            return ""
        return f"{self.token or '-'} {self.lease_ms} {self.draw} {last}"

    def answer(self, words: Sequence[str], stored: object, at_once: int | None) -> LookupAnswer:
        """Combine what the script said with the bytes that were read.

        Raises:
            LargeEntryError: If more bytes are compressed than `at_once`.
            ValueError: If the script's words are malformed.
        """
        state, write_id, remaining, epoch, ticks = words
        if state == "fresh":
            entry = self._entry(stored, write_id, int(remaining), int(ticks), at_once)
            return Fresh(entry) if isinstance(entry, Entry) else entry
        pttl, clock = int(remaining), int(ticks)
        if state in {"stale", "refresh"}:
            entry = self._entry(stored, write_id, pttl, clock, at_once)
            return self._stale(state, entry, epoch, clock)
        if self.known is not None:
            self._drop_known()
        match state:
            case "granted":
                lease = self._lease(epoch, clock)
                return lease if isinstance(lease, Unavailable) else Granted(lease)
            case "held":
                return Held()
            case "refused":
                return NoLease(trouble_of_code(epoch))
            case _:
                return Unavailable("unknown_state", trouble=Trouble.NONSENSE)

    def _stale(
        self, state: str, entry: Entry | Unreadable | Moved, epoch: str, clock: int
    ) -> LookupAnswer:
        if not isinstance(entry, Entry):
            return entry
        if state == "stale":
            return Stale(entry, None)
        lease = self._lease(epoch, clock)
        return lease if isinstance(lease, Unavailable) else Stale(entry, lease)

    def _lease(self, epoch: str, clock: int) -> Lease | Unavailable:
        if not _is_word(epoch):
            return Unavailable("malformed_epoch", trouble=Trouble.NONSENSE)
        return Lease(self.token, epoch, clock)

    def _drop_known(self) -> None:
        """Drop the entry that this process has, because it does not count any more."""
        if self.confirmed is not None and self.known is not None:
            self.confirmed.drop(self.keys.entry, self.known)

    def _entry(
        self, stored: object, write_id: str, pttl: int, clock: int, at_once: int | None
    ) -> Entry | Unreadable | Moved:
        if (known := self.known) is not None and known.entry.write_id == write_id:
            known.good_at, entry = clock, known.entry
            remaining_ms = pttl - entry.recording.stale_ms
            return Entry(entry.recording, write_id, entry.epoch, entry.clock, remaining_ms)
        self._drop_known()  # the lookup that repeats this one fetches the other entry
        if not isinstance(stored, bytes):
            return Moved()
        try:
            entry = decode(stored, pttl_ms=pttl, max_bytes=self.max_bytes, at_once=at_once)
        except UnreadableEntryError:
            return Unreadable(write_id)
        if entry.write_id != write_id:
            return Moved()
        if self.confirmed is not None:
            recording = entry.recording
            size = _SIZE + recording.size + _SIZE_OF_TAG * len(recording.tags)
            self.confirmed.put(self.keys.entry, KnownEntry(entry=entry, good_at=clock), size=size)
        return entry


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

    @property
    def keys(self) -> EntryKeys:
        """The keys of an entry that never exists."""
        nowhere = f"{self.tag_table}:-"
        return EntryKeys(nowhere, f"{nowhere}:l", self.tag_table, "", "")

    @property
    def wish(self) -> str:
        """The script's argument. With ``begin``, it asks for a lease of 1 ms, because a new lease starts an epoch."""
        return f"{self.token} 1 0 - - 0" if self.begin else ""

    def calls(self) -> Sequence[StoreCall]:
        """Return the lookup of an entry that never exists."""
        return Lookups(self).calls()

    def interpret(self, replies: Sequence[Any]) -> "Moment | Unavailable | None":
        """Return the moment; None if there is no epoch."""
        moment: Moment | Unavailable | None = Lookups(self).interpret(replies)[0]
        return moment

    def answer(self, words: Sequence[str], _: object, __: int | None) -> "Moment | None":
        """Return the moment; None if there is no epoch.

        Raises:
            ValueError: If the script's words are malformed.
        """
        *_, epoch, ticks = words
        return None if epoch == "-" else Moment(epoch, int(ticks))


AnyLookup: TypeAlias = Lookup | ReadClock


class Lookups(Effect[list[Any]]):
    """Lookups in one slot: one run of the script answers them, and one command reads their entries.

    Args:
        lookups: The lookups.
        at_once: The most bytes of a compressed payload that is unpacked by `interpret`; None unpacks any.

    Attributes:
        lookups: The lookups. `add` adds others, as long as the calls are not sent.
        large: The replies that `interpret` did not answer, because an entry is large: call `unpacked`. Else None.
    """

    __slots__ = ("_at_once", "_calls", "_keys", "_read", "_words", "large", "lookups")

    def __init__(self, *lookups: AnyLookup, at_once: int | None = None) -> None:
        self.lookups: list[AnyLookup] = []
        self.large: Sequence[Any] | None = None
        self._at_once = at_once
        self._keys = [lookups[0].keys.tags]
        self._words: list[Any] = [new_token(), RUN_ID, scripts.TAG_TABLE_LIFE_MS]
        self._read: list[str] = []
        self._calls: list[StoreCall] = [(scripts.LOOKUP, self._keys, self._words)]
        for lookup in lookups:
            self.add(lookup)

    def add(self, lookup: AnyLookup) -> None:
        """Add a lookup."""
        keys = lookup.keys
        self.lookups.append(lookup)
        self._keys += (keys.entry, keys.lease)
        self._words.append(lookup.wish)
        if isinstance(lookup, ReadClock) or lookup.known is None:
            if not self._read:
                self._calls.append((READ, self._read, ()))
            self._read.append(keys.entry)

    def calls(self) -> Sequence[StoreCall]:
        """Return the script, and the command that reads unknown entries; `add` extends both."""
        return self._calls

    def interpret(self, replies: Sequence[Any]) -> list[Any]:
        """Return the answer to each lookup; an empty list if an entry is large, see `unpacked`."""
        said, read = replies if len(replies) > 1 else (replies[0], ())
        number = len(self.lookups)
        if isinstance(said, Exception):
            return self.unavailable(said)
        if len(said) != number * _WORDS:
            return self.unavailable(ValueError())
        if len(self._read) == 1 or isinstance(read, Exception):
            read = (read,) * len(self._read)
        if not isinstance(read, list | tuple) or len(read) != len(self._read):
            return self.unavailable(ValueError())
        every = iter(read)
        answers: list[Any] = []
        for at, lookup in enumerate(self.lookups):
            is_read = isinstance(lookup, ReadClock) or lookup.known is None
            stored = next(every) if is_read else None
            words = said[at * _WORDS : (at + 1) * _WORDS]
            try:
                answers.append(lookup.answer(words, stored, self._at_once))
            except LargeEntryError:
                self.large = replies
                return []
            except ValueError as error:
                answers.append(failure(error))
        return answers

    def unpacked(self) -> list[Any]:
        """Return the answer to each lookup, after `interpret` has set `large`; unpacking takes long."""
        replies, self.large, self._at_once = self.large or (), None, None
        return self.interpret(replies)

    def unavailable(self, error: BaseException) -> list[Any]:
        """Return the failure, once for each lookup."""
        return [failure(error)] * len(self.lookups)


def bundled(effects: Sequence[Effect[Any]]) -> list[list[int]]:
    """Return the positions of effects that may be performed as one, in order.

    Lookups of one slot go together, unless another effect is between them: it may release what they ask for.
    """
    bundles: list[list[int]] = []
    open_ones: dict[str, list[int]] = {}
    for at, effect in enumerate(effects):
        if not isinstance(effect, AnyLookup):
            open_ones.clear()
            bundles.append([at])
            continue
        bundle = open_ones.get(effect.keys.tags)
        if bundle is None or len(bundle) >= MOST_IN_A_RUN:
            bundle = open_ones[effect.keys.tags] = []
            bundles.append(bundle)
        bundle.append(at)
    return bundles
