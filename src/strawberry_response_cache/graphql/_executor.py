"""The executor that asks the run before it executes an operation.

graphql-core lets an executor be exchanged, and Strawberry takes one as `execution_context_class`.
The lookup happens here, in the execution phase: after every extension's operation, parse and
validation hooks, with the variables coerced, and beside any executor of the user's own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationType
from graphql.execution import Executor
from strawberry.schema import BaseSchema, Schema

from strawberry_response_cache.graphql._run import Run

_announced: ContextVar[Run | None] = ContextVar("announced_run", default=None)


@contextmanager
def announced(run: Run) -> Iterator[None]:
    """Announce a run to the executor that is built for it, in this task or thread, just after."""
    before = _announced.get()
    _announced.set(run)
    try:
        yield
    finally:
        # Not by token: a stream may be resumed in another context.
        _announced.set(before)


class CachingExecutor(Executor[Any]):
    """Asks the announced run for an answer; without one it executes as its base does."""

    caches = True
    _run: Run | None = None

    @classmethod
    def build(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        *args: Any,
        **kwargs: Any,
    ) -> "list[GraphQLError] | Executor[Any]":
        """Build the executor, and take the run if it was announced for this very document."""
        executor = super().build(schema, document, *args, **kwargs)
        run = _announced.get()
        if isinstance(executor, cls) and run is not None and run.belongs_to(schema, document):
            executor._run = run  # noqa: SLF001 - its own constructor
            is_stream = executor.operation.operation is OperationType.SUBSCRIPTION
            if is_stream and (errors := run.errors_now()):
                return errors  # its source would run before `execute_operation` is asked
        return executor

    def execute_operation(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on
        """Answer from the cache, or execute."""
        run, self._run = self._run, None
        execute: Callable[[], Any] = partial(super().execute_operation, *args, **kwargs)
        return execute() if run is None else run.answer(self, execute)


def install(schema: BaseSchema) -> None:
    """Make a schema execute through `CachingExecutor`, on top of the executor that it has."""
    if not isinstance(schema, Schema):
        return
    base = schema.execution_context_class
    if not issubclass(base, CachingExecutor):
        schema.execution_context_class = type(
            f"Caching{base.__name__}", (CachingExecutor, base), {"caches": True}
        )
