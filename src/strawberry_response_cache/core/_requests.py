"""What the algorithm asks of its driver, beside effects on the store."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

from strawberry_response_cache.core._flights import Flight, Waiter
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._response import CachedResponse
from strawberry_response_cache.core.protocol import (
    Commit,
    Lease,
    Lookup,
    Release,
    Renew,
    Throttle,
)

T = TypeVar("T")

Owed: TypeAlias = Release | Renew | Throttle
"""What is asked of the store although nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Generate:
    """Run the caller's generator in the caller's own task, renewing the lease meanwhile."""

    flight: Flight | None
    keys: EntryKeys
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Join:
    """Wait until the waiter is woken, but no longer than this many seconds.

    Whoever leads may hang, or wait for this caller in a way that cannot be seen.
    """

    waiter: Waiter
    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many seconds, or until a lease is said to have ended."""

    seconds: float
    lease_key: str


@dataclass(frozen=True, slots=True)
class Detach:
    """Perform an effect without making the caller wait for it."""

    effect: Owed


@dataclass(frozen=True, slots=True)
class RefreshInBackground:
    """Run a flow beside the caller; answered with whether there was room for it."""

    flow: "Flow[Any]"


class CallerGoneError(BaseException):
    """Thrown in at an effect on the store: it ended with this result, but the caller was cancelled."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


Request: TypeAlias = (
    Lookup | Commit | Release | Detach | Generate | Join | Pause | RefreshInBackground
)
Flow: TypeAlias = Generator[Request, Any, CachedResponse[T]]
Step: TypeAlias = Generator[Request, Any, T]
"""A part of a flow, which returns something else."""


def owed(request: Request) -> Owed | None:
    """Return what a flow asked for that has to be asked of the store although nobody waits for it."""
    match request:
        case Release():
            return request
        case Detach(effect):
            return effect
        case _:
            return None


def finish(flow: "Flow[Any]", error: BaseException, forget: Callable[[Owed], None]) -> None:
    """See a flow to its end without its caller; all it still asks for is to give leases back.

    Args:
        flow: The flow.
        error: What is raised in it first.
        forget: Told what it owes the store, and nobody waits for.
    """
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
        if (effect := owed(request)) is not None:
            forget(effect)
        answer = partial(flow.send, None)


def own_error(error: BaseException) -> BaseException:
    """Return the error that passed through a flow, as its generator raised it.

    A StopIteration that leaves a generator is turned into a RuntimeError (PEP 479).
    """
    cause = error.__cause__
    changed = isinstance(error, RuntimeError) and error.args == ("generator raised StopIteration",)
    return cause if changed and isinstance(cause, StopIteration) else error
