"""When a mutation is over: after the teardown of every extension, and before its answer is sent.

Strawberry enters and leaves all `on_operation` hooks through one context manager of its runner. What is to
be done at the end is done when that is left, whatever was raised. Only a stream yields its results
inside of it, so the last frame of a mutation is held back until the stream is exhausted.

What is exchanged hangs on the schema, and a copy of the schema takes it along. So each exchanged method
finds the schema that it was called on through the execution context, and acts for that one.
"""

import weakref
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from types import TracebackType
from typing import Any, Final

from strawberry.extensions import SchemaExtension
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema import BaseSchema, Schema
from strawberry.types import ExecutionContext
from strawberry.types.graphql import OperationType

from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.graphql._compat.frames import as_it_is_now

_NOTHING: Final = object()


class Settling(ABC):
    """The part of a request that has something to do at its end; each of its methods may be called again.

    Attributes:
        is_watched: Whether it is known that `settle` or `settle_sync` is called at the end.
        runner: Refers to Strawberry's runner of its request. Weakly: the runner holds it in turn, and a circle
            of references would keep the whole answer until the garbage collector comes by.
    """

    is_watched: bool
    runner: "weakref.ref[SchemaExtensionsRunner] | None" = None

    @property
    def beside(self) -> Sequence[SchemaExtension] | None:
        """All extensions of its request, in the order of their hooks; None where that is not known.

        A factory may return another one for each request.
        """
        runner = None if self.runner is None else self.runner()
        return None if runner is None else runner.extensions

    @abstractmethod
    async def settle(self) -> None:
        """Do what is to be done at the end."""

    @abstractmethod
    def settle_sync(self) -> None:
        """Do what is to be done at the end; the twin of `settle`."""

    @abstractmethod
    def settle_early(self) -> None:
        """Do what is to be done at the end where nobody is left to wait for it; the twin of `settle`."""

    @abstractmethod
    def note_fault(self, error: Exception) -> None:
        """Note that one of the others raised."""


def watch_ends(schema: BaseSchema) -> None:
    """Settle each request of a schema at its end."""
    if not isinstance(schema, Schema):
        return
    # `stream` looks for `_stream` after the extensions were made: a first request is in time.
    for name, made in (("create_extensions_runner", _CreateRunner), ("_stream", _Stream)):
        replaced = vars(schema).get(name)
        if hasattr(schema, name) and not isinstance(replaced, _Exchanged):
            vars(schema)[name] = made(name, replaced)


class _Exchanged:
    """Stands for a method of a schema, and of its copies.

    Args:
        name: The method's.
        replaced: What stood in its place on the schema itself; None for the method of its class.
    """

    def __init__(self, name: str, replaced: Callable[..., Any] | None) -> None:
        self._name = name
        self._replaced = replaced

    def original(self, context: ExecutionContext) -> Callable[..., Any]:
        """Return the method of the schema that it was called on."""
        if self._replaced is not None:
            return self._replaced
        schema = context.schema
        found = next(vars(c)[self._name] for c in type(schema).__mro__ if self._name in vars(c))
        bind = getattr(found, "__get__", None)
        return found if bind is None else bind(schema, type(schema))  # type: ignore[no-any-return]


class _CreateRunner(_Exchanged):
    def __call__(
        self, execution_context: ExecutionContext, extensions: list[Any]
    ) -> SchemaExtensionsRunner:
        create = self.original(execution_context)
        runner: SchemaExtensionsRunner = create(execution_context, extensions)
        settling = [each for each in extensions if isinstance(each, Settling)]
        # Else each settles when its own results are asked for.
        if settling and isinstance(runner, SchemaExtensionsRunner):
            runner.operation = _of_runner(runner.operation, settling)  # type: ignore[assignment, method-assign]
        if type(runner) is SchemaExtensionsRunner:  # another one may have hooks of its own
            for each in settling:
                each.runner = weakref.ref(runner)
        return runner


