"""Bytes to replies: the server's protocol (RESP2), read as it arrives."""

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
"""The errors that somebody tells apart; all others are a ``ResponseError``."""

_WHOLE: Final = 1
"""A part of a reply that is not here yet is looked for when at least a byte has come."""
_LONGEST_LINE: Final = 64 * 1024
_LARGEST_BULK: Final = 512 * 1024 * 1024
"""What a server holds in one string at most."""
_MOST_ITEMS: Final = 32 * 1024
"""Twice the slots of a cluster, of which the longest answer tells."""
_DEEPEST: Final = 8


class NonsenseError(exceptions.ConnectionError):
    """What came is not the server's protocol: nothing that follows on this connection means anything."""


class _IncompleteError(Exception):
    """The rest of a reply has not come yet; so many bytes are needed in all, as far as is known."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


class Replies:
    r"""The replies to one batch of calls, of whose bytes any number may come at a time.

    Args:
        count: How many there are.

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
            Whether all replies are here.

        Raises:
            NonsenseError: If they are not of the protocol, or more than was asked for.
        """
        self._here += len(chunk)
        self._chunks.append(chunk)
        if self._here < self._needed:
            return False  # joined once they suffice, so that a large reply is not copied for each of its chunks
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
    """Return the reply that begins at a position, and where the next begins.

    Raises:
        _IncompleteError: If its end is not here yet.
        ValueError: If it is none.
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
    """Return the error that a server tells of, as redis-py would."""
    code, _, rest = line.partition(b" ")
    kind = _ERRORS.get(code)
    if kind is None:
        return exceptions.ResponseError(line.decode("utf-8", "replace"))
    return kind(rest.decode("utf-8", "replace"))
