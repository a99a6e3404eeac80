"""The events for an observer. They are frozen and hold no key, variable or value.

The core imports no telemetry library; `strawberry_response_cache.telemetry` turns the events into spans.
Spans cannot leak what is not in an event.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, Protocol, TypeAlias, cast, get_args

from strawberry_response_cache.core._errors import CacheConfigurationError, named
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._statistics import CacheStatistics
from strawberry_response_cache.core._user_code import ERRORS, Raised, called, ends_the_caller

Scope: TypeAlias = Literal["value", "operation", "field"]
"""What is cached: see `Subject`."""
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

Verdict: TypeAlias = Literal["equal", "changed", "scope"]
"""The result of comparing a stored answer with an executed one; see `CacheStatistics.verified`."""

StoreOperation: TypeAlias = Literal["get", "put", "invalidate"]
"""A call of the store: a lookup, a commit or an invalidation."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The cache, operation or field for which the store is called.

    Attributes:
        name: The cache's prefix.
        scope: ``value`` for the core used directly, ``operation`` or ``field`` for GraphQL.
        visibility: ``public``, ``private`` or None; never a session.
        operation_type: GraphQL's, such as ``query``.
        operation_name: The name that the document gives the operation.
        field: The schema coordinate of a field, such as ``Query.accounts``.
    """

    name: str
    scope: Scope = "value"
    visibility: Literal["public", "private"] | None = None
    operation_type: str | None = None
    operation_name: str | None = None
    field: str | None = None

    @property
    def shown(self) -> str:
        """Its name in log lines: the cache, and the field if there is one."""
        return f"cache {self.name!r}" + ("" if self.field is None else f", field {self.field}")

    @property
    def facts(self) -> dict[str, str]:
        """The cache and the field, for the ``extra`` of log lines."""
        field = {} if self.field is None else {"response_cache.field": self.field}
        return {"response_cache.name": self.name, **field}


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A lookup in Redis has ended; times in nanoseconds since 1970."""

    subject: Subject
    started_ns: int
    ended_ns: int
    result: Literal["hit", "stale", "miss"]
    age: float | None = None
    ttl: float | None = None
    size: int | None = None
    error_type: str | None = None
    batch_size: int | None = None
    """How many entries were looked up in this call; None for one. It is a hit if all were found."""


@dataclass(frozen=True, slots=True)
class PutIn:
    """A commit in Redis has ended; times in nanoseconds since 1970."""

    subject: Subject
    started_ns: int
    ended_ns: int
    ttl: float
    size: int
    tag_count: int
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Invalidated:
    """An invalidation in Redis has ended; times in nanoseconds since 1970."""

    subject: Subject
    started_ns: int
    ended_ns: int
    kind: Literal["tags", "key", "clear"]
    tag_count: int
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Concluded:
    """The outcome of a GraphQL operation is known."""

    status: Literal["hit", "stale", "miss", "bypass"]
    reason: str | None


Ended: TypeAlias = Callable[[str | None], None]
"""Called with the type of the error, or None, when something has ended."""


def _ignored(_: str | None) -> None:
    """Do nothing at the end of a refresh, for an observer that ignores events."""


class Counted(Protocol):
    """A cache whose statistics an observer may read at any time, from any thread."""

    name: str

    def statistics(self) -> CacheStatistics:
        """Return the counts as they are now."""
        ...


