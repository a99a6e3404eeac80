"""Injective keys: two different requests never share one, and nothing a user typed stands in one."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from uuid import UUID

from strawberry_response_cache.core._errors import CacheConfigurationError

FORMAT_VERSION = 1
"""Part of every key: releases whose entries differ in format stand side by side, unseen by each other."""

KEY_PARTS_EXAMPLE = '["/v1/ledger", "page=2"]'

_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def digest(parts: Sequence[str], *, size: int = 20) -> str:
    """Hash a sequence of strings so that different sequences have different digests.

    Every part is preceded by its length, so ``["a|b"]``, ``["a", "b"]`` and ``["ab"]`` all differ.

    Args:
        parts: The strings, of any content, in order.
        size: Bytes of the digest; 20 (160 bits) unless a collision would only cost a miss.

    Returns:
        The digest in letters, digits, ``-`` and ``_``, stable across processes and machines.

    Example:
        >>> digest(["a|b"]) == digest(["a", "b"])
        False
    """
    hasher = hashlib.blake2b(digest_size=size)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        hasher.update(b"%d:" % len(encoded))
        hasher.update(encoded)
    return base64.urlsafe_b64encode(hasher.digest()).rstrip(b"=").decode("ascii")


def checked_strings(values: object, name: str, example: str) -> tuple[str, ...]:
    """Return an iterable of strings as a tuple.

    Args:
        values: What the caller passed.
        name: What the message calls it, such as ``key_parts``.
        example: What the message tells the caller to write.

    Raises:
        TypeError: If it is a bare string (whose characters would be taken one by one), or holds
            anything but strings.
    """
    if values == ():
        return ()
    if isinstance(values, str | bytes):
        msg = f"{name} is a bare {type(values).__name__}; wrap it in a list: {example}"
        raise TypeError(msg)
    if not isinstance(values, Iterable):
        msg = f"{name} is a {type(values).__name__}; pass a list of strings: {example}"
        raise TypeError(msg)
    strings = tuple(values)
    for position, value in enumerate(strings):
        if not isinstance(value, str):
            msg = (
                f"{name}[{position}] is a {type(value).__name__}; every part is a string, "
                f"so that 1 and '1' are never mixed up by accident: {example}"
            )
            raise TypeError(msg)
    return strings


def checked_key_parts(values: object) -> tuple[str, ...]:
    """Return the parts of a key as a tuple.

    Raises:
        TypeError: As `checked_strings` does, and if they have no order, as in a set.
    """
    if not isinstance(values, Sequence) and isinstance(values, Iterable):
        msg = (
            f"key_parts is a {type(values).__name__}; a key is a list or a tuple, whose order is "
            f"the same in every process: {KEY_PARTS_EXAMPLE}"
        )
        raise TypeError(msg)
    return checked_strings(values, "key_parts", KEY_PARTS_EXAMPLE)


def tag_digests(tags: Iterable[str]) -> tuple[str, ...]:
    """Hash tags for the header of an entry and the tag table, in a stable order without repeats.

    A collision of two tags purges too much, never too little, so 96 bits are plenty.
    """
    return tuple(sorted({digest((tag,), size=12) for tag in tags}))


EVERYTHING_TAGGED: Final = "*"
"""The tag of a response that holds too much to name: every purge of a tag reaches it."""
EVERYTHING: Final = tag_digests((EVERYTHING_TAGGED,))


def family_of(tag: str) -> str | None:
    """Return the tag of a response that holds too many of a kind to name each; None for a kind itself.

    Example:
        >>> family_of("Account:42"), family_of("Account")
        ('Account:*', None)
    """
    kind, colon, _ = tag.partition(":")
    return f"{kind}:*" if colon else None


def with_families(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags to purge together with those that stand for whatever may hold them unnamed."""
    named = dict.fromkeys(tags)
    families = (family_of(tag) for tag in (*named,))
    return tuple({*named, *filter(None, families), EVERYTHING_TAGGED}) if named else ()


