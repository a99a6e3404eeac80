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
"""How many more bytes must arrive, at least, before an incomplete reply is parsed again."""
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

    __slots__ = ("_at", "_bytes", "_chunks", "_count", "_here", "_needed", "_open", "all")

    def __init__(self, count: int) -> None:
        self.all: list[Any] = []
        self._count = count
        self._open: list[tuple[list[Any], int]] = []
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
                self._take_strings()
                if len(self.all) < self._count:
                    self._take()
        except _IncompleteError as incomplete:
            self._here = len(self._bytes) - self._at
            self._needed = max(incomplete.needed - self._at, self._here + _WHOLE)
            return False
        except (ValueError, IndexError):
            raise NonsenseError from None
        if self._at != len(self._bytes):
            raise NonsenseError
        return True

    def _take_strings(self) -> None:
        """Take the next strings that have arrived completely. Nearly all replies are strings: a fast path."""
        data, at, size = self._bytes, self._at, len(self._bytes)
        items, count = self._open[-1] if self._open else (self.all, self._count)
        while len(items) + 1 < count and data.startswith(b"$", at):
            end = data.find(b"\r\n", at)
            after = end + 2 + _number_up_to(data[at + 1 : end], _LARGEST_BULK) if end > 0 else 0
            if after < end + 2 or after + 2 > size or not data.startswith(b"\r\n", after):
                break
            items.append(data[end + 2 : after])
            at = after + 2
        self._at = at

    def _take(self) -> None:
        """Take one reply, one element of an array, or the beginning of an array.

        What is taken is never read again: an array of large elements arrives in many chunks.

        Raises:
            _IncompleteError: If its end has not arrived.
            ValueError: If it is not a reply.
        """
        data, at = self._bytes, self._at
        if data[at : at + 1] != b"*":
            value, self._at = _single(data, at)
            self._put(value)
            return
        if len(self._open) >= _DEEPEST:
            raise ValueError
        end = _end_of_line(data, at)
        count = _number_up_to(data[at + 1 : end], _MOST_ITEMS)
        self._at = end + 2
        if count > 0:
            self._open.append(([], count))
        else:
            self._put(None if count < 0 else [])

    def _put(self, value: Any) -> None:  # noqa: ANN401 - any reply
        """Put a value into the innermost array that lacks elements; a complete array into the one around it."""
        while self._open:
            items, count = self._open[-1]
            items.append(value)
            if len(items) < count:
                return
            self._open.pop()
            value = items
        self.all.append(value)


def _single(data: bytes, at: int) -> tuple[Any, int]:
    """Return the reply that begins at a position, which is no array, and the position of the next.

    Raises:
        _IncompleteError: If its end has not arrived.
        ValueError: If it is not a reply.
    """
    end = _end_of_line(data, at)
    kind, after = data[at : at + 1], end + 2
    if kind == b"$":
        size = _number_up_to(data[at + 1 : end], _LARGEST_BULK)
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
        return _error_of_server(data[at + 1 : end]), after
    raise ValueError


def _end_of_line(data: bytes, at: int) -> int:
    """Return where the line ends that begins at a position.

    Raises:
        _IncompleteError: If its end has not arrived.
        ValueError: If it is too long for a line.
    """
    end = data.find(b"\r\n", at)
    if end < 0:
        if len(data) - at > _LONGEST_LINE:
            raise ValueError
        raise _IncompleteError(len(data) + _WHOLE)
    return end


def _number_up_to(digits: bytes, most: int) -> int:
    number = int(digits)
    if not -1 <= number <= most:
        raise ValueError
    return number


def _error_of_server(line: bytes) -> Exception:
    """Return a server's error as redis-py would."""
    code, _, rest = line.partition(b" ")
    kind = _ERRORS.get(code)
    if kind is None:
        return exceptions.ResponseError(line.decode("utf-8", "replace"))
    return kind(rest.decode("utf-8", "replace"))
