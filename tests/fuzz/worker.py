"""One process of the fuzz: many callers on one cache, and what has to be true when they are gone."""

import asyncio
import contextlib
import gc
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core.redis.subscriber import Heartbeat
from tests.fuzz import checker as kinds
from tests.fuzz.checker import Judge, Moment
from tests.fuzz.faces import at_once
from tests.fuzz.mutants import MUTANTS
from tests.fuzz.options import Options
from tests.fuzz.patience import eventually
from tests.fuzz.stacks import of_task, of_threads
from tests.fuzz.subjects import SUBJECTS
from tests.fuzz.truth import Truth

_FAULTS = re.compile(
    r"\b(Assertion|Attribute|Index|Key|Name|Type|UnboundLocal)Error\b|A fault of strawberry",
)
"""What no server and no network raises: the log tells of a fault of this package."""

LOST_NEWS = "subscriptions given up"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is: its number, its way to the server, and the truth."""

    process: int
    url: str
    truth: Path


class Ready:
    """Sent when a worker is about to begin, and received to let it."""


@dataclass(slots=True)
class Account:
    """What a worker has to tell at its end."""

    counted: dict[str, int] = field(default_factory=dict)
    longest: float = 0
    record: list[Moment] = field(default_factory=list)


def main(options: Options, place: Place, pipe: Connection) -> None:
    """Run a worker; it sends violations as it sees them, then its account."""
    truth = Truth(place.truth)
    subject = SUBJECTS[options.face]
    checker = subject.checker(options, truth, place.process, pipe.send)
    with _complaints(checker, subject.harmless):
        _count_lost_news(checker)
        if options.mutant:
            MUTANTS[options.mutant].damage(lambda: checker.counted.update(["struck by the mutant"]))
        asyncio.run(_work(options, place, pipe, truth, checker))
        gc.collect()
    account = Account(dict(checker.counted), checker.longest_ns / 1e9)
    if truth.suspect is not None:
        account.record = checker.record_of(truth.suspect)
    pipe.send(account)


@contextlib.contextmanager
def _complaints(checker: Judge, harmless: re.Pattern[str]) -> Iterator[None]:
    """Report what the interpreter and asyncio complain about, such as tasks destroyed while pending."""

    def complain(what: object) -> None:
        if harmless.search(str(what)):
            checker.counted["harmless complaints"] += 1
        else:
            checker.violation(kinds.COMPLAINT, str(what))

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name.startswith("strawberry_response_cache"):
                checker.counted[f"log: {record.getMessage()}"] += 1
                if _FAULTS.search(f"{record.getMessage()} {vars(record).get('error.type')}"):
                    checker.violation(kinds.ERROR, f"a fault in the log: {record.getMessage()}")
            else:
                complain(f"{record.name}: {record.getMessage()} {record.exc_info or ''}")

    logging.getLogger().addHandler(Listener(logging.WARNING))
    sys.unraisablehook = lambda hook: complain(f"{hook.err_msg} {hook.object!r} {hook.exc_value!r}")
    threading.excepthook = lambda hook: complain(f"{hook.thread} {hook.exc_value!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, category, *_: complain(
            f"{category.__name__}: {message}"
        )
        yield


def _count_lost_news(checker: Judge) -> None:
    """Count the subscriptions that were given up: on a machine that pauses, each brings a connection."""
    ends = Heartbeat.ends

    def counted(self: Heartbeat, error: BaseException) -> None:
        checker.counted[LOST_NEWS] += 1
        ends(self, error)

    Heartbeat.ends = counted  # type: ignore[method-assign] # spied on, for as long as this process lives


async def _work(
    options: Options, place: Place, pipe: Connection, truth: Truth, checker: Judge
) -> None:
    loop = asyncio.get_running_loop()
    subject = SUBJECTS[options.face]
    cache = ResponseCache.from_url(
        place.url, prefix="fuzz", telemetry=False, **options.cache_settings()
    )

    with ThreadPoolExecutor(max(1, options.threads), thread_name_prefix="caller") as pool:
        pipe.send(Ready())
        await loop.run_in_executor(pool, pipe.recv)
        # From here on, the pipe only says that whoever started this process is gone.
        loop.add_reader(pipe.fileno(), truth.stop)
        ticking = asyncio.ensure_future(checker.clock.run())
        callers = subject.callers(options, place.process, cache, truth, checker)
        calls: set[asyncio.Future[None]] = set(map(asyncio.ensure_future, callers.tasks))
        calls |= {loop.run_in_executor(pool, at_once, calls_) for calls_ in callers.threads}
        while not truth.stopped:
            await asyncio.sleep(0.05)
        await eventually(lambda: all(call.done() for call in calls))
        hung = {call for call in calls if not call.done()}
        for call in hung:
            where = of_task(call) if isinstance(call, asyncio.Task) else of_threads("caller")
            checker.violation(kinds.HUNG, where)
            call.cancel()
        for call in calls - hung:
            call.result()
        loop.remove_reader(pipe.fileno())
        ticking.cancel()
    await _nothing_is_left(cache, checker)


async def _nothing_is_left(cache: ResponseCache, checker: Judge) -> None:
    """Check that callers who are gone have left nothing in this process."""
    async_flights = tenant_of(cache).engine.async_driver().flights
    sync_flights = tenant_of(cache).engine.sync_driver().flights
    await _expect(lambda: not len(async_flights), "flights of tasks", checker)
    await _expect(lambda: not len(sync_flights), "flights of threads", checker)
    closing = asyncio.ensure_future(cache.aclose())
    await _expect(closing.done, "an unclosed cache", checker)
    await _expect(lambda: len(asyncio.all_tasks()) == 1, "tasks", checker)
    await _expect(lambda: threading.active_count() <= 1, "threads", checker)


async def _expect(condition: Callable[[], bool], what: str, checker: Judge) -> None:
    if not await eventually(condition):
        checker.violation(kinds.LEFT, f"{what} after the last call")
