"""The end of a mutation: after the teardown of every extension, and before its answer is sent.

Strawberry enters and leaves all `on_operation` hooks through one context manager of its runner. The
invalidation happens when that manager is left, also after an exception. A stream yields its results inside of
it, so the last frame of a mutation is held back until the stream is exhausted.

Methods of the schema are replaced, and a copy of the schema gets the replaced methods too. So each replaced
method finds the schema on which it was called through the execution context.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from strawberry.extensions import SchemaExtension
from strawberry.schema import BaseSchema, Schema
from strawberry.types import ExecutionContext
from strawberry.types.graphql import OperationType

from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.graphql._compat.frames import as_it_is_now

if TYPE_CHECKING:
    import weakref

    from strawberry.extensions.runner import SchemaExtensionsRunner

_NOTHING: Final = object()


class Settling:
    """What acts at the end of a request; each of its methods may be called repeatedly.

    Attributes:
        is_watched: Whether `settle` or `settle_sync` will be called at the end.
        runner: A weak reference to Strawberry's runner of its request. The runner refers to this object, and a
            cycle of references would keep the whole answer until the garbage collector runs.
    """

    is_watched: bool
    runner: "weakref.ref[SchemaExtensionsRunner] | None" = None

    @property
    def all_extensions(self) -> Sequence[SchemaExtension] | None:
        """All extensions of its request, in the order of their hooks; None where that is not known.

        The factory of an extension may return another extension for each request.
        """
        runner = None if self.runner is None else self.runner()
        return None if runner is None else runner.extensions

    def settle_at_once(self) -> bool:
        """Act at the end of the request, if nothing has to be awaited; return whether it is done."""
        raise NotImplementedError

    async def settle(self) -> None:
        """Act at the end of the request."""
        raise NotImplementedError

    def settle_sync(self) -> None:
        """Act at the end of a synchronous request, as `settle` does."""
        raise NotImplementedError

    def settle_early(self) -> None:
        """Act at the end of a request that has no caller any more, such as after a cancellation."""
        raise NotImplementedError

    def told(self) -> dict[str, Any]:
        """Return the members of `extensions` that describe the request after its end."""
        raise NotImplementedError

    def note_fault(self, error: Exception) -> None:
        """Note a fault in one of the other methods."""
        raise NotImplementedError


def watch_streams(schema: BaseSchema) -> None:
    """Make a schema call `Settling.settle` at the end of each stream."""
    # `stream` reads `_stream` after the extensions were created, so the first request is included.
    exchange(schema, "_stream", _Stream)


class Exchanged:
    """Replaces a method of a schema and of its copies.

    Args:
        name: The name of the method.
        replaced: The replaced attribute of the schema object; None for the method of its class.
    """

    def __init__(self, name: str, replaced: Callable[..., Any] | None) -> None:
        self._name = name
        self._replaced = replaced
        self._found: tuple[type[BaseSchema] | None, Any] = None, None

    def original(self, context: ExecutionContext) -> Callable[..., Any]:
        """Return the original method of the schema on which it was called."""
        if self._replaced is not None:
            return self._replaced
        schema = context.schema
        kind, found = self._found
        if kind is not type(schema):
            kind = type(schema)
            found = next(vars(c)[self._name] for c in kind.__mro__ if self._name in vars(c))
            self._found = kind, found
        bind = getattr(found, "__get__", None)
        return found if bind is None else bind(schema, type(schema))  # type: ignore[no-any-return]


def exchange(schema: BaseSchema, name: str, made: type[Exchanged]) -> None:
    """Replace a method of a schema, unless it is replaced already, or the schema is not Strawberry's."""
    replaced = vars(schema).get(name)
    if isinstance(schema, Schema) and hasattr(schema, name) and not isinstance(replaced, Exchanged):
        vars(schema)[name] = made(name, replaced)


class _Stream(Exchanged):
    def __call__(self, execution_context: ExecutionContext, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - Strawberry's
        source = self.original(execution_context)(execution_context, *arguments, **named)
        runner = named.get("extensions_runner", arguments[0] if arguments else None)
        extensions = getattr(runner, "extensions", ())
        settling = [each for each in extensions if isinstance(each, Settling)]
        for each in settling:
            each.is_watched = True
        return _held_back(source, execution_context, settling) if settling else source


class SettledOperation:
    """Wraps Strawberry's context manager of all `on_operation` hooks, and calls `Settling.settle` after it."""

    def __init__(self, hooks: Any, settling: Iterable[Settling]) -> None:  # noqa: ANN401 - for either way
        self._hooks = hooks
        self._settling = settling
        for each in settling:
            each.is_watched = True

    def __enter__(self) -> Any:  # noqa: ANN401 - Strawberry's
        return None if self._hooks is None else self._hooks.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:  # noqa: ANN401 - as above
        try:
            return None if self._hooks is None else self._hooks.__exit__(kind, error, trace)
        finally:
            _settle_sync(self._settling)

    async def __aenter__(self) -> Any:  # noqa: ANN401 - Strawberry's
        return None if self._hooks is None else await self._hooks.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:  # noqa: ANN401 - as above
        # The request was cancelled or its stream was closed, so no caller waits.
        is_awaited = error is None or isinstance(error, Exception)
        try:
            return None if self._hooks is None else await self._hooks.__aexit__(kind, error, trace)
        except Exception:
            raise
        except BaseException:
            is_awaited = False
            raise
        finally:
            for each in self._settling:
                if not is_awaited:
                    _settle_early(each)
                else:
                    await _settle(each)


async def _settle(each: Settling) -> None:
    try:
        if not each.settle_at_once():
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
            if not each.settle_at_once():
                each.settle_sync()
        except Exception as error:  # noqa: BLE001 - a fault of this package fails no request
            each.note_fault(error)


def runs_mutation(context: ExecutionContext) -> bool:
    """Whether a request executes a mutation."""
    try:
        return context.operation_type is OperationType.MUTATION
    except RuntimeError:  # there is no document
        return False


def has_known_errors(context: ExecutionContext) -> bool:
    """Whether errors of an operation are known so far."""
    result = context.result
    return bool(getattr(context, "pre_execution_errors", None) or getattr(result, "errors", None))


def _closing(source: Any) -> AbstractAsyncContextManager[Any]:  # noqa: ANN401 - a schema of the user's own may return any iterator
    return aclosing(source) if hasattr(source, "aclose") else nullcontext(source)


def _add_to_frame(frame: Any, settling: Iterable[Settling]) -> None:  # noqa: ANN401 - a frame of any schema
    """Update what a frame says of the cache with what the cache did at the end; if it says nothing, it stays so."""
    extensions = called(getattr, frame, "extensions", None)
    if type(extensions) is not dict:  # such as that of a frame of the user's own class
        return
    for each in settling:
        try:
            told = each.told()
            extensions.update({name: told[name] for name in told.keys() & extensions.keys()})
        except Exception as error:  # noqa: BLE001 - a fault of this package fails no request
            each.note_fault(error)


async def _held_back(
    source: AsyncGenerator[Any, None], context: ExecutionContext, settling: Iterable[Settling]
) -> AsyncGenerator[Any, None]:
    """Yield the frames of a stream; the last frame of a mutation waits for the end of the operation.

    That frame is yielded as it was when it arrived: without the cache it would be sent at once, before a teardown
    changes the result.
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
    except Exception as error:  # noqa: BLE001 - raised again after the last frame
        raised = error
    # A runner of the user may end an operation in another way.
    for each in settling:
        await _settle(each)
    if held is not _NOTHING:
        _add_to_frame(held, settling)
        yield held
    if raised is not None:
        raise raised
