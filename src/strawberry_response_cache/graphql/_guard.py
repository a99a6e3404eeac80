"""The guard: no fault of this package fails a request.

Strawberry and graphql-core call this package in a few places, and each of these calls goes through a `Guard`.
A fault that it catches is counted and logged. Nothing of the request is stored then, and the request is
answered as without this package. What has been executed already is not executed again.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from strawberry_response_cache.core._faults import faults
from strawberry_response_cache.core._user_code import ERRORS, ends_the_caller

R = TypeVar("R")


@contextmanager
def resolver_guard(*, raises: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Catch faults of this package in a call from a resolver; after one, nothing of the request is stored.

    Args:
        raises: The errors that are not caught, because they report a wrong call to the resolver's author.
    """
    try:
        yield
    except raises:
        raise
    except ERRORS as error:  # the effect of the call is lost, and the request continues
        if ends_the_caller(error):
            raise
        faults.note_elsewhere(error)


class ExecutionRaisedError(Exception):
    """Wraps an error of an execution, so that it passes this package without counting as a fault."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Execution:
    """Executes an operation or a field, at most once.

    Args:
        original: Executes it as without this package; returns a value or an awaitable.
    """

    __slots__ = ("_has_begun", "_is_done", "_original", "_raised", "value")

    def __init__(self, original: Callable[[], Any]) -> None:
        self._original = original
        self._has_begun = False
        self._is_done = False
        self._raised: BaseException | None = None
        self.value: Any = None

    def start(self, another: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401 - whatever an executor returns
        """Start the execution; if it was started before, return its result.

        Args:
            another: Executes it instead of the original.

        Raises:
            ExecutionRaisedError: If the execution raises.
        """
        if self._has_begun:
            return self.rest()
        self._has_begun = True
        try:
            self.value = (another or self._original)()
        except Exception as error:
            self._raised = error
            raise ExecutionRaisedError(error) from error
        except BaseException as error:  # unchanged, because it may end the caller
            self._raised = error
            raise
        return self.value

    async def run(self, another: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401 - whatever an executor returns
        """Start the execution and wait for its end; see `start`."""
        if self._has_begun:
            return await self.rest_async()
        value = self.start(another)
        return await self._finished() if inspect.isawaitable(value) else value

    async def _finished(self) -> Any:  # noqa: ANN401 - whatever an executor returns
        if not self._is_done:
            try:
                self.value = await self.value
            except Exception as error:
                self._raised = error
                raise ExecutionRaisedError(error) from error
            except BaseException as error:  # as above
                self._raised = error
                raise
            self._is_done = True
        return self.value

    def has_raised(self, error: BaseException) -> bool:
        """Whether the execution raised this error object."""
        return self._raised is error

    def rest(self) -> Any:  # noqa: ANN401 - whatever an executor returns
        """Return its result or raise its error; execute it only if that has not started."""
        if self._raised is not None:
            raise self._raised
        return self.value if self._has_begun else self._original()

    async def rest_async(self) -> Any:  # noqa: ANN401 - whatever an executor returns
        """Return its result; the async form of `rest`."""
        value = self.rest()
        if self._has_begun and inspect.isawaitable(value) and not self._is_done:
            try:
                return await self._finished()
            except ExecutionRaisedError as raised:
                error = raised.error
            raise error
        return await value if inspect.isawaitable(value) else value


class Later(NamedTuple):
    """An answer that has to be awaited.

    Attributes:
        begin: Starts to answer; it is called directly before the result is awaited.
    """

    begin: Callable[[], Coroutine[Any, Any, Any]]


class Guard:
    """Catches the faults of this package in one request.

    Attributes:
        is_faulted: Whether a fault was caught in this request, or Python's stack ended in this package.
        is_too_deep: Whether there was no fault, but an operation that is nested too deeply for Python's stack.
    """

    __slots__ = ("is_faulted", "is_too_deep")

    def __init__(self) -> None:
        self.is_faulted = False
        self.is_too_deep = False

    def note(self, error: BaseException) -> None:
        """Note a caught fault."""
        is_first = not self.is_faulted
        self.is_faulted = True
        self.is_too_deep = isinstance(error, RecursionError) and (is_first or self.is_too_deep)
        faults.note(error)

    def step(self, step: Callable[..., R], *arguments: Any) -> R | None:
        """Call a function that must not fail the request; if it raises, note the fault and return None."""
        try:
            return step(*arguments)
        except ERRORS as error:  # this is the guard
            if ends_the_caller(error):
                raise
            self.note(error)
            return None

    async def step_async(
        self, step: Callable[..., Coroutine[Any, Any, R]], *arguments: Any, **named: Any
    ) -> R | None:
        """Await a function that must not fail the request; if it raises, note the fault and return None."""
        try:
            return await step(*arguments, **named)
        except ERRORS as error:  # this is the guard
            if ends_the_caller(error):
                raise
            self.note(error)
            return None

    async def either(
        self,
        step: Callable[[], Coroutine[Any, Any, object]],
        otherwise: Callable[[], Coroutine[Any, Any, object]],
    ) -> None:
        """Await one function; if it raises, note the fault and await another."""
        try:
            await step()
        except ERRORS as error:  # this is the guard
            if ends_the_caller(error):
                raise
            self.note(error)
            await self.step_async(otherwise)

    def around(
        self,
        original: Callable[[], Any],
        answer: Callable[[Execution], Any],
        *,
        at_once: bool = False,
    ) -> Any:  # noqa: ANN401 - what `original` returns
        """Return an answer in place of an execution; after a fault, return what the execution returns.

        Args:
            original: Executes it as without this package.
            answer: Returns the answer, which may use the execution: a value or a `Later`.
            at_once: Whether a `Later` starts now and not when it is awaited.
        """
        execution = Execution(original)
        try:
            answered = answer(execution)
        except ERRORS as error:  # this is the guard
            if ends_the_caller(error):
                raise
            caught = error
        else:
            if not isinstance(answered, Later):
                return answered
            finished = self._finished(answered, execution)
            return asyncio.ensure_future(finished) if at_once else finished
        self._note_unless_raised(caught, execution)
        return execution.rest()

    async def _finished(self, answer: Later, execution: Execution) -> Any:  # noqa: ANN401 - what the execution returns
        try:
            return await answer.begin()
        except ERRORS as error:  # this is the guard
            if ends_the_caller(error):
                raise
            caught = error
        self._note_unless_raised(caught, execution)
        return await execution.rest_async()

    def _note_unless_raised(self, error: BaseException, execution: Execution) -> None:
        # An error of an execution, also of one that was shared, is not a fault of this package.
        if not (isinstance(error, ExecutionRaisedError) or execution.has_raised(error)):
            self.note(error)
