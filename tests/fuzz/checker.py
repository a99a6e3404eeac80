"""What is held against each answer, and what was counted."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from strawberry_response_cache.core import CacheDetail, CachedResponse
from tests.fuzz.behaviour import Invalidate, Question
from tests.fuzz.faces import Value
from tests.fuzz.floors import Floors
from tests.fuzz.options import Options
from tests.fuzz.truth import Truth
from tests.fuzz.waits import Clock, Waits
from tests.fuzz.world import Key

STALE = "an old value"
MIXED = "a value of another key"
LEAKED = "an answer of another session or tenant"
UNGUARDED = "an answer that a permission refuses"
WRONG = "an answer that the uncached schema would not give"
RUNS = "a wrong number of runs"
OVERLAP = "two runs for one key were stored"
ERROR = "an error of the cache's own"
HUNG = "a call without an end"
LEFT = "something left behind"
COMPLAINT = "a complaint of the interpreter"

_NO_RUN = {CacheDetail.FRESH, CacheDetail.LOCAL, CacheDetail.STALE, CacheDetail.JOINED}
"""Where the caller's own generator did not run; elsewhere it did, exactly once."""
_REFRESHED = {CacheDetail.FRESH, CacheDetail.STALE}
"""Where it may have run all the same, to refresh what there was, and failed."""
_PROVEN = {CacheDetail.FRESH, CacheDetail.STALE, CacheDetail.GENERATED}
"""Where the server itself judged the value and all that it was made of."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept."""

    kind: str
    what: str
    process: int
    moment_ns: int = field(default_factory=time.monotonic_ns)


Moment: TypeAlias = tuple[int, int, int, str]
"""Nanoseconds, process, number (-1 for what concerns more than one), what happened: a line of the record.

The number is a key's for the core and a datum's for GraphQL.
"""


@dataclass(slots=True)
class Runs:
    """The runs of one caller's generator."""

    count: int = 0
    started_ns: int = 0
    ended_ns: int = 0


@dataclass(slots=True)
class Asked:
    """A question under way, and what its answer must at least hold."""

    question: Question
    floors: dict[int, int]
    local_floors: dict[int, int]
    """The same for what may come from local memory."""
    caller: str
    since_ns: int
    since: float
    """The same in turns of the event loop."""
    runs: Runs = field(default_factory=Runs)


class Judge:
    """What the checkers of all faces have in common: they count, report, and keep a record.

    Args:
        options: The run.
        truth: What values are made of.
        process: The number of this process.
        tell: Told of each violation.
    """

    def __init__(
        self, options: Options, truth: Truth, process: int, tell: Callable[[Violation], None]
    ) -> None:
        self._options = options
        self._truth = truth
        self._floors = Floors(truth, options.local_max_lag if options.local_bytes else 0)
        self._process = process
        self._tell = tell
        self._record: deque[Moment] = deque(maxlen=20_000)
        self.counted: Counter[str] = Counter()
        self.longest_ns = 0
        self.clock = Clock()

    def over(self, started_ns: int) -> None:
        """Note how long a call took."""
        self.counted["calls"] += 1
        self.longest_ns = max(self.longest_ns, time.monotonic_ns() - started_ns)

    def violation(self, kind: str, what: str, number: int | None = None) -> None:
        """Report a promise that was not kept.

        Args:
            kind: The promise.
            what: What was seen.
            number: Where, if it was seen somewhere.
        """
        self._tell(Violation(kind, what, self._process))
        if not self._options.stop_at or kind == self._options.stop_at:
            self._truth.stop(number)

    def note(self, number: int, what: str) -> None:
        """Add a line to the record."""
        self._record.append((time.monotonic_ns(), self._process, number, what))

    def record_of(self, number: int) -> list[Moment]:
        """Return what this process did to a key or datum, and what may concern it."""
        return [moment for moment in self._record if moment[2] in {number, -1}]


