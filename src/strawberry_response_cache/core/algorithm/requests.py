"""The requests of the algorithm to its driver, other than effects on the store."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._response import CachedResponse
from strawberry_response_cache.core.algorithm.flights import Flight, Waiter
from strawberry_response_cache.core.protocol import (
    Commit,
    Lease,
    Lookup,
    Release,
    Renew,
    Throttle,
)

T = TypeVar("T")

DetachedEffect: TypeAlias = Release | Renew | Throttle
"""Effects on the store for whose answer no caller waits."""


@dataclass(frozen=True, slots=True)
class Generate:
    """Run the caller's generator in the caller's own task, and renew the lease meanwhile."""

    flight: Flight | None
    keys: EntryKeys
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Join:
    """Wait until the waiter is woken, but no longer than this many seconds.

    The caller that generates may hang, or may wait for this caller without the cache knowing it.
    """

    waiter: Waiter
    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many seconds, or until a message says that the lease has ended."""

    seconds: float
    lease_key: str


@dataclass(frozen=True, slots=True)
class Detach:
    """Perform an effect in the background."""

    effect: DetachedEffect


@dataclass(frozen=True, slots=True)
class RefreshInBackground:
    """Run a flow in the background; the answer is whether there was room for it."""

    flow: "Flow[Any]"


class CallerGoneError(BaseException):
    """Raised in a flow after an effect: the effect had this result, but the caller was cancelled."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


Request: TypeAlias = (
    Lookup | Commit | Release | Detach | Generate | Join | Pause | RefreshInBackground
)
Flow: TypeAlias = Generator[Request, Any, CachedResponse[T]]
Step: TypeAlias = Generator[Request, Any, T]
"""A part of a flow that returns another type."""


def detached_effect(request: Request) -> DetachedEffect | None:
    """Return the effect of a request that is performed even if its caller is gone; None if there is none."""
    match request:
        case Release():
            return request
        case Detach(effect):
            return effect
        case _:
            return None


def finish(
    flow: "Flow[Any]", error: BaseException, perform_later: Callable[[DetachedEffect], None]
) -> None:
    """Run a flow to its end without its caller: raise an error in it, and perform only its changes to leases."""
    answer: Callable[[], Request] = partial(flow.throw, error)
    while True:
        try:
            request = answer()
        except StopIteration:
            return
        except BaseException as raised:
            if own_error(raised) is error:
                return
            raise
        if (effect := detached_effect(request)) is not None:
            perform_later(effect)
        answer = partial(flow.send, None)


def own_error(error: BaseException) -> BaseException:
    """Return the error that passed through a flow, as its generator raised it.

    A StopIteration that leaves a generator is turned into a RuntimeError (PEP 479).
    """
    cause = error.__cause__
    changed = isinstance(error, RuntimeError) and error.args == ("generator raised StopIteration",)
    return cause if changed and isinstance(cause, StopIteration) else error
