"""Which tasks were begun on behalf of a request, so that its end can be awaited after its cancellation."""

import asyncio
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

Tasks: TypeAlias = set["asyncio.Future[Any]"]

_tasks: ContextVar[Tasks | None] = ContextVar("tasks_of_the_request", default=None)


def install(loop: asyncio.AbstractEventLoop) -> None:
    """Note the tasks of a loop from here on."""
    loop.set_task_factory(_new_task)


def _new_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    **options: Any,
) -> "asyncio.Task[Any]":
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    if (tasks := _tasks.get()) is not None:
        tasks.add(task)
    return task


@contextmanager
def tracked() -> Iterator[Tasks]:
    """Collect the tasks that are begun inside, by whatever is awaited and by these tasks themselves."""
    tasks: Tasks = set()
    token = _tasks.set(tasks)
    try:
        yield tasks
    finally:
        _tasks.reset(token)
