"""What the core tells an observer: frozen events without any key, variable or value.

The core knows no telemetry library; `strawberry_response_cache.telemetry` turns these events into
spans. What is not in an event cannot leak.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._user_code import ERRORS, Raised, called, ends_the_caller

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Subject:
    """On whose behalf the store is called.

    Attributes:
        name: The cache's prefix.
        scope: ``value`` for the core used directly, ``operation`` or ``field`` for GraphQL.
        visibility: ``public``, ``private`` or None; never a session.
        operation_type: GraphQL's, such as ``query``.
        operation_name: The name that the document gives the operation.
        field: The schema coordinate of a field, such as ``Query.accounts``.
    """

    name: str
    scope: Literal["value", "operation", "field"] = "value"
    visibility: Literal["public", "private"] | None = None
    operation_type: str | None = None
    operation_name: str | None = None
    field: str | None = None

    @property
    def shown(self) -> str:
        """What a log line calls it: the cache, and the field where there is one."""
        return f"cache {self.name!r}" + ("" if self.field is None else f", field {self.field}")

    @property
    def facts(self) -> dict[str, str]:
        """The same for a log line's ``extra``."""
        field = {} if self.field is None else {"response_cache.field": self.field}
        return {"response_cache.name": self.name, **field}


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A lookup left the process and is over; times in nanoseconds since 1970."""

    subject: Subject
    started_ns: int
    ended_ns: int
    result: Literal["hit", "stale", "miss"]
    age: float | None = None
    ttl: float | None = None
    size: int | None = None
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class PutIn:
    """A commit left the process and is over; times in nanoseconds since 1970."""

    subject: Subject
    started_ns: int
    ended_ns: int
    ttl: float
    size: int
    tag_count: int
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Invalidated:
    """An invalidation left the process and is over; times in nanoseconds since 1970."""

    subject: Subject
    started_ns: int
    ended_ns: int
    kind: Literal["tags", "key", "clear"]
    tag_count: int
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Concluded:
    """A GraphQL operation has its outcome."""

    status: Literal["hit", "stale", "miss", "bypass"]
    reason: str | None


class Observer(Protocol):
    """Listens to the core. Its methods are quick, do no I/O and raise nothing."""

    def listening(self) -> bool:
        """Whether anyone wants events now; where not, none is made."""
        ...

    def looked_up(self, event: LookedUp) -> None:
        """A lookup is over."""
        ...

    def put_in(self, event: PutIn) -> None:
        """A commit is over."""
        ...

    def invalidated(self, event: Invalidated) -> None:
        """An invalidation is over."""
        ...

    def concluded(self, event: Concluded) -> None:
        """A GraphQL operation has its outcome."""
        ...


class Guarded:
    """An observer that may be anything, behind one that raises nothing.

    Args:
        observer: The observer; exporters and processors of spans are somebody else's code.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._interval = Interval()

    def listening(self) -> bool:
        """Whether anyone wants events now."""
        try:
            return self._observer.listening()
        except ERRORS as error:  # as below
            if ends_the_caller(error):
                raise
            return False

    def looked_up(self, event: LookedUp) -> None:
        """A lookup is over."""
        self._tell(self._observer.looked_up, event)

    def put_in(self, event: PutIn) -> None:
        """A commit is over."""
        self._tell(self._observer.put_in, event)

    def invalidated(self, event: Invalidated) -> None:
        """An invalidation is over."""
        self._tell(self._observer.invalidated, event)

    def concluded(self, event: Concluded) -> None:
        """A GraphQL operation has its outcome."""
        self._tell(self._observer.concluded, event)

    def _tell(self, tell: Callable[[E], None], event: E) -> None:
        told = called(tell, event)
        if type(told) is Raised:  # it never becomes the request's fault
            self._log(told.kind, getattr(event, "subject", None))

    def _log(self, error: str, subject: Subject | None) -> None:
        count = self._interval.counted()
        if count is None:
            return
        named = "" if subject is None else f", {subject.shown}"
        logger.warning(
            "Telemetry failed (%s%s%s), in %s or an exporter of it; requests are answered as ever.",
            error,
            named,
            count.words,
            type(self._observer).__qualname__,
            extra={"error.type": error} | ({} if subject is None else subject.facts),
        )


class Silence:
    """The observer of a cache whose telemetry is off."""

    def listening(self) -> bool:
        """Nobody listens."""
        return False

    def looked_up(self, event: LookedUp) -> None:
        """Ignore it."""

    def put_in(self, event: PutIn) -> None:
        """Ignore it."""

    def invalidated(self, event: Invalidated) -> None:
        """Ignore it."""

    def concluded(self, event: Concluded) -> None:
        """Ignore it."""
