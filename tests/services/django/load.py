"""Callers that read and change at once, and moments of silence in which all is compared with the database."""

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
WRITES: Final = 0.1
"""The share of changes."""
BETWEEN_SILENCES: Final = 10.0
"""Seconds of load until all is compared."""


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
        url: Of the service.
        ledger: What was acknowledged.
        report: Where it notes what happened.
        seed: Of its choices.
    """

    def __init__(self, url: str, ledger: Ledger, report: Report, seed: int) -> None:
        self._ledger = ledger
        self._report = report
        self._draw = random.Random(seed)  # noqa: S311 - a seed repeats the choices
        self._versions = seed  # of notes: one caller's are in order
        self.clients = [Client(url, name) for name in NAMES]

    def close(self) -> None:
        """Close the connections."""
        for each in self.clients:
            each.close()

    def call(self) -> None:
        """Send one request and judge its answer."""
        client = self._draw.choice(self.clients)
        before = self._ledger.now()
        try:
            if self._draw.random() < WRITES:
                self._change(client, before)
            else:
                read = self._draw.choice(READS)
                variables = {"pk": self._book()} if "$pk" in read.query else {}
                answer = client.ask(read.query, by_get=self._draw.random() < 0.2, **variables)  # noqa: PLR2004
                self._judge("read", client, answer, before, read)
        except Exception as error:  # noqa: BLE001 - whatever fails is reported
            self._report.wrong.append(f"failed: {error!r}")

    def _book(self) -> int:
        return self._draw.choice(self._ledger.books)

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

    def _change(self, client: Client, before: Acknowledged) -> None:
        what = self._draw.choice(
            ("bump", "move", "fail", "cover", "review", "batch", "save", "update", "note", "create", "delete")
        )
        if client.pk is None and what in {"note", "create", "delete"}:
            what = "bump"
        getattr(self, f"_{what}")(client, before)

    # -- Books --------------------------------------------------------------------------------------------

    def _acknowledge(self, row: dict[str, Any]) -> None:
        self._ledger.changed_book(row["pk"], row["version"], row["cover"])

    def _bump(self, client: Client, before: Acknowledged) -> None:
        answer = client.ask(BUMP, pk=self._book())
        self._acknowledge(self._judge("bump", client, answer, before).data["bump"])

    def _move(self, client: Client, before: Acknowledged) -> None:
        one, other = self._draw.sample(self._ledger.books, 2)
        answer = client.ask(MOVE, pk=one, to=other)
        for row in self._judge("move", client, answer, before).data["move"]:
            self._acknowledge(row)

    def _fail(self, client: Client, before: Acknowledged) -> None:
        self._judge("fail", client, client.ask(FAIL, pk=self._book()), before)

    def _cover(self, client: Client, before: Acknowledged) -> None:
        content = self._draw.randbytes(20)
        answer = client.upload(COVER, content, pk=self._book())
        row = self._judge("cover", client, answer, before).data["cover"]
        if row["cover"] != hashlib.sha256(content).hexdigest():
            self._report.wrong.append("cover: failed: the file is another")
        self._acknowledge(row)

    def _review(self, client: Client, before: Acknowledged) -> None:
        pk = self._book()
        if self._judge("review", client, client.ask(REVIEW, pk=pk), before).data is not None:
            self._ledger.reviewed(pk)

    def _batch(self, client: Client, before: Acknowledged) -> None:
        """Change a book, and read it in the same request."""
        pk = self._book()
        answer = client.batch((BUMP, {"pk": pk}), (READ_BOOK, {"pk": pk}), (READS[0].query, {}))
        changed, read, _ = [each["data"] for each in self._judge("batch", client, answer, before).results]
        if read["book"]["version"] < changed["bump"]["version"]:
            self._report.wrong.append("batch: stale: a query does not see the mutation before it")
        self._acknowledge(changed["bump"])

    def _save(self, client: Client, before: Acknowledged, page: str = "save") -> None:
        """Change a book outside of GraphQL."""
        pk = self._book()
        self._ledger.changed_book(pk, client.get(f"/{page}/{pk}/")["version"])
        self._report.counted[page] += 1

    def _update(self, client: Client, before: Acknowledged) -> None:
        self._save(client, before, "update")

    # -- Notes --------------------------------------------------------------------------------------------

    def _note(self, client: Client, before: Acknowledged) -> None:
        """Change a note that no other caller changes, so that its versions are in order."""
        assert client.pk is not None
        mine = [pk for pk in before.kept[client.pk] if pk % CALLERS == self._versions % CALLERS]
        if mine and (pk := self._draw.choice(mine)) in self._ledger.now().kept[client.pk]:
            self._versions += CALLERS
            answer = client.ask(CHANGE_NOTE, id=str(pk), version=self._versions)
            if answer.data is None and pk not in self._ledger.now().kept[client.pk]:
                return  # another caller has deleted it meanwhile
            self._judge("note", client, answer, before)
            self._ledger.changed_note(pk, self._versions)

    def _create(self, client: Client, before: Acknowledged) -> None:
        assert client.pk is not None
        answer = client.ask(CREATE_NOTE, pk=str(self._book()), owner=str(client.pk))
        row = self._judge("create", client, answer, before).data["createNote"]
        self._ledger.created_note(client.pk, row["pk"])

    def _delete(self, client: Client, before: Acknowledged) -> None:
        assert client.pk is not None
        if (pk := self._ledger.take_note(client.pk)) is not None:
            answer = client.ask(DELETE_NOTE, id=str(pk))
            self._judge("delete", client, answer, before)
            self._ledger.deleted_note(pk)


def compare(caller: Caller, report: Report) -> None:
    """Ask everything as everyone while nothing changes, and compare it with the answer of the database."""
    for client in caller.clients:
        for read in READS:
            variables = {"pk": 1} if "$pk" in read.query else {}
            expected = client.ask(read.query, path="/plain/", **variables)
            for number in range(2):
                answer = client.ask(read.query, **variables)
                wrong = []
                if answer.data != expected.data:
                    wrong.append(f"stale: not what the database holds: {read.query}")
                is_hit = read.is_hit and not (read.is_private and client.name is None)
                if number and is_hit and answer.statuses != ["hit"]:
                    wrong.append(f"missed: {read.query}")
                report.note("compared", answer, wrong)


def run(url: str, seconds: float) -> Report:
    """Load a service for some seconds, silences included.

    Args:
        url: Of the service.
        seconds: How long.
    """
    report = Report()
    ends = time.monotonic() + seconds
    with ExitStack() as stack:
        visitor = stack.enter_context(closing(Client(url, None)))
        ledger = Ledger(visitor.get("/truth/"))
        callers = [
            stack.enter_context(closing(Caller(url, ledger, report, seed))) for seed in range(CALLERS)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(CALLERS))
        while time.monotonic() < ends:
            until = min(ends, time.monotonic() + BETWEEN_SILENCES)

            def call(caller: Caller, until: float = until) -> None:
                while time.monotonic() < until:
                    caller.call()

            list(pool.map(call, callers))
            compare(callers[0], report)
    return report
