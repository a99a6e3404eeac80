"""Paging through entries by cursor, newest first."""

import base64
import binascii
import datetime as dt
from dataclasses import dataclass
from typing import Self

from example_schema.books.errors import InvalidArgumentError

LARGEST_PAGE = 100


@dataclass(frozen=True)
class Cursor:
    """The place of one entry in the order of its account.

    It names the entry's date and id, not its number: entries posted meanwhile neither repeat nor
    hide others.
    """

    posted_on: dt.date
    entry_id: int

    def encode(self) -> str:
        """Return the text that clients hand back; they should not look into it."""
        text = f"{self.posted_on.isoformat()}/{self.entry_id}"
        return base64.urlsafe_b64encode(text.encode()).decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the cursor that `encode` wrote.

        Raises:
            InvalidArgumentError: The text is not a cursor.
        """
        try:
            date, _, entry_id = base64.b64decode(text, altchars=b"-_", validate=True).partition(
                b"/"
            )
            cursor = cls(dt.date.fromisoformat(date.decode()), int(entry_id))
        except (ValueError, binascii.Error):
            cursor = None
        # Also refuses what Python's lenient parsers let through.
        if cursor is None or cursor.encode() != text:
            message = "after must be an endCursor or a cursor that this service returned."
            raise InvalidArgumentError(message)
        return cursor


def check_page_size(first: int) -> None:
    """Bound how much one page may hold.

    Raises:
        InvalidArgumentError: The size is out of bounds.
    """
    if not 1 <= first <= LARGEST_PAGE:
        message = f"first must be between 1 and {LARGEST_PAGE}, not {first}."
        raise InvalidArgumentError(message)
