"""Reads what a server holds: its keys page by page, their sizes, and its INFO.

A page takes the server less than a millisecond; all pages take time by the number of its keys. So only operators
and tests ask for them, never a request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strawberry_response_cache.core._families import EVERYTHING
from strawberry_response_cache.core.protocol.answers import Unavailable, failure
from strawberry_response_cache.core.protocol.effects import Effect, StoreCall

PAGE: Final = 1000
"""How many keys a server looks at for one page."""

_BESIDE_TAGS: Final = ("e", "c", "r", "f", "s", *(f"t:{each}" for each in EVERYTHING))
"""The fields of a tag table that stand for no tag that somebody named: epoch, clock, run id, floor, where the sweep is,
and the hidden tag that each invalidation stamps."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the keys that match.

    Attributes:
        cursor: Where the next page begins; ``0`` if there is none.
        keys: The keys; some may be on several pages.
    """

    cursor: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scan(Effect[Page | Unavailable]):
    """Read one page of the keys that match a pattern, on one server."""

    pattern: str
    cursor: str

    def calls(self) -> Sequence[StoreCall]:
        """Return one command."""
        return (("SCAN", (), (self.cursor, "MATCH", self.pattern, "COUNT", PAGE)),)

    def interpret(self, replies: Sequence[Any]) -> Page | Unavailable:
        """Return the page, or the failure."""
        (reply,) = replies
        if isinstance(reply, Exception):
            return failure(reply)
        match reply:
            case [bytes() as cursor, [*keys]]:
                return Page(
                    cursor.decode("ascii"), tuple(key.decode("utf-8", "replace") for key in keys)
                )
            case _:
                return failure(TypeError())


@dataclass(frozen=True, slots=True)
class CountKeys(Effect[int | Unavailable]):
    """Count all keys of one server."""

    def calls(self) -> Sequence[StoreCall]:
        """Return one command."""
        return (("DBSIZE", (), ()),)

    def interpret(self, replies: Sequence[Any]) -> int | Unavailable:
        """Return the number, or the failure."""
        (reply,) = replies
        return reply if isinstance(reply, int) else failure(_error_of(reply))


@dataclass(frozen=True, slots=True)
class Sizes(Effect["list[int] | Unavailable"]):
    """Read how many bytes keys take, on one server.

    Attributes:
        keys: The keys.
        tables: Which of them are tag tables; their tags are counted as well.
    """

    keys: Sequence[str]
    tables: Sequence[str]

    def calls(self) -> Sequence[StoreCall]:
        """Return one command for each key, and two more for each table."""
        sizes: list[StoreCall] = [("MEMORY", (), ("USAGE", key)) for key in self.keys]
        fields: list[StoreCall] = [("HLEN", (), (key,)) for key in self.tables]
        return [*sizes, *fields, *(("HMGET", (), (key, *_BESIDE_TAGS)) for key in self.tables)]

    def interpret(self, replies: Sequence[Any]) -> "list[int] | Unavailable":
        """Return the bytes of each key, then the number of invalidated tags in each table; 0 if it is gone."""
        numbers = []
        for reply in replies:
            # A key that has moved to another node of a cluster counts there.
            if isinstance(reply, Exception) and not _has_moved(reply):
                return failure(reply)
            others = len(reply) - reply.count(None) if isinstance(reply, list) else 0
            numbers.append(reply if isinstance(reply, int) else others)
        last = len(self.keys) + len(self.tables)
        fields, others_of = numbers[len(self.keys) : last], numbers[last:]
        # A table may change between the two commands, so the difference may be negative.
        tags = [max(0, each - others) for each, others in zip(fields, others_of, strict=True)]
        return [*numbers[: len(self.keys)], *tags]


@dataclass(frozen=True, slots=True)
class Describe(Effect[Mapping[str, str] | Unavailable]):
    """Read the INFO of one server."""

    def calls(self) -> Sequence[StoreCall]:
        """Return one command."""
        return (("INFO", (), ()),)

    def interpret(self, replies: Sequence[Any]) -> Mapping[str, str] | Unavailable:
        """Return the fields of ``INFO``, or the failure."""
        (reply,) = replies
        if not isinstance(reply, bytes):
            return failure(_error_of(reply))
        lines = (line.partition(":") for line in reply.decode("utf-8", "replace").splitlines())
        return {name: value for name, colon, value in lines if colon}


def _has_moved(error: Exception) -> bool:
    return failure(error).error_name in {"MovedError", "AskError"}


def _error_of(reply: object) -> Exception:
    return reply if isinstance(reply, Exception) else TypeError()
