"""The parts that the async and the sync link to a server share."""

from collections.abc import Iterable
from typing import Any, Final

from redis.exceptions import AuthenticationError, ReadOnlyError, ResponseError

from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core.protocol import NotSentError, failure
from strawberry_response_cache.core.redis.breaker import Breaker
from strawberry_response_cache.core.redis.connection_factory import ConnectionFactory
from strawberry_response_cache.core.redis.recoveries import Recoveries

_ENOUGH: Final = 2
"""How many round trips are measured, at least, before the server is called too far away."""

MOST_TOGETHER: Final = 250
"""The most lookups or effects in one batch. A batch has a deadline of its own, and between two batches of one
caller those of others may be sent."""


class Link:
    """What the async and the sync link to a server have in common."""

    def __init__(
        self, source: ConnectionFactory, settings: CacheSettings, recoveries: Recoveries
    ) -> None:
        self._source = source
        self._settings = settings
        self._breaker = Breaker(
            failures=settings.breaker_failures,
            seconds=settings.breaker_seconds,
            recovered=recoveries.tell,
        )
        self._changes = BreakerLog(source.shown, settings)
        self._distance = Distance(source.shown, settings.read_deadline)
        self._learns = settings.detect_restarts and not source.is_fake
        self._is_closed = False

    @property
    def has_open_breaker(self) -> bool:
        """Whether the server is not read now, because it failed several times in a row."""
        return self._breaker.is_open


class NoRunIdError(ResponseError):
    """The answer to ``INFO server`` has no run id."""


def run_id_of(info: Any) -> str:  # noqa: ANN401 - whatever a server says
    """Return the run id in a server's answer to ``INFO server``.

    Raises:
        NoRunIdError: If there is none. Without it, a restart could bring invalidated data back.
    """
    if isinstance(info, bytes):
        for line in info.splitlines():
            name, _, value = line.partition(b":")
            if name == b"run_id" and value:
                return value.decode("ascii", "replace")
    raise NoRunIdError


def not_sent(error: BaseException) -> NotSentError:
    """Return the error for calls that were never sent because connecting failed with this error."""
    wrapped = NotSentError()
    wrapped.__cause__ = error
    return wrapped


def has_errors(replies: Iterable[object]) -> bool:
    """Whether any of the replies is an error."""
    for reply in replies:  # noqa: SIM110 - called for each hit: `any` with a generator takes three times as long
        if isinstance(reply, Exception):
            return True
    return False


def must_be_closed(replies: Iterable[object]) -> bool:
    """Whether a connection that gave these replies has to be closed.

    The primary was demoted or the login has expired; a new connection finds the right server.
    """
    return any(isinstance(reply, ReadOnlyError | AuthenticationError) for reply in replies)


class Distance:
    """Warns once of a server that is too far away for the deadline of reads.

    One round trip that took long says little of a busy process: the shortest of several counts.
    """

    def __init__(self, server: str, deadline: float) -> None:
        self._server = server
        self._deadline = deadline
        self._shortest = float("inf")
        self._number = 0
        self._is_told = False

    def measured(self, seconds: float) -> None:
        """Note how many seconds a round trip on a new connection took."""
        self._number += 1
        self._shortest = min(self._shortest, seconds)
        if self._is_told or self._number < _ENOUGH or self._shortest <= self._deadline / 2:
            return
        self._is_told = True
        logger.warning(
            "Redis at %s takes %.0f ms for a round trip, and read_deadline is %.0f ms: reads that take "
            "longer are answered without the cache. Raise read_deadline to several round trips.",
            self._server,
            self._shortest * 1000,
            self._deadline * 1000,
            extra={
                "server.address": self._server,
                "response_cache.round_trip": self._shortest,
                "response_cache.read_deadline": self._deadline,
            },
        )


class BreakerLog:
    """Logs that a server is not read any more, and that it answers again: at most one pair per interval."""

    def __init__(self, server: str, settings: CacheSettings) -> None:
        self._server = server
        self._seconds = settings.breaker_seconds
        self._interval = Interval()
        self._is_told = False

    def opened(self, failures: int, error: BaseException) -> None:
        """Log that the server is not read any more, unless such a line was logged just now."""
        self._is_told = self._interval.counted() is not None
        if self._is_told:
            fault = failure(error)
            logger.warning(
                "Redis at %s failed %d times in a row (%s); it is not read, but for one try every "
                "%g seconds. %s",
                self._server,
                failures,
                fault.error_name,
                self._seconds,
                fault.trouble.advice,
                extra={
                    "response_cache.failures": failures,
                    "server.address": self._server,
                    "error.type": fault.error_type,
                },
            )

    def closed(self, failures: int) -> None:
        """Log that the server answers again, if `opened` logged that it does not."""
        if self._is_told:
            self._is_told = False
            logger.warning(
                "Redis at %s answers again, after %d failures; it is read as before.",
                self._server,
                failures,
                extra={"response_cache.failures": failures, "server.address": self._server},
            )
