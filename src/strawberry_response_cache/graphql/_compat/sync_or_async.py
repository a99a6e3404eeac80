"""Whether an execution is synchronous: what it may wait for, and how, depends on it."""

from typing import Any, Final

from graphql.execution import Executor


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
    return not executor.is_async_iterable(_PROBE)
