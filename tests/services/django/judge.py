"""What was acknowledged, and whether an answer is right."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.services.django.client import Client
from tests.services.django.requests import Answer

_BOOKS = {"BookType", "BookNode"}
_NOTES = {"NoteType", "NoteNode"}


@dataclass(frozen=True, kw_only=True)
class Acknowledged:
    """What had been acknowledged at a moment: an answer to a later request is as new at least.

    Attributes:
        books: The version of each book.
        reviews: The number of reviews of each book.
        notes: The version of each note.
        kept: The notes of each user that nobody had begun to delete.
        deleted: The notes that were deleted.
    """

    books: dict[int, int]
    reviews: Counter[int]
    notes: dict[int, int]
    kept: dict[int, set[int]]
    deleted: set[int]


class Ledger:
    """What was acknowledged by now.

    Args:
        truth: The rows when the load began.
    """

    def __init__(self, truth: dict[str, Any]) -> None:
        self._lock = threading.Lock()
        self._books = {each["pk"]: each["version"] for each in truth["books"]}
        self._reviews: Counter[int] = Counter()
        self._notes = {each["pk"]: each["version"] for each in truth["notes"]}
        self._kept: defaultdict[int, set[int]] = defaultdict(set)
        for each in truth["notes"]:
            self._kept[each["owner"]].add(each["pk"])
        self._deleted: set[int] = set()
        self._covers: dict[tuple[int, int], str] = {}
        self.stock = sum(each["stock"] for each in truth["books"])
        self.books = sorted(self._books)

    def now(self) -> Acknowledged:
        """Return what is acknowledged now."""
        with self._lock:
            return Acknowledged(
                books=dict(self._books),
                reviews=Counter(self._reviews),
                notes=dict(self._notes),
                kept={owner: set(keys) for owner, keys in self._kept.items()},
                deleted=set(self._deleted),
            )

    # -- What was acknowledged ----------------------------------------------------------------------------

    def changed_book(self, pk: int, version: int, cover: str | None = None) -> None:
        with self._lock:
            self._books[pk] = max(version, self._books[pk])
            if cover is not None:
                self._covers[pk, version] = cover

    def reviewed(self, pk: int) -> None:
        with self._lock:
            self._reviews[pk] += 1

    def changed_note(self, pk: int, version: int) -> None:
        with self._lock:
            self._notes[pk] = max(version, self._notes.get(pk, 0))

    def created_note(self, owner: int, pk: int) -> None:
        with self._lock:
            self._notes[pk] = 0
            self._kept[owner].add(pk)

    def take_note(self, owner: int) -> int | None:
        """Choose a note to delete, which may be missing from answers from now on."""
        with self._lock:
            kept = self._kept[owner]
            return kept.pop() if len(kept) > 3 else None

    def deleted_note(self, pk: int) -> None:
        with self._lock:
            self._deleted.add(pk)

    # -- Whether an answer is right -------------------------------------------------------------------------

    def wrong_in(self, client: Client, answer: Answer, before: Acknowledged) -> Iterator[str]:
        """Yield what is wrong with an answer, in words that begin with ``stale`` or ``foreign``.

        Args:
            client: Who asked.
            answer: The answer.
            before: What had been acknowledged when the request was sent.
        """
        kept_still = self.now().kept.get(client.pk or 0, set())
        for each in answer.results:
            data = each.get("data") or {}
            for row in _rows(data):
                yield from self._wrong_row(client, row, before)
            stocks = [row["stock"] for row in data.get("books", ()) if "stock" in row]
            if stocks and sum(stocks) != self.stock:
                yield "stale: rows of before and after one transaction"
            if "notes" in data and client.pk is not None:
                must = before.kept[client.pk] & kept_still
                if missing := must - {row["pk"] for row in data["notes"]}:
                    yield f"stale: {len(missing)} created notes are missing"

    def _wrong_row(
        self, client: Client, row: dict[str, Any], before: Acknowledged
    ) -> Iterator[str]:
        kind = row["__typename"]
        if kind in _BOOKS:
            yield from self._wrong_book(row, before)
        elif kind in _NOTES:
            if row["ownerId"] != client.pk:
                yield "foreign: a note"
            if row["version"] < before.notes.get(row["pk"], 0):
                yield "stale: version of a note"
            if row["pk"] in before.deleted:
                yield "stale: a deleted note"
        elif kind == "UserType" and row["username"] != client.name:
            yield "foreign: a user"

    def _wrong_book(self, row: dict[str, Any], before: Acknowledged) -> Iterator[str]:
        pk, version = row["pk"], row["version"]
        if version < before.books[pk]:
            yield f"stale: version {version} of a book, {before.books[pk]} was acknowledged"
        if row.get("reviewCount", before.reviews[pk]) < before.reviews[pk]:
            yield "stale: a review is missing"
        if row.get("title") == "never":
            yield "stale: what was rolled back is shown"
        if "cover" in row and row["cover"] != self._covers.get((pk, version), row["cover"]):
            yield "stale: another cover than that of this version"


def _rows(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of an answer that tells its type."""
    if isinstance(value, dict):
        if "__typename" in value:
            yield value
        for each in value.values():
            yield from _rows(each)
    elif isinstance(value, list):
        for each in value:
            yield from _rows(each)
