"""What operators ask of a cache: which servers it has, what they hold, and why one entry counts or not.

Nothing here is asked by a request. It changes nothing, and reads a server page by page.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar, cast

from strawberry_response_cache.core._keys import FoundKey, tag_digests
from strawberry_response_cache.core.protocol import Ping, Unavailable
from strawberry_response_cache.core.protocol.entry import PRIVATE, UnreadableEntryError, decode
from strawberry_response_cache.core.protocol.inspections import FoundUnderKeys, LookAt, LookAtTags
from strawberry_response_cache.core.protocol.scans import PAGE, CountKeys, Describe, Scan, Sizes

if TYPE_CHECKING:
    from strawberry_response_cache.core._values import RememberedValues
    from strawberry_response_cache.core.redis.sync_transport import SyncNode

R = TypeVar("R")

_ROUND_TRIPS: Final = 10
_LARGEST: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server of a cache, as it describes itself.

    Attributes:
        name: Its host and port, without credentials.
        software: ``redis`` or ``valkey``.
        version: Its version.
        run_id: Changes with each start of the server.
        role: ``master`` or ``slave``, in the words of ``INFO``.
        policy: Its ``maxmemory-policy``.
        max_bytes: Its ``maxmemory``; 0 for none.
        used_bytes: What it uses now.
        evicted: How many keys it has evicted since its start.
        round_trip: Seconds for a round trip, the median of several.
    """

    name: str
    software: str
    version: str
    run_id: str
    role: str
    policy: str
    max_bytes: int
    used_bytes: int
    evicted: int
    round_trip: float


@dataclass(slots=True, kw_only=True)
class Census:
    """What servers hold of a cache.

    Attributes:
        entries: How many entries there are. Invalidated ones count too, while the server keeps them.
        entry_bytes: The bytes that the entries take in the servers' memory.
        leases: How many leases there are: values that are being generated.
        tag_tables: How many tag tables there are, one for each slot of a tenant.
        table_bytes: The bytes that the tag tables take in the servers' memory.
        invalidated_tags: How many invalidated tags the tables hold; a tag counts once for its tenant. Its family
            (``Account:*`` of ``Account:1``) counts as one more tag: the server keeps digests, which look alike.
        tenants: How many tenants have an entry or a tag table, the cache itself included.
        largest: The tenants with most bytes of entries: the hash of their name, their entries and the bytes.
    """

    entries: int = 0
    entry_bytes: int = 0
    leases: int = 0
    tag_tables: int = 0
    table_bytes: int = 0
    invalidated_tags: int = 0
    tenants: int = 0
    largest: Sequence[tuple[str, int, int]] = ()


class EntryState(Enum):
    """Whether an entry would be served, and why not."""

    FRESH = "fresh"
    STALE = "stale"
    ABSENT = "absent"
    CLEARED = "cleared"
    RESTARTED = "restarted"
    INVALIDATED = "invalidated"
    BELOW_FLOOR = "below_floor"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedEntry:
    """What is stored under one key.

    Attributes:
        state: Whether it would be served, and why not.
        ttl: Seconds for which it stays fresh.
        stale: Seconds for which it may be served after that.
        age: Seconds since it was stored.
        size: The bytes of its payload as it is stored.
        is_private: Whether it belongs to one session. Under a public key, it is the marker that says that each session
            has an entry of its own.
        is_marker: Whether it has no value, and says how its key is answered.
        tags: The names of its tags that are known; sorted.
        other_tags: How many more it has: the server keeps digests of tags only.
        ended_by: The names of the tags whose invalidation ended it, as far as they are known.
        is_generated: Whether a caller generates it now.
        payload: The stored value.
    """

    state: EntryState
    ttl: float = 0.0
    stale: float = 0.0
    age: float = 0.0
    size: int = 0
    is_private: bool = False
    is_marker: bool = False
    tags: tuple[str, ...] = ()
    other_tags: int = 0
    ended_by: tuple[str, ...] = ()
    is_generated: bool = False
    payload: bytes = field(default=b"", repr=False)

    @property
    def is_served(self) -> bool:
        """Whether a caller would get it."""
        return self.state in {EntryState.FRESH, EntryState.STALE}


