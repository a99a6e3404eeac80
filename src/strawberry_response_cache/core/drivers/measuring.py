"""Measures what drivers do: counts it, and tells the observer."""

import contextvars
import time
from collections.abc import Mapping, Sequence
from typing import Final

from strawberry_response_cache.core._observer import (
    LookedUp,
    Observer,
    PutIn,
    StoreOperation,
    Subject,
)
from strawberry_response_cache.core.drivers.driving import DriverSettings
from strawberry_response_cache.core.protocol import (
    Commit,
    Fresh,
    Lookup,
    Stale,
    Unavailable,
    failure,
)

LOOKUPS: Final = 13
"""The observer is told of one in 13 lookups that succeed. A prime, so that it is not always of the same field."""

_OPERATIONS: Final[Mapping[type, StoreOperation]] = {Lookup: "get", Commit: "put"}
"""What the calls of the store are named in metrics."""


def measure(
    settings: DriverSettings,
    subject: Subject,
    effect: object,
    began: float,
    result: object,
    *,
    together: int = 1,
) -> None:
    """Count a lookup or a commit that has ended, and tell the observer how long it took.

    Args:
        settings: The counters and the observer.
        subject: The cache or field.
        effect: What was asked; others than lookups and commits are not counted.
        began: When, in seconds of `time.perf_counter`.
        result: Its result.
        together: How many lookups were sent with it, and measured as one.
    """
    operation = _OPERATIONS.get(type(effect))
    if operation is not None:
        seconds = time.perf_counter() - began
        _count(settings, subject, operation, seconds, result, together=together)


def measure_lookups(
    settings: DriverSettings,
    subjects: Sequence[Subject | None],
    results: Sequence[object],
    began: float,
) -> None:
    """Count lookups that went out together, each as a call, and tell the observer how long they took.

    Args:
        settings: The counters and the observer.
        subjects: The cache or field of each; None for a lookup that is not counted here, but together with others.
        results: Their results.
        began: When, in seconds of `time.perf_counter`.
    """
    seconds = time.perf_counter() - began
    for subject, result in zip(subjects, results, strict=True):
        if subject is not None:
            _count(settings, subject, "get", seconds, result, together=len(subjects))


def _count(
    settings: DriverSettings,
    subject: Subject,
    operation: StoreOperation,
    seconds: float,
    result: object,
    *,
    together: int,
) -> None:
    error = result.error_type if isinstance(result, Unavailable) else None
    counted = settings.counters.calls[operation]
    counted.add(seconds, failed=error is not None)
    if operation == "get" and subject.scope == "field" and error is None:
        settings.counters.field_costs.looked_up(seconds / together)
    # A histogram of an SDK costs a twentieth of a hit, so the observer gets only a sample of successful lookups.
    if operation != "get" or error is not None or counted.successes % LOOKUPS == 1:
        settings.observer.called(subject.name, operation, seconds, error)


