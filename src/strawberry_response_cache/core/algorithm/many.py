"""Runs many flows in step, so that their requests to the store go out together.

No flow waits for another caller until all flows with a lease have generated. Then all waiting flows wait at
the same time, because each may be woken as a leader. Otherwise two batches that wait for each other's keys
would wait forever.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from strawberry_response_cache.core.algorithm.requests import (
    Detach,
    DetachedEffect,
    Flow,
    Generate,
    Join,
    Pause,
    RefreshInBackground,
    Request,
    detached_effect,
    own_error,
)
from strawberry_response_cache.core.protocol import Commit, Lookup, Release

if TYPE_CHECKING:
    from strawberry_response_cache.core._response import CachedResponse

T = TypeVar("T")

ON_THE_STORE: Final = (Lookup, Commit, Release)
AT_ONCE: Final = (Detach, RefreshInBackground)


class Many(Generic[T]):
    """Flows that are driven together.

    Args:
        flows: One for each key.
        answered: Called with the response of each flow that has ended without an error.

    Attributes:
        requests: What each flow that has not ended asks for, by its position.
        results: The response of each flow that has ended, or the error of its key.
    """

    def __init__(
        self, flows: Sequence[Flow[T]], answered: Callable[["CachedResponse[T]"], None]
    ) -> None:
        self._flows = flows
        self._answered = answered
        self.requests: dict[int, Request] = {}
        self.results: dict[int, CachedResponse[T] | Exception] = {}
        self._since: dict[int, float] = {}
        self._thrown: dict[int, BaseException] = {}
        for position, flow in enumerate(flows):
            self._step(position, partial(flow.send, None))

    def asking(self, kinds: tuple[type, ...]) -> list[int]:
        """Return the positions of the flows whose request is of these kinds."""
        return [at for at, request in self.requests.items() if isinstance(request, kinds)]

    def generating(self) -> list[tuple[int, Generate]]:
        """Return the requests to generate, by position."""
        return [
            (at, request) for at, request in self.requests.items() if isinstance(request, Generate)
        ]

    def joins(self) -> list[Join]:
        """Return the joins that the flows wait for."""
        return [each for each in self.requests.values() if isinstance(each, Join)]

    def pauses(self) -> list[Pause]:
        """Return the pauses that the flows wait for."""
        return [each for each in self.requests.values() if isinstance(each, Pause)]

    def seconds_to_wait(self) -> float:
        """Return the seconds until the first of the waiting flows has waited long enough."""
        ends = (
            self._since[at] + each.seconds
            for at, each in self.requests.items()
            if isinstance(each, Join | Pause)
        )
        return max(0.0, min(ends) - time.monotonic())

    def waited(self) -> None:
        """Resume the flows that pause, and those that joined if they were woken or have waited long enough."""
        now = time.monotonic()
        for at, each in list(self.requests.items()):
            match each:
                case Pause():
                    self.answer(at, None)
                case Join(waiter, seconds) if waiter.outcome or self._since[at] + seconds <= now:
                    self.answer(at, None)

    def given_up(self, positions: Iterable[int]) -> Iterator[tuple[Flow[T], Request]]:
        """Remove flows whose caller is gone; yield each with the request that it waits for."""
        for position in positions:
            yield self._flows[position], self.requests.pop(position)

    def flow(self, position: int) -> Flow[T]:
        """Return the flow at a position."""
        return self._flows[position]

    def answer(self, position: int, result: object) -> None:
        """Resume a flow with an answer."""
        self._step(position, partial(self._flows[position].send, result))

    def fail(self, position: int, error: BaseException) -> None:
        """Raise an error in a flow; an error that the flow raises is the result of its key."""
        self._thrown[position] = error
        self._step(position, partial(self._flows[position].throw, error))

    def fail_all(
        self,
        positions: Sequence[int],
        error: Exception,
        perform_later: Callable[[DetachedEffect], None],
    ) -> bool:
        """Raise the loader's error in flows and run them to their ends.

        Their effects go to the store later, because the caller gets the error at once.

        Args:
            positions: The positions of the flows.
            error: The error of the loader.
            perform_later: Called with each effect that their ends require, such as the release of a lease.

        Returns:
            Whether the error is the result of any of them; others may have ended with an old value.
        """
        for position in positions:
            self.fail(position, error)
            while (request := self.requests.get(position)) is not None:
                if (effect := detached_effect(request)) is not None:
                    perform_later(effect)
                self.answer(position, None)
        return any(self.results[position] is error for position in positions)

    def loaded(self, positions: Sequence[int], values: Sequence[T | Exception]) -> None:
        """Resume flows with their generated values; an exception among them is the result of its key only."""
        for position, value in zip(positions, values, strict=True):
            if isinstance(value, BaseException):
                self.fail(position, value)
            else:
                self.answer(position, value)

    def _step(self, position: int, step: Callable[[], Request]) -> None:
        joined = isinstance(self.requests.pop(position, None), Join)
        try:
            self.requests[position] = step()
            self._since[position] = time.monotonic()
        except StopIteration as end:
            response = cast("CachedResponse[T]", end.value)
            self._answered(response)
            self.results[position] = response
        except BaseException as error:
            own = cast("Exception", own_error(error))
            if joined or own is self._thrown.get(position):
                self.results[position] = own
            elif own is error:
                raise
            else:
                raise own from own.__cause__
