"""When a mutation is over: after the teardown of every extension, and before its answer is sent.

Strawberry asks for the results of extensions when every `on_operation` hook has ended, whatever was raised;
only a stream yields its results inside of that. So what is to be done at the end is done just before
the results are asked for, and of a stream the last frame of a mutation is held back until then.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final

from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema import BaseSchema, Schema
from strawberry.types import ExecutionContext
from strawberry.types.graphql import OperationType

_WATCHED: Final = "_response_cache_ends"
_NOTHING: Final = object()


class Settling(ABC):
    """The part of a request that has something to do at its end; each of its methods may be called again.

    Attributes:
        is_streamed: Whether results are asked for before the end.
    """

    is_streamed: bool

    @abstractmethod
    async def settle(self) -> None:
        """Do what is to be done at the end."""

    @abstractmethod
    def settle_sync(self) -> None:
        """Do what is to be done at the end; the twin of `settle`."""

    @abstractmethod
    def note_fault(self, error: Exception) -> None:
        """Note that one of the others raised."""


class _Request:
    """A request whose runner is being made.

    Attributes:
        context: Strawberry's execution context; None before that is made.
        settling: What settles at its end.
    """

    def __init__(self) -> None:
        self.context: ExecutionContext | None = None
        self.settling: list[Settling] = []

    def runs_mutation(self) -> bool:
        return self.context is not None and runs_mutation(self.context)


_requested: ContextVar[_Request | None] = ContextVar("request_that_is_being_made", default=None)
"""Where a runner is noted that is made in this task or thread."""


def watch_ends(schema: BaseSchema) -> None:
    """Settle each request of a schema at its end."""
    if not isinstance(schema, Schema) or _WATCHED in vars(schema):
        return
    create, stream, execute = (
        schema.create_extensions_runner,
        schema.stream,
        schema.execute_sync,
    )

    def create_runner(
        execution_context: ExecutionContext, extensions: list[Any]
    ) -> SchemaExtensionsRunner:
        runner = create(execution_context, extensions)
        settling = [each for each in extensions if isinstance(each, Settling)]
        if (requested := _requested.get()) is not None:
            requested.context = execution_context
            requested.settling.extend(settling)
            _requested.set(None)  # what is nested in it has ends of its own
        if isinstance(
            runner, SchemaExtensionsRunner
        ):  # else each settles when its own results are asked for
            _settle_first(runner, settling)
        return runner

    async def stream_settled(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - Strawberry's
        made = _Request()
        _requested.set(made)
        source: Any = await stream(*arguments, **named)
        for each in made.settling:
            each.is_streamed = True
        return _held_back(source, made) if made.settling else source

    def execute_settled(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - Strawberry's
        made = _Request()
        _requested.set(made)
        try:
            return execute(*arguments, **named)
        except BaseException:  # results are not asked for then
            _settle_sync(made.settling)
            raise

    vars(schema)["create_extensions_runner"] = create_runner
    vars(schema)["execute_sync"] = execute_settled
    vars(schema)["stream"] = stream_settled
    vars(schema)[_WATCHED] = True


def _settle_first(runner: SchemaExtensionsRunner, settling: Iterable[Settling]) -> None:
    results, results_sync = runner.get_extensions_results, runner.get_extensions_results_sync

    async def settled(ctx: ExecutionContext) -> dict[str, Any]:
        for each in settling:
            if not each.is_streamed:
                await _settle(each)
        return await results(ctx)

    def settled_sync() -> dict[str, Any]:
        _settle_sync(settling)
        return results_sync()

    vars(runner).update(get_extensions_results=settled, get_extensions_results_sync=settled_sync)


async def _settle(each: Settling) -> None:
    try:
        await each.settle()
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


async def _held_back(
    source: AsyncGenerator[Any, None], made: _Request
) -> AsyncGenerator[Any, None]:
    """Hand on the frames of a stream; the last one of a mutation waits for its end."""
    held: object = _NOTHING
    raised: Exception | None = None
    try:
        async with aclosing(source):
            async for frame in source:
                if not made.runs_mutation() or getattr(frame, "has_next", False):
                    yield frame
                    continue
                if held is not _NOTHING:
                    yield held
                held = frame
    except Exception as error:  # noqa: BLE001 - raised again when the last frame was handed on
        raised = error
    for each in made.settling:
        await _settle(each)
    if held is not _NOTHING:
        yield held
    if raised is not None:
        raise raised
