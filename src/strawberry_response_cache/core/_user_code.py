"""Calls of the user's own functions and objects, which may raise anything.

What they raise is told to whoever calls. Only what ends the caller goes on: the cancellation of the task
that runs now, and interrupts such as `KeyboardInterrupt` and `SystemExit`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, final

R = TypeVar("R")

ERRORS: Final = (Exception, asyncio.CancelledError)
"""What code may raise without ending its caller; see `ends_the_caller`."""


@final
@dataclass(frozen=True, slots=True)
class Raised:
    """What a function of the user's raised; to be told by `type`, since a lazy object's `isinstance` may raise.

    Attributes:
        error: The error.
    """

    error: BaseException

    @property
    def kind(self) -> str:
        """The error's type."""
        return type(self.error).__qualname__


def ends_the_caller(error: BaseException) -> bool:
    """Whether an error cancels the task that runs now; else a `CancelledError` is that of something else.

    A function may wait for a task or a future of its own that is cancelled, or raise the error itself.
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop runs here
        return False
    return task is not None and task.cancelling() > 0


def called(function: Callable[..., R], *arguments: Any) -> R | Raised:
    """Call a function of the user's; return what it returns, or what it raised.

    Example:
        >>> called(int, "1"), called(int, "one").kind
        (1, 'ValueError')
    """
    try:
        return function(*arguments)
    except (*ERRORS, GeneratorExit) as error:  # a call is closed by nobody
        if ends_the_caller(error):
            raise
        return Raised(error)


async def awaited(value: Awaitable[R]) -> R | Raised:
    """Await what a function of the user's returned; return what it comes to, or what it raised."""
    try:
        return await value
    except ERRORS as error:
        if ends_the_caller(error):
            raise
        return Raised(error)
