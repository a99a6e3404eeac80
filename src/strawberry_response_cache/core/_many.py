"""Many flows at once, in step: what they ask of the store goes out together.

No flow waits for another caller before all that have a lease have generated, and all that wait do so at
once, since each of them may be woken to lead: two batches that wait for each other's keys would
otherwise wait for ever.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from strawberry_response_cache.core._requests import (
    Detach,
    Flow,
    Generate,
    Join,
    Owed,
    Pause,
    RefreshInBackground,
    Request,
    owed,
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

    Attributes:
        requests: What each flow that has not ended asks for, by its position.
        results: What each flow that has ended returned, or the error of its key.
    """

    def __init__(self, flows: Sequence[Flow[T]]) -> None:
        self._flows = flows
        self.requests: dict[int, Request] = {}
        self.results: dict[int, T | Exception] = {}
        self._since: dict[int, float] = {}
        self._thrown: dict[int, BaseException] = {}
        for position, flow in enumerate(flows):
            self._step(position, partial(flow.send, None))

    def asking(self, kinds: tuple[type, ...]) -> list[int]:
        """Return the positions of the flows that ask for something of these kinds."""
        return [at for at, request in self.requests.items() if isinstance(request, kinds)]

    def generating(self) -> list[tuple[int, Generate]]:
        """Return the flows that ask for their generator, by position."""
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
        """Return after how many seconds the first of the flows that wait need not wait any longer."""
        ends = (
            self._since[at] + each.seconds
            for at, each in self.requests.items()
            if isinstance(each, Join | Pause)
        )
        return max(0.0, min(ends) - time.monotonic())

    def waited(self) -> None:
        """Answer the flows that have waited: those that only paused look again with the first."""
        now = time.monotonic()
        for at, each in list(self.requests.items()):
            match each:
                case Pause():
                    self.answer(at, None)
                case Join(waiter, seconds) if waiter.outcome or self._since[at] + seconds <= now:
                    self.answer(at, None)

    def given_up(self, positions: Iterable[int]) -> Iterator[tuple[Flow[T], Request]]:
        """Take flows out that will get no answer; return them, and what they asked for."""
        for position in positions:
            yield self._flows[position], self.requests.pop(position)

    def flow(self, position: int) -> Flow[T]:
        """Return a flow."""
        return self._flows[position]

    def answer(self, position: int, result: object) -> None:
        """Answer what a flow asked for."""
        self._step(position, partial(self._flows[position].send, result))

    def fail(self, position: int, error: BaseException) -> None:
        """Raise in a flow what it waits for; an error of the flow's own is its key's."""
        self._thrown[position] = error
        self._step(position, partial(self._flows[position].throw, error))

    def any_failed(
        self, positions: Sequence[int], error: Exception, forget: Callable[[Owed], None]
    ) -> bool:
        """Raise in flows what their loader raised; return whether it is what became of any of them.

        Args:
            positions: Theirs.
            error: What it raised.
            forget: Told what they owe the store.
        """
        for position in positions:
            self.fail(position, error)
            while (request := self.requests.get(position)) is not None:
                if (effect := owed(request)) is not None:
                    forget(effect)
                self.answer(position, None)
        return any(self.results[position] is error for position in positions)

    def loaded(self, positions: Sequence[int], values: Sequence[T | Exception]) -> None:
        """Give flows their generated values; an exception among them is its key's alone."""
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
            self.results[position] = cast("CachedResponse[T]", end.value).value
        except BaseException as error:
            own = cast("Exception", own_error(error))
            if joined or own is self._thrown.get(position):
                self.results[position] = own
            elif own is error:
                raise
            else:
                raise own from own.__cause__
