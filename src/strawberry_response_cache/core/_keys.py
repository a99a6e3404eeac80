"""Keys are injective: two different requests never share a key. Keys hold no text from users."""

import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._user_values import checked_strings, plain_identity, unwrapped

FORMAT_VERSION = 1
"""Part of every key, so that releases with different entry formats do not read each other's entries."""

KEY_PARTS_EXAMPLE = '["/v1/ledger", "page=2"]'

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")

_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def digest(parts: Sequence[str], *, size: int = 20) -> str:
    """Hash a sequence of strings so that different sequences have different digests.

    Every part is preceded by its length, so ``["a|b"]``, ``["a", "b"]`` and ``["ab"]`` all differ.

    Args:
        parts: The strings, of any content, in order.
        size: Bytes of the digest: 20 (160 bits), or fewer where a collision only causes a miss.

    Returns:
        The digest in letters, digits, ``-`` and ``_``, stable across processes and machines.

    Example:
        >>> digest(["a|b"]) == digest(["a", "b"])
        False
    """
    pieces = []
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        pieces.append(b"%d:%b" % (len(encoded), encoded))
    hashed = hashlib.blake2b(b"".join(pieces), digest_size=size).digest()
    # As `base64.urlsafe_b64encode` does, with two calls less: a response has a digest for each of its objects.
    text = binascii.b2a_base64(hashed, newline=False).translate(_URL_SAFE)
    return text.rstrip(b"=").decode("ascii")


def checked_key_parts(values: object) -> tuple[str, ...]:
    """Return the parts of a key as a tuple.

    Raises:
        TypeError: If it is a bare string, has no order, such as a set, or holds anything but strings.
        CacheConfigurationError: If a lazy object raises when it is evaluated.
    """
    if type(values) is not list and type(values) is not tuple:
        unwrapped(values)  # raises what a lazy object raises, as an error of ours
    if not isinstance(values, Sequence) and isinstance(values, Iterable):
        msg = (
            f"key_parts is a {type(values).__name__}; a key is a list or a tuple, whose order is "
            f"the same in every process: {KEY_PARTS_EXAMPLE}"
        )
        raise TypeError(msg)
    return checked_strings(values, "key_parts", KEY_PARTS_EXAMPLE)


def tag_digests(tags: Iterable[str]) -> tuple[str, ...]:
    """Hash tags for the header of an entry and for the tag table, sorted and without duplicates.

    A collision of two tags only invalidates too much, so 96 bits are enough.
    """
    return tuple(sorted({digest((tag,), size=12) for tag in tags}))


NO_TENANT: Final = digest(())
"""Stands for the cache itself."""


class EntryKeys(NamedTuple):
    """The three Redis keys of one entry, all in one cluster slot, and the channel of its cache.

    Attributes:
        entry: The entry itself.
        lease: The lease, which is the right to store it.
        tags: The tag table that decides whether the entry still counts.
        channel: The channel for invalidations and ended leases of the whole cache.
        tenant: The digest of its tenant, the same for all slots.
    """

    entry: str
    lease: str
    tags: str
    channel: str = ""
    tenant: str = ""

    @property
    def own_tag(self) -> str:
        """The tag that stands for this entry in values that were built from it."""
        return self.entry.rpartition(":")[2]


_FOUND: Final = re.compile(
    r"(?:\d+/\d+:)?(?P<tenant>[A-Za-z0-9_-]{27})\}:(?P<kind>[elt])(?::[A-Za-z0-9_-]{27})?"
)
"""The pattern of a key without its prefix; with several slots, the slot comes before the tenant."""


class FoundKey(NamedTuple):
    """The kind and the tenant of a key that a scan found.

    Attributes:
        kind: ``e`` for an entry, ``l`` for a lease, ``t`` for a tag table.
        tenant: The digest of its tenant.
    """

    kind: str
    tenant: str

    @property
    def tenant_hash(self) -> str:
        """A hash of the tenant; equal to its `Keyspace.tenant_hash`."""
        return "" if self.tenant == NO_TENANT else self.tenant[:_SHORT]


