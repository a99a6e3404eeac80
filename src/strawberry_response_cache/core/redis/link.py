"""The parts that the async and the sync link to a server share."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import AuthenticationError, ReadOnlyError, ResponseError

from strawberry_response_cache.core.protocol import NotSentError

MOST_TOGETHER: Final = 250
"""Askers that share a batch: each batch has the deadline to itself, and those of others come between."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """The numbers that a link uses; durations in seconds.

    Attributes:
        read_deadline: For an answer, from the moment of sending.
        connect_deadline: For connecting: TLS, authentication and the server's run id included.
        max_batches: Batches in flight at once.
        detect_restarts: Whether to read the server's run id.
        breaker_failures: Failures in a row that open the breaker.
        breaker_seconds: How long the breaker stays open before a probe.
    """

    read_deadline: float
    connect_deadline: float
    max_batches: int
    detect_restarts: bool
    breaker_failures: int
    breaker_seconds: float


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


def has_lost_its_way(replies: Iterable[object]) -> bool:
    """Whether a connection that gave these replies has to be closed.

    The primary was demoted or the login has expired; a new connection finds the right server.
    """
    return any(isinstance(reply, ReadOnlyError | AuthenticationError) for reply in replies)