class Checker(Judge):
    """Judges the answers that one process is given by the core."""

    def __init__(
        self, options: Options, truth: Truth, process: int, tell: Callable[[Violation], None]
    ) -> None:
        super().__init__(options, truth, process, tell)
        self._waits = Waits(options)

    def asked(self, question: Question, caller: str) -> Asked:
        """Note what the answer must at least hold; called before the cache is."""
        data = question.key.all_data
        return Asked(
            question,
            self._floors.now(data),
            self._floors.a_while_ago(data),
            caller,
            time.monotonic_ns(),
            self.clock.now,
        )

    def _judge_wait(self, asked: Asked) -> None:
        """Judge a wait that ends now."""
        key, seconds = asked.question.key, self.clock.now - asked.since
        wrong = self._waits.too_long(key, asked.since_ns, seconds)
        if wrong is not None:
            self._violation(HUNG, f"{asked.caller} {wrong}", key)

    @contextmanager
    def running(self, asked: Asked, *, is_alone: bool) -> Iterator[None]:
        """Note that the caller's generator runs inside.

        Args:
            asked: The question.
            is_alone: Whether the caller did nothing but wait before; one of several waits for others too.
        """
        if is_alone:
            self._judge_wait(asked)
        run = self._waits.begins(asked.question, are_tags_known=is_alone)
        self._run_begins(asked)
        try:
            yield
        finally:
            run.ended_ns = time.monotonic_ns()

    def _run_begins(self, asked: Asked) -> None:
        self.counted["runs"] += 1
        asked.runs.count += 1
        asked.runs.started_ns = time.monotonic_ns()
        self._note(asked.question.key, f"{asked.caller} begins to generate")

    def run_ends(self, asked: Asked) -> None:
        """Note that the generator returned."""
        asked.runs.ended_ns = time.monotonic_ns()

    def answered(self, asked: Asked, response: CachedResponse[Value]) -> None:
        """Judge an answer."""
        key, detail = asked.question.key, response.detail
        self.counted[f"answer {detail.value}"] += 1
        if not asked.runs.count:
            self._judge_wait(asked)
        is_local = detail is CacheDetail.LOCAL or (bool(key.parts) and detail not in _PROVEN)
        if self._judge_value(asked, response.value, detail.value, is_local=is_local):
            self._judge_runs(asked, detail)

    def answered_among_many(self, asked: Asked, value: Value) -> None:
        """Judge one answer of several, of which nobody says where they come from."""
        self.counted["answers among many"] += 1
        self._judge_value(asked, value, "many", is_local=True)
        if asked.runs.count > 1:
            key = asked.question.key
            self._violation(RUNS, f"{asked.caller}: {asked.runs.count} runs among many", key)

    def _judge_value(self, asked: Asked, value: Value, detail: str, *, is_local: bool) -> bool:
        """Return whether it is the value of its key; whatever else is wrong with it was reported."""
        key = asked.question.key
        self.counted["answers"] += 1
        if (value["tenant"], value["key"]) != (key.tenant, key.name):
            self._violation(MIXED, f"{asked.caller} got {value} ({detail})", key)
            return False
        got = {int(datum): version for datum, version in value["data"].items()}
        self._note(key, f"{asked.caller} got {detail}: {_short(got)}")
        for datum, floor in (asked.local_floors if is_local else asked.floors).items():
            if got.get(datum, 0) < floor:
                self._violation(
                    STALE,
                    f"{asked.caller} got datum {datum} in version {got.get(datum)} ({detail}), "
                    f"when the invalidation of version {floor} had been acknowledged",
                    key,
                )
        return True

    def _judge_runs(self, asked: Asked, detail: CacheDetail) -> None:
        key, runs = asked.question.key, asked.runs
        if detail in _REFRESHED and asked.question.in_background and runs.count <= 1:
            return  # it may run beside the caller, and how it ends nobody waits for
        refresh_failed = detail in _REFRESHED and runs.count == 1 and not runs.ended_ns
        if runs.count != (detail not in _NO_RUN) and not refresh_failed:
            self._violation(RUNS, f"{asked.caller}: {runs.count} runs and {detail}", key)
        stored = detail is CacheDetail.GENERATED
        if stored and not self._truth.claim(key.number, runs.started_ns, runs.ended_ns):
            self._violation(OVERLAP, f"{asked.caller} stored what it generated meanwhile", key)

    def failed(self, asked: Asked, name: str) -> None:
        """Judge a generator's error that reached the caller."""
        self.counted["errors"] += 1
        if name not in asked.question.key.names_inside:
            self._violation(MIXED, f"{asked.caller} got the error of {name}", asked.question.key)

    def cancelled(self, asked: Asked) -> None:
        """Note a caller that was cancelled."""
        self.counted["cancellations"] += 1
        self._note(asked.question.key, f"{asked.caller} was cancelled")

    def not_cancelled(self, asked: Asked) -> None:
        """Judge that a cancellation had no effect."""
        text = f"{asked.caller}'s cancellation was swallowed"
        self._violation(ERROR, text, asked.question.key)

    def raised(self, caller: str, error: BaseException, key: Key) -> None:
        """Judge an error that nobody was to be given."""
        self._violation(ERROR, f"{caller}: {type(error).__name__}: {error}", key)

    def invalidates(self, invalidate: Invalidate, written: dict[int, int], caller: str) -> None:
        """Note that an invalidation begins."""
        self._note_invalidate(
            invalidate, f"{caller} invalidates {_short(written)} ({invalidate.kind})"
        )

    def invalidated(
        self, invalidate: Invalidate, written: dict[int, int], caller: str, *, taken: bool
    ) -> None:
        """Note how an invalidation ended."""
        self.counted["invalidates" if taken else "invalidates unacknowledged"] += 1
        if taken:
            self._waits.invalidated(invalidate)
        word = "acknowledged" if taken else "failed"
        self._note_invalidate(invalidate, f"{caller}'s invalidate of {_short(written)} is {word}")

    def _violation(self, kind: str, what: str, key: Key) -> None:
        self.violation(kind, f"{key.name} of {key.tenant or 'the cache'}: {what}", key.number)

    def _note(self, key: Key, what: str) -> None:
        self.note(key.number, what)

    def _note_invalidate(self, invalidate: Invalidate, what: str) -> None:
        self.note(invalidate.key.number if invalidate.kind == "key" else -1, what)


def _short(data: dict[int, int]) -> str:
    return " ".join(f"{datum}:{version}" for datum, version in sorted(data.items()))