class Loading:
    """Measures a load: what runs because its value was not cached. A cancelled load is not counted."""

    __slots__ = ("_began", "_settings", "_subject")

    def __init__(self, settings: DriverSettings, subject: Subject) -> None:
        self._settings = settings
        self._subject = subject

    def __enter__(self) -> None:
        """Begin."""
        self._began = time.perf_counter()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Count the load, and tell the observer how long it took."""
        seconds = time.perf_counter() - self._began
        if error is None or isinstance(error, Exception):
            scope = self._subject.scope
            self._settings.counters.loads[scope].add(seconds, failed=error is not None)
            if scope == "field" and error is None and self._subject.field is not None:
                self._settings.counters.field_costs.generated(self._subject.field, seconds)
            kind = None if error is None else failure(error).error_type
            self._settings.observer.loaded(self._subject.name, scope, seconds, kind)


def measure_all(
    settings: DriverSettings,
    subject: Subject,
    effects: Sequence[object],
    results: Sequence[object],
    *,
    began: float,
    started_ns: int,
) -> None:
    """Count effects that were performed together, and report them to the observer. Their lookups are one call.

    Args:
        settings: The counters and the observer.
        subject: The cache or field.
        effects: What was asked.
        results: Their results.
        began: When, in seconds of `time.perf_counter`.
        started_ns: When, in nanoseconds since 1970; 0 if the observer wants no events.
    """
    ended = [*zip(effects, results, strict=True)]
    lookups = [result for effect, result in ended if isinstance(effect, Lookup)]
    if len(lookups) > 1:
        failed = next((each for each in lookups if isinstance(each, Unavailable)), None)
        lookup = next(effect for effect in effects if isinstance(effect, Lookup))
        measure(settings, subject, lookup, began, failed, together=len(lookups))
        if started_ns:
            settings.observer.looked_up(_batch(subject, lookups, failed, started_ns))
        ended = [(effect, result) for effect, result in ended if not isinstance(effect, Lookup)]
    for effect, result in ended:
        measure(settings, subject, effect, began, result)
        if started_ns:
            report(settings.observer, subject, effect, started_ns, result)


def _batch(
    subject: Subject, results: Sequence[object], failed: Unavailable | None, started_ns: int
) -> LookedUp:
    entries = [result.entry for result in results if isinstance(result, Fresh | Stale)]
    is_stale = any(entry.remaining_ms <= 0 for entry in entries)
    return LookedUp(
        subject,
        started_ns,
        time.time_ns(),
        "miss" if len(entries) < len(results) else "stale" if is_stale else "hit",
        size=sum(len(entry.recording.payload) for entry in entries),
        error_type=None if failed is None else failed.error_type,
        batch_size=len(results),
    )


class Pipelined:
    """Measures lookups that are sent one by one and travel together, as one call."""

    def __init__(
        self, settings: DriverSettings, subject: Subject, lookups: Sequence[object]
    ) -> None:
        self._settings = settings
        self._subject = subject
        self._lookups = lookups
        self._results: list[object] = []
        self._began = time.perf_counter()
        self._started_ns = time.time_ns() if settings.observer.listening() else 0
        self._context = contextvars.copy_context()

    def note(self, result: object) -> None:
        """Note a result. After the last one, count the call and tell the observer."""
        self._results.append(result)
        if len(self._results) == len(self._lookups):
            self._context.run(
                measure_all,
                self._settings,
                self._subject,
                self._lookups,
                self._results,
                began=self._began,
                started_ns=self._started_ns,
            )


class Refreshing:
    """Tells the observer that a refresh in the background begins and ends, and the error of its generator.

    It is a context manager around the generator.
    """

    __slots__ = ("_ended", "_error_type")

    def __init__(
        self, settings: DriverSettings, subject: Subject, context: contextvars.Context
    ) -> None:
        self._error_type: str | None = None
        observer = settings.observer
        self._ended = context.run(observer.refreshing, subject) if observer.listening() else None

    def __enter__(self) -> None:
        """Do nothing: the refresh began before its generator."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Note the error of the generator."""
        if error is not None:
            self._error_type = failure(error).error_type

    def over(self, _: object = None) -> None:
        """Tell the observer that the refresh has ended."""
        if self._ended is not None:
            self._ended(self._error_type)


def report(
    observer: Observer, subject: Subject, effect: object, started_ns: int, result: object
) -> None:
    """Report a lookup or a commit to the observer."""
    error = result.error_type if isinstance(result, Unavailable) else None
    if isinstance(effect, Lookup):
        entry = result.entry if isinstance(result, Fresh | Stale) else None
        is_stale = entry is not None and entry.remaining_ms <= 0
        observer.looked_up(
            LookedUp(
                subject,
                started_ns,
                time.time_ns(),
                "miss" if entry is None else "stale" if is_stale else "hit",
                None if entry is None else entry.age,
                None if entry is None else entry.ttl,
                None if entry is None else len(entry.recording.payload),
                error,
            )
        )
    elif isinstance(effect, Commit):
        # Of values that are stored with a marker, report the values: the marker says nothing about them.
        stored = [each for _, each in effect.beside] or [effect.recording]
        ttl = min(each.ttl_ms for each in stored) / 1000
        size = sum(len(each.payload) for each in stored)
        tags = max(len(each.tags) for each in stored)
        observer.put_in(PutIn(subject, started_ns, time.time_ns(), ttl, size, tags, error))
