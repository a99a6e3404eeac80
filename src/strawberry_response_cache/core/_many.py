"""Many flows at once, in step: what they ask of the store goes out together.

No flow waits for another caller before all that have a lease have generated: two batches that wait
for each other's keys would otherwise wait for ever.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from strawberry_response_cache.core._driving import own_error
from strawberry_response_cache.core._port import Commit, Lookup, Release
from strawberry_response_cache.core._requests import (
    Detach,
    Flow,
    Generate,
    Join,
    Pause,
    RefreshInBackground,
    Request,
)

if TYPE_CHECKING:
    from strawberry_response_cache.core._response import CachedResponse

T = TypeVar("T")

ON_THE_STORE: Final = (Lookup, Commit, Release)
AT_ONCE: Final = (Detach, RefreshInBackground)
WAITING: Final = (Join, Pause)


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
        except StopIteration as end:
            self.results[position] = cast("CachedResponse[T]", end.value).value
        except Exception as error:  # noqa: BLE001 - a generator's own, judged below
            own = own_error(error) if isinstance(error, RuntimeError) else error
            is_its_keys = joined or own is self._thrown.get(position)
            if is_its_keys and isinstance(own, Exception):
                self.results[position] = own
            else:
                raise own from None