class Observer:
    """Receives the events of the core; this one ignores them.

    The methods of other observers must be quick, do no I/O and not raise.
    """

    def listening(self) -> bool:
        """Whether events are wanted now; otherwise none are created."""
        return False

    def looked_up(self, event: LookedUp) -> None:
        """A lookup has ended."""

    def put_in(self, event: PutIn) -> None:
        """A commit has ended."""

    def invalidated(self, event: Invalidated) -> None:
        """An invalidation has ended."""

    def refreshing(self, subject: Subject) -> Ended:  # noqa: ARG002 - as every observer
        """A refresh begins in the background; called only while events are wanted, in the context of the refresh.

        Returns:
            A function to call when the refresh has ended.
        """
        return _ignored

    def concluded(self, event: Concluded) -> None:
        """The outcome of a GraphQL operation is known; called only while events are wanted."""

    def watch(self, cache: Counted) -> None:
        """A cache was made. The observer must not keep it alive."""

    def loaded(self, name: str, scope: Scope, seconds: float, error_type: str | None) -> None:
        """A generator, operation or field has run, because its value was not cached.

        It is called even while `listening` returns False.
        """

    def called(
        self, name: str, operation: StoreOperation, seconds: float, error_type: str | None
    ) -> None:
        """A call of the store has ended. Of the lookups that succeed, only a sample is reported.

        It is called even while `listening` returns False.
        """


class Guarded(Observer):
    """Wraps an observer so that its exceptions reach no request."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._interval = Interval()

    def listening(self) -> bool:
        """Whether events are wanted now."""
        try:
            return self._observer.listening()
        except ERRORS as error:  # as below
            if ends_the_caller(error):
                raise
            return False

    def looked_up(self, event: LookedUp) -> None:
        """A lookup has ended."""
        self._tell(self._observer.looked_up, event)

    def put_in(self, event: PutIn) -> None:
        """A commit has ended."""
        self._tell(self._observer.put_in, event)

    def invalidated(self, event: Invalidated) -> None:
        """An invalidation has ended."""
        self._tell(self._observer.invalidated, event)

    def refreshing(self, subject: Subject) -> "Ended":
        """A refresh begins in the background."""
        ended = called(self._observer.refreshing, subject)
        if isinstance(ended, Raised):
            self._log(ended.kind, subject)
            return _ignored
        return partial(self._tell, ended)

    def concluded(self, event: Concluded) -> None:
        """The outcome of a GraphQL operation is known."""
        self._tell(self._observer.concluded, event)

    def watch(self, cache: Counted) -> None:
        """A cache was made."""
        self._tell(self._observer.watch, cache)

    def loaded(self, name: str, scope: Scope, seconds: float, error_type: str | None) -> None:
        """A generator, operation or field has run, because its value was not cached."""
        self._tell(self._observer.loaded, name, scope, seconds, error_type)

    def called(
        self, name: str, operation: StoreOperation, seconds: float, error_type: str | None
    ) -> None:
        """A call of the store has ended."""
        self._tell(self._observer.called, name, operation, seconds, error_type)

    def _tell(self, tell: Callable[..., None], *told: object) -> None:
        answer = called(tell, *told)
        if type(answer) is Raised:  # an error of telemetry never fails a request
            self._log(answer.kind, getattr(told[0], "subject", None))

    def _log(self, error: str, subject: Subject | None) -> None:
        count = self._interval.counted()
        if count is None:
            return
        named = "" if subject is None else f", {subject.shown}"
        logger.warning(
            "Telemetry failed (%s%s%s), in %s or in its exporter; requests are not affected.",
            error,
            named,
            count.words,
            type(self._observer).__qualname__,
            extra={"error.type": error} | ({} if subject is None else subject.facts),
        )


def observer_for(telemetry: bool | Observer) -> Observer:  # noqa: FBT001 - the contract's argument
    """Return the observer that the argument ``telemetry`` of a cache means.

    Raises:
        CacheConfigurationError: If it is neither True, False nor an observer.
    """
    if telemetry is True:
        # The only place where the core uses telemetry. It is loaded by name, so that the core does not
        # import a module above it.
        module: Any = importlib.import_module("strawberry_response_cache.telemetry")
        return cast("Observer", module.OpenTelemetry())
    if telemetry is False:
        return Observer()
    if isinstance(telemetry, type) or not callable(getattr(telemetry, "listening", None)):
        msg = f"telemetry is {named(telemetry)}; pass True, False or OpenTelemetry(tracer_provider=...)."
        raise CacheConfigurationError(msg)
    return telemetry
