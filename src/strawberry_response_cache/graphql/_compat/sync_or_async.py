"""Whether an execution is synchronous: what it may wait for, and how, depends on it."""

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from graphql.execution import Executor

R = TypeVar("R")


class _AsyncProbe:
    """Asks an executor whether it would take an async iterable; a synchronous one would not."""

    def __aiter__(self) -> "_AsyncProbe":
        return self


_PROBE: Final = _AsyncProbe()


def is_synchronous(executor: Executor[Any]) -> bool:
    """Whether an execution must end without awaiting.

    Strawberry's and graphql-core's synchronous executions build their executor with a predicate
    that takes nothing for an async iterable.
    """
    return not takes_async(executor.is_async_iterable)


def takes_async(is_async_iterable: Callable[[object], bool]) -> bool:
    """Whether an executor that was made with this ``is_async_iterable`` may await: none of a sync execution may."""
    return is_async_iterable(_PROBE)


def at_once(function: Callable[..., Coroutine[Any, Any, R]], *arguments: Any, **named: Any) -> R:
    """Run a coroutine that awaits nothing, without an event loop."""
    coroutine = function(*arguments, **named)
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    coroutine.close()
    msg = "A coroutine was suspended where nothing can be awaited."
    raise RuntimeError(msg)