class Inspection:
    """Reads what the servers of a cache hold, over the sync connections of its engine."""

    def __init__(self, cache: "RememberedValues") -> None:
        self._engine, self._keyspace = cache._engine, cache._keyspace  # noqa: SLF001 - beside it
        self._deadline = self._engine.settings.invalidate_deadline

    def _checked(self, answer: "R | Unavailable") -> R:
        self._engine.check(answer if isinstance(answer, Unavailable) else None)
        return cast("R", answer)

    def _nodes(self) -> "Sequence[SyncNode]":
        return self._checked(self._engine.sync_driver().transport.nodes(self._deadline))

    # -- Servers -------------------------------------------------------------------------------------

    def servers(self) -> list[Server]:
        """Return the servers that hold keys of the cache.

        Raises:
            CacheStoreError: If one does not answer.
        """
        return [self._server(node) for node in self._nodes()]

    def _server(self, node: "SyncNode") -> Server:
        said = self._checked(node.perform(Describe(), deadline=self._deadline))
        seconds = []
        for _ in range(_ROUND_TRIPS):
            began = time.perf_counter()
            self._engine.check(node.perform(Ping(), deadline=self._deadline))
            seconds.append(time.perf_counter() - began)
        is_valkey = "valkey_version" in said
        return Server(
            name=node.shown,
            software="valkey" if is_valkey else "redis",
            version=said.get("valkey_version") or said.get("redis_version", "?"),
            run_id=said.get("run_id", ""),
            role=said.get("role", "?"),
            policy=said.get("maxmemory_policy", "?"),
            max_bytes=_number_or_zero(said.get("maxmemory")),
            used_bytes=_number_or_zero(said.get("used_memory")),
            evicted=_number_or_zero(said.get("evicted_keys")),
            round_trip=statistics.median(seconds),
        )

    # -- What they hold --------------------------------------------------------------------------------

    def pages(self, pattern: str) -> "Iterator[tuple[SyncNode, tuple[str, ...]]]":
        """Yield the keys that match, page by page, from each server.

        Raises:
            CacheStoreError: If a server does not answer.
        """
        for node in self._nodes():
            cursor = "0"
            while True:
                scan = Scan(pattern, cursor)
                page = self._checked(node.perform(scan, deadline=self._deadline))
                yield node, page.keys
                cursor = page.cursor
                if cursor == "0":
                    break

    def all_keys(self) -> int | None:
        """Return how many keys the servers have, also of other applications; None if a server does not answer."""
        counts = [node.perform(CountKeys(), deadline=self._deadline) for node in self._nodes()]
        numbers = [each for each in counts if isinstance(each, int)]
        return sum(numbers) if len(numbers) == len(counts) else None

    def census(self, *, only_this_tenant: bool = False) -> Iterator["Census | int"]:
        """Count what the servers hold of the cache.

        A key that moves while it is counted, such as in a hash table that grows, may be counted twice.

        Args:
            only_this_tenant: Whether other tenants are left out.

        Yields:
            After each page, about how many keys the server went through for this page; as the last item, the census.

        Raises:
            CacheStoreError: If a server does not answer, or its user may not ask for that.
        """
        census = Census()
        entries: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        tags: dict[str, int] = {}
        tenants: set[str] = set()
        for node, keys in self.pages(self._keyspace.pattern_of_all):
            found = [(key, what) for key in keys if (what := self._counted(key, only_this_tenant))]
            tables = [(key, what.tenant) for key, what in found if what.kind == "t"]
            effect = Sizes([key for key, _ in found], [key for key, _ in tables])
            numbers = self._checked(node.perform(effect, deadline=self._deadline)) if found else []
            for (_, what), size in zip(found, numbers[: len(found)], strict=True):
                tenants.add(what.tenant)
                _count_key(census, what.kind, size)
                if what.kind == "e":
                    entries[what.tenant_hash] += 1
                    sizes[what.tenant_hash] += size
            # An invalidation writes its tags into all tables of a tenant: take the largest, not the sum.
            for (_, tenant), number in zip(tables, numbers[len(found) :], strict=True):
                tags[tenant] = max(tags.get(tenant, 0), number)
            yield PAGE
        census.invalidated_tags = sum(tags.values())
        census.tenants = len(tenants)
        census.largest = [(name, entries[name], size) for name, size in sizes.most_common(_LARGEST)]
        yield census

    def _counted(self, key: str, only_this_tenant: bool) -> FoundKey | None:  # noqa: FBT001 - see census
        found = self._keyspace.found(key)
        is_other = found is not None and found.tenant != self._keyspace.tenant_digest
        return None if only_this_tenant and is_other else found

    # -- One entry -------------------------------------------------------------------------------------

    def entry(
        self,
        key_parts: Sequence[str],
        *,
        beside: Sequence[str] = (),
        names: Callable[[bytes], Iterable[str]] = lambda _: (),
    ) -> InspectedEntry:
        """Return what is stored under a key, and whether it would be served.

        Args:
            key_parts: The key.
            beside: The key parts of another entry, in whose slot this one is stored; empty for a slot of its own.
            names: Returns tags that an entry with this payload may have; the server keeps digests only.

        Raises:
            CacheStoreError: If the server does not answer.
        """
        keyspace = self._keyspace
        keys = keyspace.keys(key_parts)
        if beside:
            keys = keyspace.keys_in_slot_of(key_parts, keyspace.keys(beside))
        transport = self._engine.sync_driver().transport
        seen = self._checked(transport.perform(LookAt(keys), deadline=self._deadline))
        if seen.stored is None:
            return InspectedEntry(state=EntryState.ABSENT, is_generated=seen.is_leased)
        try:
            entry = decode(seen.stored, pttl_ms=seen.pttl_ms)
        except UnreadableEntryError:
            return InspectedEntry(state=EntryState.UNREADABLE, is_generated=seen.is_leased)
        recording = entry.recording
        look = LookAtTags(keys.tags, recording.tags)
        ended = {
            tag
            for tag, clock in self._checked(
                transport.perform(look, deadline=self._deadline)
            ).items()
            if clock > entry.clock
        }
        known = _names_by_digest(names(recording.payload), recording.tags)
        stale = recording.stale_ms / 1000
        return InspectedEntry(
            state=_state_of_entry(
                seen, entry.epoch, entry.clock, entry.remaining_ms, ended=bool(ended)
            ),
            ttl=entry.ttl,
            stale=stale + min(0.0, entry.remaining_ms / 1000),
            age=entry.age,
            size=len(seen.stored.partition(b"\n")[2]),
            is_private=recording.meta.startswith(PRIVATE),
            is_marker=recording.is_marker,
            tags=tuple(sorted(known.values())),
            other_tags=len(set(recording.tags) - set(known)),
            ended_by=tuple(sorted(known[each] for each in ended if each in known)),
            is_generated=seen.is_leased,
            payload=recording.payload,
        )


def _state_of_entry(
    seen: FoundUnderKeys, epoch: str, clock: int, remaining_ms: int, *, ended: bool
) -> EntryState:
    """Return whether an entry counts, as the script of a lookup decides it."""
    if seen.epoch is None:
        return EntryState.CLEARED
    if seen.is_of_another_run:
        return EntryState.RESTARTED
    if epoch != seen.epoch:
        return EntryState.CLEARED
    if clock < seen.floor:
        return EntryState.BELOW_FLOOR
    if ended:
        return EntryState.INVALIDATED
    return EntryState.FRESH if remaining_ms > 0 else EntryState.STALE


def _names_by_digest(names: Iterable[str], tags: Iterable[str]) -> dict[str, str]:
    """Return the names of the tags that are known, by their digests."""
    wanted = set(tags)
    found = {}
    for name in names:
        (hashed,) = tag_digests((name,))
        if hashed in wanted:
            found[hashed] = name.replace("\0", "*")
    return found


def _count_key(census: Census, kind: str, size: int) -> None:
    if kind == "e":
        census.entries += 1
        census.entry_bytes += size
    elif kind == "l":
        census.leases += 1
    else:
        census.tag_tables += 1
        census.table_bytes += size


def _number_or_zero(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0
