"""Callers that read and change at once, and moments without changes in which all is compared with the database."""

import hashlib
import random
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any, Final

from tests.services.django.client import Client
from tests.services.django.judge import Acknowledged, Ledger
from tests.services.django.requests import (
    BUMP,
    CHANGE_NOTE,
    COVER,
    CREATE_NOTE,
    DELETE_NOTE,
    FAIL,
    MOVE,
    READ_BOOK,
    READS,
    REVIEW,
    Answer,
    Read,
)

CALLERS: Final = 6
NAMES: Final = ("alice", "bob", "carol", "staff", None)
CHANGES: Final = 0.1
"""The share of changes."""
BETWEEN_COMPARISONS: Final = 15.0
"""Seconds of load until all is compared."""
OF_BOOKS: Final = ("bump", "move", "fail", "cover", "review", "batch", "save", "update")
OF_NOTES: Final = ("note", "create", "delete")
_SHOWING_BOOKS: Final = READS[:2]
_SHOWING_NOTES: Final = READS[4:6]


class Report:
    """What happened.

    Attributes:
        counted: Requests by what they were.
        statuses: Operations by what the cache said.
        statements: SQL of single operations by what the cache said: how many requests made how many statements.
        wrong: What was stale, foreign or failed, in words.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counted: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.statements: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.wrong: list[str] = []

    def note(self, what: str, answer: Answer, wrong: list[str]) -> None:
        """Note a request, its answer, and what is wrong with it."""
        with self._lock:
            self.counted[what] += 1
            self.statuses.update(answer.statuses)
            if len(answer.statuses) == 1:
                self.statements[answer.statuses[0]][answer.statements] += 1
            self.wrong += [f"{what}: {each}" for each in wrong]
            if set(answer.statuses) == {"hit"} and answer.statements:
                self.wrong.append(f"{what}: SQL: a hit made {answer.statements} statements")

    def number_of(self, kind: str) -> int:
        """Return how many answers were wrong in a way, such as ``stale``."""
        return sum(f": {kind}: " in each for each in self.wrong)


class Caller:
    """Sends one request after the other, as any user.

    Args:
        clients: The users, and a visitor.
        ledger: What was acknowledged.
        report: Where it notes what happened.
        seed: Of its choices.
    """

    def __init__(self, clients: list[Client], ledger: Ledger, report: Report, seed: int) -> None:
        self._clients = clients
        self._ledger = ledger
        self._report = report
        self._draw = random.Random(seed)  # noqa: S311 - a seed repeats the choices
        self._seed = seed
        self._version = 0  # of the notes that this caller alone changes

    def call(self) -> None:
        """Read, or change something: then what shows it is read before and after."""
        client = self._draw.choice(self._clients)
        pk = self._book()
        try:
            if self._draw.random() >= CHANGES:
                self._read(client, self._draw.choice(READS), pk)
                return
            what = self._draw.choice(
                OF_NOTES if client.pk and self._draw.random() < 0.5 else OF_BOOKS
            )
            for each in _SHOWING_NOTES if what in OF_NOTES else _SHOWING_BOOKS:
                self._read(client, each, pk)
            getattr(self, f"_{what}")(client, pk, self._ledger.now())
            for each in _SHOWING_NOTES if what in OF_NOTES else _SHOWING_BOOKS:
                self._read(client, each, pk)
        except Exception as error:  # noqa: BLE001 - whatever fails is reported
            self._report.wrong.append(f"{type(error).__name__}: failed: {error}")

    def _book(self) -> int:
        """Choose a book, some more often than others."""
        return self._ledger.books[int(len(self._ledger.books) * self._draw.random() ** 3)]

    def _read(self, client: Client, read: Read, pk: int) -> None:
        before = self._ledger.now()
        variables = {"pk": pk} if "$pk" in read.query else {}
        answer = client.ask(read.query, variables, by_get=self._draw.random() < 0.2)
        self._judge("read", client, answer, before, read)

    def _judge(
        self,
        what: str,
        client: Client,
        answer: Answer,
        before: Acknowledged,
        read: Read | None = None,
    ) -> Answer:
        """Note an answer; one to which the user has no right is an error or empty."""
        wrong = list(self._ledger.wrong_in(client, answer, before))
        errors = [error for each in answer.results for error in each.get("errors") or ()]
        if read is not None and read.users and client.name not in read.users:
            if any(value for value in (answer.data or {}).values()):
                wrong.append("foreign: an answer without a permission")
        elif bool(errors) != (what == "fail"):
            wrong.append(f"failed: {errors}")
        self._report.note(what, answer, wrong)
        return answer

    # -- Books --------------------------------------------------------------------------------------------

    def _acknowledge(self, row: dict[str, Any]) -> None:
        self._ledger.changed_book(row["pk"], row["version"], row["cover"])

    def _bump(self, client: Client, pk: int, before: Acknowledged) -> None:
        answer = client.ask(BUMP, {"pk": pk})
        self._acknowledge(self._judge("bump", client, answer, before).data["bump"])

    def _move(self, client: Client, pk: int, before: Acknowledged) -> None:
        other = self._draw.choice([each for each in self._ledger.books if each != pk])
        answer = client.ask(MOVE, {"pk": pk, "to": other})
        for row in self._judge("move", client, answer, before).data["move"]:
            self._acknowledge(row)

    def _fail(self, client: Client, pk: int, before: Acknowledged) -> None:
        self._judge("fail", client, client.ask(FAIL, {"pk": pk}), before)

    def _cover(self, client: Client, pk: int, before: Acknowledged) -> None:
        content = self._draw.randbytes(20)
        answer = client.upload(COVER, content, pk=pk)
        row = self._judge("cover", client, answer, before).data["cover"]
        if row["cover"] != hashlib.sha256(content).hexdigest():
            self._report.wrong.append("cover: failed: the file is another")
        self._acknowledge(row)

    def _review(self, client: Client, pk: int, before: Acknowledged) -> None:
        if self._judge("review", client, client.ask(REVIEW, {"pk": pk}), before).data is not None:
            self._ledger.reviewed(pk)

    def _batch(self, client: Client, pk: int, before: Acknowledged) -> None:
        """Change a book, and read it in the same request."""
        answer = client.batch((BUMP, {"pk": pk}), (READ_BOOK, {"pk": pk}), (READS[0].query, {}))
        judged = self._judge("batch", client, answer, before)
        changed, read, _ = [each["data"] for each in judged.results]
        if read["book"]["version"] < changed["bump"]["version"]:
            self._report.wrong.append("batch: stale: a query does not see the mutation before it")
        self._acknowledge(changed["bump"])

    def _save(self, client: Client, pk: int, before: Acknowledged) -> None:
        self._ledger.changed_book(pk, client.get(f"/save/{pk}/")["version"])
        self._report.counted["save"] += 1

    def _update(self, client: Client, pk: int, before: Acknowledged) -> None:
        self._ledger.changed_book(pk, client.get(f"/update/{pk}/")["version"])
        self._report.counted["update"] += 1

    # -- Notes --------------------------------------------------------------------------------------------

    def _note(self, client: Client, pk: int, before: Acknowledged) -> None:
        """Change a note that no other caller changes, so that its versions are in order."""
        assert client.pk is not None
        mine = [each for each in before.kept[client.pk] if each % CALLERS == self._seed]
        if not mine:
            return
        note = self._draw.choice(mine)
        self._version += 1
        answer = client.ask(CHANGE_NOTE, {"id": str(note), "version": self._version})
        if answer.data is None and note not in self._ledger.now().kept[client.pk]:
            return  # another caller has deleted it meanwhile
        self._judge("note", client, answer, before)
        self._ledger.changed_note(note, self._version)

    def _create(self, client: Client, pk: int, before: Acknowledged) -> None:
        assert client.pk is not None
        answer = client.ask(CREATE_NOTE, {"pk": str(pk), "owner": str(client.pk)})
        row = self._judge("create", client, answer, before).data["createNote"]
        self._ledger.created_note(client.pk, row["pk"])

    def _delete(self, client: Client, pk: int, before: Acknowledged) -> None:
        assert client.pk is not None
        if (note := self._ledger.take_note(client.pk)) is not None:
            self._judge("delete", client, client.ask(DELETE_NOTE, {"id": str(note)}), before)
            self._ledger.deleted_note(note)


def compare(clients: list[Client], report: Report) -> None:
    """Ask everything as everyone while nothing changes, and compare it with the answer of the database."""
    for client in clients:
        for read in READS:
            variables = {"pk": 1} if "$pk" in read.query else {}
            expected = client.ask(read.query, variables, path="/plain/")
            for number in range(2):
                answer = client.ask(read.query, variables)
                wrong = []
                if answer.data != expected.data:
                    wrong.append(f"stale: not what the database holds: {read.query}")
                is_hit = read.is_hit and not (read.is_private and client.name is None)
                # What was refused twice in the load before is answered field by field for a while.
                if number and is_hit and answer.statuses != ["hit"] and not answer.is_refused:
                    wrong.append(f"missed: {read.query}")
                report.note("compared", answer, wrong)


def run(url: str, seconds: float) -> Report:
    """Load a service for some seconds, and compare all in between and at the end.

    Args:
        url: Of the service.
        seconds: How long, comparisons included.
    """
    report = Report()
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(Client(url, name))) for name in NAMES]
        ledger = Ledger(clients[0].get("/truth/"))
        callers = [Caller(clients, ledger, report, seed) for seed in range(CALLERS)]
        pool = stack.enter_context(ThreadPoolExecutor(CALLERS))
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            until = min(ends, time.monotonic() + BETWEEN_COMPARISONS)

            def call(caller: Caller, until: float = until) -> None:
                while time.monotonic() < until:
                    caller.call()

            list(pool.map(call, callers))
            compare(clients, report)
    return report
