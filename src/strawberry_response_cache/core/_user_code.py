"""Calls the user's functions and objects, which may raise anything.

Their errors are returned to the caller. Only errors that end the caller are raised: the cancellation of the
running task, `KeyboardInterrupt` and `SystemExit`.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, final

R = TypeVar("R")

ERRORS: Final = (Exception, asyncio.CancelledError)
"""The errors to catch around user code. Raise those again for which `ends_the_caller` is True."""


@final
@dataclass(frozen=True, slots=True)
class Raised:
    """The error of a user's function. Compare by `type`: `isinstance` of a lazy object may raise.

    Attributes:
        error: The error.
    """

    error: BaseException

    @property
    def kind(self) -> str:
        """The name of the error's type."""
        return type(self.error).__qualname__


def ends_the_caller(error: BaseException) -> bool:
    """Whether an error is the cancellation of the running task, which ends the caller.

    Other `CancelledError`s come from a task or future that the user's function waited for, or from the
    function itself.
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop runs here
        return False
    return task is not None and task.cancelling() > 0


def is_async(function: object) -> bool:
    """Whether calling a function of the user's gives a coroutine, as far as can be seen without a call."""
    call = getattr(function, "__call__", None)  # noqa: B004 - of an object that is called like a function
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def called(function: Callable[..., R], *arguments: Any) -> R | Raised:
    """Call a user's function; return its result or its error.

    Example:
        >>> called(int, "1"), called(int, "one").kind
        (1, 'ValueError')
    """
    try:
        return function(*arguments)
    except (*ERRORS, GeneratorExit) as error:  # nothing closes a call
        if ends_the_caller(error):
            raise
        return Raised(error)


async def awaited(value: Awaitable[R]) -> R | Raised:
    """Await the result of a user's function; return its result or its error."""
    try:
        return await value
    except ERRORS as error:
        if ends_the_caller(error):
            raise
        return Raised(error)


def yes_or_no(function: Callable[..., Any], *arguments: Any) -> bool | str | None:
    """Call a user's function that is to return a bool.

    Returns:
        The bool, or None if the function returned None. Otherwise the name of the type of its error, or of
        what it returned.

    Example:
        >>> yes_or_no(bool, 1), yes_or_no(int, 1), yes_or_no(int, "one")
        (True, 'int', 'ValueError')
    """
    answer = called(_as_it_is, function, *arguments)
    if type(answer) is bool or answer is None:
        return answer
    if inspect.iscoroutine(answer):
        answer.close()
    return answer.kind if type(answer) is Raised else type(answer).__qualname__


def _as_it_is(function: Callable[..., Any], *arguments: Any) -> object:
    """Return what a function returned, and for a lazy bool the bool itself. Reading a lazy object may raise."""
    answer = function(*arguments)
    return bool(answer) if isinstance(answer, bool) else answer
