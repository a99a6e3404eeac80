r"""The bytes of an entry: one header line, then the payload.

The server's script reads the header line only; the payload never enters Lua. The checksum covers everything
after it, so a truncated or damaged entry is a miss.

```
rc1 <checksum> <header length> <write id> <epoch> <clock> <ttl ms> <stale ms> <cost ms> <codec> <meta> <note> <tags>\n<payload>
```
"""

import zlib
from dataclasses import dataclass, field
from typing import Final

MAGIC: Final = b"rc1"
_MAGIC_WORD: Final = MAGIC.decode()
PLAIN: Final = "j"
"""The codec flag of an uncompressed payload."""
DEFLATED: Final = "d"
"""The codec flag of a compressed payload (RFC 1951). A checksum of its own would take a third of the time of unpacking."""

NO_META: Final = "-"
NO_NOTE: Final = "-"
PRIVATE: Final = "private"
"""The meta word of a recording that belongs to one session; values built from it have it too."""
MARKER: Final = "-marker"
"""The end of the meta word of a marker: an entry without a value, which says how its key is answered.

`FORGET` does not delete it, because it has no value that could be outdated.
"""

_CHECKED_FROM: Final = len(MAGIC) + 1 + 8
_RAW: Final = -zlib.MAX_WBITS
"""Tells zlib to write and read no header and no checksum of its own."""
_QUICKLY: Final = 1
"""The level of compression: most of the gain in a tenth of the time."""


class UnreadableEntryError(Exception):
    """The bytes under an entry's key are not an entry, or not one that this caller can rebuild."""


class LargeEntryError(Exception):
    """An entry is not unpacked yet, because that takes long."""


# Not frozen, although they are never changed: each hit creates both, and a frozen one takes four times as long.


@dataclass(slots=True)
class ValueRecording:
    """A value to store, created after the generation.

    Attributes:
        payload: The bytes to store.
        ttl_ms: How long it is fresh, in milliseconds; above 0.
        stale_ms: How long after that it may be served while it is refreshed, in milliseconds.
        tags: Digests of its tags, see `tag_digests`.
        meta: A short word of the client, such as a scope: letters, digits, ``_`` and ``-``.
        cost_ms: How long generating it took, in milliseconds.
        note: A text that the client gets back with the value, such as a validator for HTTP: printable ASCII
            without spaces.
    """

    payload: bytes = field(repr=False)
    ttl_ms: int
    stale_ms: int = 0
    tags: tuple[str, ...] = ()
    meta: str = NO_META
    cost_ms: int = 0
    note: str = NO_NOTE

    @property
    def is_marker(self) -> bool:
        """Whether it is a marker: it has no value, and says how its key is answered."""
        return self.meta.endswith(MARKER)

    @property
    def size(self) -> int:
        """Bytes of its value and its note, which may be longer than the value."""
        return len(self.payload) + len(self.note)


@dataclass(slots=True)
class Entry:
    """An entry as it was read, with its age.

    Attributes:
        recording: The stored value.
        write_id: The id of the write; it is unique.
        epoch: The tenant's epoch when its generation began.
        clock: The tenant's clock when its generation began; a tag that is invalidated later has a higher
            clock.
        remaining_ms: How long it stays fresh, in milliseconds; negative within the stale window.
    """

    recording: ValueRecording
    write_id: str
    epoch: str
    clock: int
    remaining_ms: int

    @property
    def age(self) -> float:
        """Seconds since it was stored."""
        return max(0, self.recording.ttl_ms - self.remaining_ms) / 1000

    @property
    def ttl(self) -> float:
        """Seconds for which it stays fresh."""
        return max(0, self.remaining_ms) / 1000


def encode(
    recording: ValueRecording,
    *,
    write_id: str,
    epoch: str,
    clock: int,
    compress_above: int | None = None,
) -> bytes:
    """Return the bytes to store under an entry's key.

    Args:
        recording: What to store.
        write_id: The id of this write.
        epoch: The tenant's epoch, from the lease.
        clock: The tenant's clock, from the lease or from an older part of the value.
        compress_above: Compress a payload of more bytes, if it becomes smaller; None never does.
    """
    codec, payload = PLAIN, recording.payload
    if compress_above is not None and len(payload) > compress_above:
        packing = zlib.compressobj(_QUICKLY, wbits=_RAW)
        deflated = packing.compress(payload) + packing.flush()
        if len(deflated) < len(payload):
            codec, payload = DEFLATED, deflated
    rest = " ".join(
        (
            write_id,
            epoch,
            str(clock),
            str(recording.ttl_ms),
            str(recording.stale_ms),
            str(recording.cost_ms),
            codec,
            recording.meta,
            recording.note,
            ",".join(recording.tags),
        )
    ).encode("ascii")
    length = _CHECKED_FROM + len(b" 00000000 ") + len(rest) + len(b"\n")
    checked = b" %08x %b\n%b" % (length, rest, payload)
    return b"%b %08x%b" % (MAGIC, zlib.crc32(checked), checked)


def decode(
    stored: bytes, *, pttl_ms: int, max_bytes: int | None = None, at_once: int | None = None
) -> Entry:
    """Read the bytes found under an entry's key.

    Args:
        stored: Any bytes at all.
        pttl_ms: How long Redis keeps the key, in milliseconds: ttl and stale window together.
        max_bytes: The largest payload to unpack; None unpacks any.
        at_once: The most bytes of a compressed payload that is unpacked now; None unpacks any.

    Raises:
        LargeEntryError: If more bytes are compressed than `at_once`.
        UnreadableEntryError: If they are not a complete and undamaged entry of this format.
    """
    head, _, payload = stored.partition(b"\n")
    try:
        words = head.decode("ascii").split(" ")
        magic, checksum, _, write_id, epoch, clock, ttl, stale, cost, codec, meta, note, tags = (
            words
        )
        ticks, ttl_ms, stale_ms, cost_ms = int(clock), int(ttl), int(stale), int(cost)
    except ValueError:
        raise UnreadableEntryError from None
    if magic != _MAGIC_WORD:
        raise UnreadableEntryError
    if at_once is not None and codec == DEFLATED and len(payload) > at_once:
        raise LargeEntryError
    if f"{zlib.crc32(memoryview(stored)[_CHECKED_FROM:]):08x}" != checksum:
        raise UnreadableEntryError
    if codec == DEFLATED:
        payload = _inflated(payload, max_bytes)
    elif codec != PLAIN:
        raise UnreadableEntryError
    tag_list = tuple(tags.split(",")) if tags else ()
    recording = ValueRecording(payload, ttl_ms, stale_ms, tag_list, meta, cost_ms, note)
    return Entry(recording, write_id, epoch, ticks, pttl_ms - stale_ms)


def _inflated(payload: bytes, max_bytes: int | None) -> bytes:
    """Unpack a payload, up to the allowed size.

    Raises:
        UnreadableEntryError: If it is not compressed, incomplete or too large.
    """
    unpacking = zlib.decompressobj(_RAW)
    try:
        whole = unpacking.decompress(payload, max_bytes or 0)
    except zlib.error:
        raise UnreadableEntryError from None
    if not unpacking.eof:
        raise UnreadableEntryError
    return whole