@dataclass(frozen=True, slots=True)
class EntryKeys:
    """The three Redis keys of one entry, all in one cluster slot, and the channel of its cache.

    Attributes:
        entry: The entry itself.
        lease: The right to store it.
        tags: The tag table that judges it.
        channel: Where purges and ended leases of the whole cache are told.
        tenant: Which tenant's it is, whatever the slot.
    """

    entry: str
    lease: str
    tags: str
    channel: str = ""
    tenant: str = ""

    @property
    def own_tag(self) -> str:
        """The tag that stands for this entry in whatever is made of it."""
        return self.entry.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The keys of one cache for one tenant.

    Args:
        prefix: The cache's name: letters, digits and ``_ . : -``.
        tenants: The path of tenants; empty for the cache itself.
        spread: Over how many cluster slots the tenant's entries go.
    """

    prefix: str
    tenants: tuple[str, ...] = field(default=(), repr=False)
    spread: int = 1
    tenant_digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Check the prefix and derive the tenant's digest."""
        if not isinstance(self.prefix, str) or _PREFIX.fullmatch(self.prefix) is None:
            msg = (
                "prefix must be 1 to 64 letters, digits, '_', '.', ':' or '-', "
                "such as prefix='ledger'; it names this cache in Redis and in telemetry."
            )
            raise CacheConfigurationError(msg)
        object.__setattr__(self, "tenant_digest", digest(self.tenants))

    @property
    def channel(self) -> str:
        """Where purges and ended leases of the whole cache are told."""
        return f"{self.prefix}:{FORMAT_VERSION}:news"

    @property
    def tag_tables(self) -> tuple[str, ...]:
        """The hashes that hold epoch, clock and tags of this tenant: one for each slot."""
        return tuple(f"{self._namespace(slot)}:t" for slot in range(self.spread))

    @property
    def passes(self) -> int:
        """How often a purge stamps every slot.

        After the first pass no part that is read anywhere is old; whatever was recorded from parts
        that were read before it is caught by the second.
        """
        return 1 if self.spread == 1 else 2

    def _namespace(self, slot: int) -> str:
        if self.spread == 1:
            return f"{{{self.prefix}:{FORMAT_VERSION}:{self.tenant_digest}}}"
        spread = f"{slot}/{self.spread}"
        return f"{{{self.prefix}:{FORMAT_VERSION}:{spread}:{self.tenant_digest}}}"

    def keys(self, key_parts: Sequence[str]) -> EntryKeys:
        """Return the keys of the entry that these parts name."""
        name = digest(key_parts)
        slot = 0 if self.spread == 1 else int.from_bytes(name[:4].encode(), "big") % self.spread
        return self._named(name, self._namespace(slot))

    def keys_beside(self, key_parts: Sequence[str], other: EntryKeys) -> EntryKeys:
        """Return the keys of the entry that these parts name, in the slot of another entry.

        Both can then be stored by one lease, as of one moment of the tenant's clock.
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
            CacheConfigurationError: If the tenant is neither a string, an int nor a UUID, or empty.
        """
        return _narrowed(self.prefix, self.tenants, checked_tenant(tenant), self.spread)


def checked_tenant(tenant: object) -> str:
    """Return a tenant as a string.

    Raises:
        CacheConfigurationError: If it is neither a string, an int nor a UUID, or empty.
    """
    text = plain_identity(tenant)
    if text is None:
        msg = f"a tenant is a {type(tenant).__name__}; pass a string, an int or a UUID."
        raise CacheConfigurationError(msg)
    if not text:
        msg = (
            "a tenant is an empty string; pass what identifies the tenant, or None for none at all."
        )
        raise CacheConfigurationError(msg)
    return text


def plain_identity(value: object) -> str | None:
    """Return a string, an int or a UUID as text; None for anything else, booleans among it.

    A subclass counts by its value: its own text could be the same for different values.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value)
    return UUID.__str__(value) if isinstance(value, UUID) else None


@lru_cache(maxsize=4096)
def _narrowed(prefix: str, tenants: tuple[str, ...], tenant: str, spread: int) -> Keyspace:
    return Keyspace(prefix, (*tenants, tenant), spread)
