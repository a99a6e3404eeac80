r"""The bytes of an entry: one header line, then the payload.

The server's script reads the header line only; the payload never enters Lua. The checksum covers
everything that follows it, so a truncated or flipped entry is a miss and never a wrong answer.

```
rc1 <checksum> <header length> <write id> <epoch> <clock> <ttl ms> <stale ms> <codec> <meta> <tags>\n<payload>
```
"""

import zlib
from dataclasses import dataclass

MAGIC = b"rc1"
PLAIN_JSON = "j"
"""The codec flag of a payload that is JSON as it stands."""

NO_META = "-"

_CHECKED_FROM = len(MAGIC) + 1 + 8
_FIELDS = 11


class UnreadableEntryError(Exception):
    """Bytes under an entry's key are not an entry, or not one that this caller can rebuild."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a caller wants stored: made after the generation, never before.

    Attributes:
        payload: The bytes to store.
        ttl_ms: How long it is fresh; above 0.
        stale_ms: How long after that it may be served while it is refreshed.
        tags: Digests of its tags, see `tag_digests`.
        meta: A short word of the caller's own, such as a scope: letters, digits, ``_`` and ``-``.
    """

    payload: bytes
    ttl_ms: int
    stale_ms: int = 0
    tags: tuple[str, ...] = ()
    meta: str = NO_META


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it was read, and what the server said of its age.

    Attributes:
        recording: What was stored.
        write_id: The id of that write; two writes never share one.
        clock: The tenant's clock when its generation began; a tag purged later is above it.
        remaining_ms: How long it is still fresh; negative within the stale window.
    """

    recording: Recording
    write_id: str
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


def encode(recording: Recording, *, write_id: str, epoch: str, clock: int) -> bytes:
    """Return the bytes to store under an entry's key."""
    rest = " ".join(
        (
            write_id,
            epoch,
            str(clock),
            str(recording.ttl_ms),
            str(recording.stale_ms),
            PLAIN_JSON,
            recording.meta,
            ",".join(recording.tags),
        )
    ).encode("ascii")
    length = _CHECKED_FROM + len(b" 00000000 ") + len(rest) + len(b"\n")
    checked = b" %08x %b\n%b" % (length, rest, recording.payload)
    return b"%b %08x%b" % (MAGIC, zlib.crc32(checked), checked)


def decode(stored: bytes, *, pttl_ms: int) -> Entry:
    """Read the bytes found under an entry's key.

    Args:
        stored: Any bytes at all.
        pttl_ms: How long Redis keeps the key, in milliseconds: ttl and stale window together.

    Raises:
        UnreadableEntryError: If they are not an entry of this format, whole and unchanged.
    """
    head, newline, payload = stored.partition(b"\n")
    fields = head.split(b" ")
    if not newline or len(fields) != _FIELDS or fields[0] != MAGIC:
        raise UnreadableEntryError
    try:
        write_id = fields[3].decode("ascii")
        clock, ttl_ms, stale_ms = int(fields[5]), int(fields[6]), int(fields[7])
        codec, meta, tags = (fields[n].decode("ascii") for n in (8, 9, 10))
    except ValueError:
        raise UnreadableEntryError from None
    if b"%08x" % zlib.crc32(memoryview(stored)[_CHECKED_FROM:]) != fields[1] or codec != PLAIN_JSON:
        raise UnreadableEntryError
    recording = Recording(payload, ttl_ms, stale_ms, tuple(tags.split(",")) if tags else (), meta)
    return Entry(recording, write_id, clock, pttl_ms - stale_ms)