def _of_runner(operation: Any, settling: Iterable[Settling]) -> Callable[[], "_Operation"]:  # noqa: ANN401 - a bound method, unless somebody else replaced it
    """Return what stands for a runner's `operation`; it does not keep the runner alive that it hangs on."""
    owner, method = getattr(operation, "__self__", None), getattr(operation, "__func__", None)
    if owner is None or method is None:
        return lambda: _Operation(operation(), settling)
    alive = weakref.ref(owner)
    return lambda: _Operation(method(alive()), settling)


class _Stream(_Exchanged):
    def __call__(self, execution_context: ExecutionContext, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - Strawberry's
        source = self.original(execution_context)(execution_context, *arguments, **named)
        runner = named.get("extensions_runner", arguments[0] if arguments else None)
        extensions = getattr(runner, "extensions", ())
        settling = [each for each in extensions if isinstance(each, Settling)]
        for each in settling:
            each.is_watched = True
        return _held_back(source, execution_context, settling) if settling else source


class _Operation:
    """Strawberry's context manager of all `on_operation` hooks; what settles does so behind it.

    Args:
        hooks: Strawberry's.
        settling: What settles.
    """

    def __init__(self, hooks: Any, settling: Iterable[Settling]) -> None:  # noqa: ANN401 - for either way
        self._hooks = hooks
        self._settling = settling
        for each in settling:
            each.is_watched = True

    def __enter__(self) -> Any:  # noqa: ANN401 - Strawberry's
        return self._hooks.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:  # noqa: ANN401 - as above
        try:
            return self._hooks.__exit__(kind, error, trace)
        finally:
            _settle_sync(self._settling)

    async def __aenter__(self) -> Any:  # noqa: ANN401 - Strawberry's
        return await self._hooks.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:  # noqa: ANN401 - as above
        # Nobody is left to wait where the request was cancelled, or its stream was closed.
        is_awaited = error is None or isinstance(error, Exception)
        try:
            return await self._hooks.__aexit__(kind, error, trace)
        except Exception:
            raise
        except BaseException:
            is_awaited = False
            raise
        finally:
            for each in self._settling:
                if is_awaited:
                    await _settle(each)
                else:
                    _settle_early(each)


async def _settle(each: Settling) -> None:
    try:
        await each.settle()
    except Exception as error:  # noqa: BLE001 - a fault of this package fails no request
        each.note_fault(error)


def _settle_early(each: Settling) -> None:
    try:
        each.settle_early()
    except Exception as error:  # noqa: BLE001 - a fault of this package fails no request
        each.note_fault(error)


def _settle_sync(settling: Iterable[Settling]) -> None:
    for each in settling:
        try:
            each.settle_sync()
        except Exception as error:  # noqa: BLE001 - a fault of this package fails no request
            each.note_fault(error)


def runs_mutation(context: ExecutionContext) -> bool:
    """Whether a request executes a mutation."""
    try:
        return context.operation_type is OperationType.MUTATION
    except RuntimeError:  # there is no document
        return False


def _closing(source: Any) -> AbstractAsyncContextManager[Any]:  # noqa: ANN401 - a schema of the user's own may return any iterator
    return aclosing(source) if hasattr(source, "aclose") else nullcontext(source)


async def _held_back(
    source: AsyncGenerator[Any, None], context: ExecutionContext, settling: Iterable[Settling]
) -> AsyncGenerator[Any, None]:
    """Hand on the frames of a stream; the last one of a mutation waits for the end of the operation.

    It is handed on as it was when it came: a client without the cache is sent it then, and what a
    teardown changes of the result does not reach that client.
    """
    held: object = _NOTHING
    raised: Exception | None = None
    try:
        async with _closing(source):
            async for frame in source:
                if not runs_mutation(context) or getattr(frame, "has_next", False):
                    yield frame
                    continue
                if held is not _NOTHING:
                    yield held
                copied = called(as_it_is_now, frame)
                held = frame if type(copied) is Raised else copied
    except Exception as error:  # noqa: BLE001 - raised again when the last frame was handed on
        raised = error
    # A runner of the user's own may have another way to the end of an operation.
    for each in settling:
        await _settle(each)
    if held is not _NOTHING:
        yield held
    if raised is not None:
        raise raised
