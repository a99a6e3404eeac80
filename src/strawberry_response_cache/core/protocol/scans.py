"""Scans: which tenants a cache has. They take time by the number of keys in the server, so only tests use them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strawberry_response_cache.core.protocol.answers import Unavailable, failure
from strawberry_response_cache.core.protocol.effects import Call


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
class Scan:
    """Read one page of the keys that match a pattern, on one server.

    Attributes:
        pattern: The pattern.
        cursor: Where the page begins; ``0`` for the first.
    """

    pattern: str
    cursor: str

    def calls(self) -> Sequence[Call]:
        """One command."""
        return (("SCAN", (), (self.cursor, "MATCH", self.pattern, "COUNT", 1000)),)

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

    def unavailable(self, error: BaseException) -> Page | Unavailable:
        """Return the failure."""
        return failure(error)
