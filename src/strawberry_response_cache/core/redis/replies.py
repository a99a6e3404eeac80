"""Parses the server's protocol (RESP2) as the bytes arrive."""

from collections.abc import Mapping
from typing import Any, Final

from redis import exceptions

_ERRORS: Final[Mapping[bytes, type[exceptions.RedisError]]] = {
    b"ASK": exceptions.AskError,
    b"CLUSTERDOWN": exceptions.ClusterDownError,
    b"CROSSSLOT": exceptions.ClusterCrossSlotError,
    b"LOADING": exceptions.BusyLoadingError,
    b"MASTERDOWN": exceptions.MasterDownError,
    b"MOVED": exceptions.MovedError,
    b"NOAUTH": exceptions.AuthenticationError,
    b"NOPERM": exceptions.NoPermissionError,
    b"NOSCRIPT": exceptions.NoScriptError,
    b"OOM": exceptions.OutOfMemoryError,
    b"READONLY": exceptions.ReadOnlyError,
    b"TRYAGAIN": exceptions.TryAgainError,
    b"WRONGPASS": exceptions.AuthenticationError,
}
"""The errors that the cache handles differently; all others become a ``ResponseError``."""

_WHOLE: Final = 1
"""Bytes to wait for before parsing an incomplete line again."""
_LONGEST_LINE: Final = 64 * 1024
_LARGEST_BULK: Final = 512 * 1024 * 1024
"""The largest string that a server stores, in bytes."""
_MOST_ITEMS: Final = 32 * 1024
"""The most elements of an array: twice the slots of a cluster, which has the longest answer."""
_DEEPEST: Final = 8


class NonsenseError(exceptions.ConnectionError):
    """The bytes are not of the protocol. The rest of this connection is unusable too."""


class _IncompleteError(Exception):
    """The reply is not complete; at least ``needed`` bytes are needed in all."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


class Replies:
    r"""Collects the replies to one batch of calls; bytes may arrive in chunks of any size.

    Args:
        count: How many replies there are.

    Source: the protocol's specification, https://redis.io/docs/latest/develop/reference/protocol-spec/

    Example:
        >>> replies = Replies(2)
        >>> replies.feed(b"$5\r\nhel")
        False
        >>> replies.feed(b"lo\r\n:7\r\n")
        True
        >>> replies.all
        [b'hello', 7]
    """

    __slots__ = ("_at", "_bytes", "_chunks", "_count", "_here", "_needed", "all")

    def __init__(self, count: int) -> None:
        self.all: list[Any] = []
        self._count = count
        self._bytes = b""
        self._chunks: list[bytes] = []
        self._here = 0
        self._needed = _WHOLE
        self._at = 0

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes.

        Returns:
            Whether all replies are complete.

        Raises:
            NonsenseError: If the bytes are not of the protocol, or there are more replies than calls.
        """
        self._here += len(chunk)
        self._chunks.append(chunk)
        if self._here < self._needed:
            return False  # joined only when there are enough, so that a large reply is not copied for each chunk
        if self._at:
            self._chunks.insert(0, self._bytes[self._at :])
            self._at = 0
        elif self._bytes:
            self._chunks.insert(0, self._bytes)
        self._bytes = chunk if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        try:
            while len(self.all) < self._count:
                reply, self._at = _reply(self._bytes, self._at, 0)
                self.all.append(reply)
        except _IncompleteError as incomplete:
            self._here = len(self._bytes) - self._at
            self._needed = max(incomplete.needed - self._at, self._here + _WHOLE)
            return False
        except (ValueError, IndexError):
            raise NonsenseError from None
        if self._at != len(self._bytes):
            raise NonsenseError
        return True


def _reply(data: bytes, at: int, depth: int) -> tuple[Any, int]:  # noqa: C901 - one branch for each kind of reply
    """Return the reply that begins at a position, and the position of the next.

    Raises:
        _IncompleteError: If its end has not arrived.
        ValueError: If it is not a reply.
    """
    end = data.find(b"\r\n", at)
    if end < 0:
        if len(data) - at > _LONGEST_LINE:
            raise ValueError
        raise _IncompleteError(len(data) + _WHOLE)
    kind, after = data[at : at + 1], end + 2
    if kind == b"$":
        size = _number(data[at + 1 : end], _LARGEST_BULK)
        if size < 0:
            return None, after
        end = after + size
        if len(data) < end + 2:
            raise _IncompleteError(end + 2)
        if data[end : end + 2] != b"\r\n":
            raise ValueError
        return data[after:end], end + 2
    if kind == b":":
        return int(data[at + 1 : end]), after
    if kind == b"+":
        return data[at + 1 : end], after
    if kind == b"-":
        return _error(data[at + 1 : end]), after
    if kind == b"*" and depth < _DEEPEST:
        return _array(data, after, _number(data[at + 1 : end], _MOST_ITEMS), depth)
    raise ValueError


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[Any, int]:
    if count < 0:
        return None, at
    items = []
    for _ in range(count):
        item, at = _reply(data, at, depth + 1)
        items.append(item)
    return items, at


def _number(digits: bytes, most: int) -> int:
    number = int(digits)
    if not -1 <= number <= most:
        raise ValueError
    return number


def _error(line: bytes) -> Exception:
    """Return a server's error as redis-py would."""
    code, _, rest = line.partition(b" ")
    kind = _ERRORS.get(code)
    if kind is None:
        return exceptions.ResponseError(line.decode("utf-8", "replace"))
    return kind(rest.decode("utf-8", "replace"))