_SHORT: Final = 16
"""How many characters of a digest tell a tenant from others."""


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The keys of one cache for one tenant.

    Args:
        prefix: The cache's name: letters, digits and ``_ . : -``.
        tenants: The path of tenants; empty for the cache itself. They are not kept, because a client may
            choose one of 60 kB.
        slots_per_tenant: Over how many slots of a cluster a tenant's entries are spread.
        within: The digest of the tenant in which the path begins.

    Attributes:
        tenant_digest: The digest of the path.
        channel: The channel for invalidations and ended leases of the whole cache.
    """

    prefix: str
    tenants: InitVar[Sequence[str]] = ()
    slots_per_tenant: int = 1
    within: InitVar[str] = NO_TENANT
    tenant_digest: str = field(init=False)
    channel: str = field(init=False, compare=False)
    _first_namespace: str = field(init=False, compare=False, repr=False)

    def __post_init__(self, tenants: Sequence[str], within: str) -> None:
        """Check the prefix and derive the tenant's digest."""
        prefix = unwrapped(self.prefix)
        if type(prefix) is not str or _PREFIX.fullmatch(prefix) is None:
            msg = (
                "prefix must be 1 to 64 letters, digits, '_', '.', ':' or '-', "
                "such as prefix='ledger'; it names this cache in Redis and in telemetry."
            )
            raise CacheConfigurationError(msg)
        object.__setattr__(self, "prefix", prefix)
        for tenant in tenants:
            within = digest((within, tenant))
        object.__setattr__(self, "tenant_digest", within)
        object.__setattr__(self, "channel", f"{self.prefix}:{FORMAT_VERSION}:news")
        object.__setattr__(self, "_first_namespace", self._namespace(0))

    @property
    def tenant_hash(self) -> str:
        """A hash that names this tenant in logs and reports; empty without a tenant."""
        return "" if self.tenant_digest == NO_TENANT else self.tenant_digest[:_SHORT]

    @property
    def tag_tables(self) -> tuple[str, ...]:
        """The tag tables of this tenant, which hold epoch, clock and tags: one for each slot."""
        return tuple(f"{self._namespace(slot)}:t" for slot in range(self.slots_per_tenant))

    @property
    def pattern_of_all(self) -> str:
        """The pattern for ``SCAN`` that all keys of all tenants match; those of other prefixes may match too."""
        return f"{{{self.prefix}:{FORMAT_VERSION}:*"

    def found(self, key: str) -> "FoundKey | None":
        """Return the kind and the tenant of a key that a scan found; None if the key is not of this cache."""
        begin = f"{{{self.prefix}:{FORMAT_VERSION}:"
        match = _FOUND.fullmatch(key.removeprefix(begin))
        return None if match is None else FoundKey(match["kind"], match["tenant"])

    @property
    def passes(self) -> int:
        """How often an invalidation runs in every slot: twice with several slots.

        After the first pass, no slot returns an old part. The second pass invalidates values that were built
        from parts read before that.
        """
        return 1 if self.slots_per_tenant == 1 else 2

    def _namespace(self, slot: int) -> str:
        if self.slots_per_tenant == 1:
            return f"{{{self.prefix}:{FORMAT_VERSION}:{self.tenant_digest}}}"
        slots_per_tenant = f"{slot}/{self.slots_per_tenant}"
        return f"{{{self.prefix}:{FORMAT_VERSION}:{slots_per_tenant}:{self.tenant_digest}}}"

    def keys(self, key_parts: Sequence[str]) -> EntryKeys:
        """Return the keys of the entry with these key parts."""
        name = digest(key_parts)
        if self.slots_per_tenant == 1:
            return self._named(name, self._first_namespace)
        slot = int.from_bytes(name[:4].encode(), "big") % self.slots_per_tenant
        return self._named(name, self._namespace(slot))

    def keys_in_slot_of(self, key_parts: Sequence[str], other: EntryKeys) -> EntryKeys:
        """Return the keys of the entry with these key parts, in the slot of another entry.

        One lease can then store both, as of one moment of the tenant's clock.
        """
        return self._named(digest(key_parts), other.tags.rpartition(":")[0])

    def _named(self, name: str, namespace: str) -> EntryKeys:
        return EntryKeys(
            f"{namespace}:e:{name}",
            f"{namespace}:l:{name}",
            f"{namespace}:t",
            self.channel,
            self.tenant_digest,
        )

    def narrowed(self, tenant: str | int | UUID) -> "Keyspace":
        """Return the keys of a tenant inside this keyspace.

        Raises:
            CacheConfigurationError: If the tenant is empty or not a string, an int or a UUID.
        """
        text = checked_tenant(tenant)
        narrow = _narrowed if len(text) <= _LONGEST_TENANT else _narrowed.__wrapped__
        return narrow(self.prefix, self.tenant_digest, text, self.slots_per_tenant)


def checked_tenant(tenant: object) -> str:
    """Return a tenant as a string.

    Raises:
        CacheConfigurationError: If it is empty or not a string, an int or a UUID.
    """
    value = unwrapped(tenant)
    text = plain_identity(value)
    if text is None:
        msg = f"a tenant is a {type(value).__name__}; pass a string, an int or a UUID."
        raise CacheConfigurationError(msg)
    if not text:
        msg = "a tenant is an empty string; pass what identifies the tenant, or None for no tenant."
        raise CacheConfigurationError(msg)
    return text


_LONGEST_TENANT: Final = 256
"""Keyspaces of tenants with longer names are not memoised, so that the memo is bounded in bytes."""


@lru_cache(maxsize=4096)
def _narrowed(prefix: str, within: str, tenant: str, slots_per_tenant: int) -> Keyspace:
    return Keyspace(prefix, (tenant,), slots_per_tenant, within)
