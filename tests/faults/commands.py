"""Where one command ends and the next begins, in what a client sends."""

from collections.abc import Iterator


class Commands:
    """Splits a stream of requests, as it comes in, into commands."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Take bytes, and yield the name and the bytes of each command that they complete."""
        self._pending += data
        while (found := self._first()) is not None:
            name, end = found
            command, self._pending = self._pending[:end], self._pending[end:]
            yield name, command

    def _first(self) -> tuple[str, int] | None:
        """Return the name and the length of the first pending command, if all of it is here."""
        if (header := self._number(0, b"*")) is None:
            return None
        count, position = header
        name = ""
        for index in range(count):
            if (header := self._number(position, b"$")) is None:
                return None
            length, start = header
            position = start + length + 2
            if position > len(self._pending):
                return None
            if index == 0:
                name = self._pending[start : start + length].decode("ascii").upper()
        return name, position

    def _number(self, position: int, kind: bytes) -> tuple[int, int] | None:
        """Return the number on the line at a position and where the next line begins."""
        end = self._pending.find(b"\r\n", position)
        if end < 0:
            return None
        assert self._pending[position : position + 1] == kind, "this is no request"
        return int(self._pending[position + 1 : end]), end + 2
