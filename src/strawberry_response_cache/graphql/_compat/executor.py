"""The executor that answers an operation from the cache or executes it.

graphql-core accepts a custom executor, and Strawberry takes one as `execution_context_class`. The lookup
happens here, in the execution phase: after the operation, parse and validation hooks of every extension,
with coerced variables, and in a subclass of the user's executor if there is one.
"""

import copy
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationType,
)
from graphql.execution import Executor, MiddlewareManager
from graphql.execution.collect_fields import collect_fields
from strawberry.schema import BaseSchema, Schema
from strawberry.schema.schema import validate_document
from strawberry.types import ExecutionContext

from strawberry_response_cache.graphql._compat.operation import (
    AskedOperation,
    is_as_known,
)
from strawberry_response_cache.graphql._compat.private_names import executable_of
from strawberry_response_cache.graphql._guard import Execution, Guard

if TYPE_CHECKING:
    import asyncio

own_executors: Final[weakref.WeakSet[type[Executor[Any]]]] = weakref.WeakSet()
"""The executor classes that this package created; each inherits from the class that a schema had."""


_INSTALLED: Final = (
    "complete_list_value",
    "complete_object_value",
    "execute_field",
    "execute_fields",
)
"""The methods that this package replaces on executor objects; a copy must not keep them."""


class AnnouncedRun(Protocol):
    """Answers an operation instead of its executor.

    Attributes:
        context: Strawberry's execution context.
        guard: The guard of the request.
        invalidating: The tasks of invalidations that its resolvers began, each with a function that does the same
            without awaiting.
        is_validated: Whether the executed document is known to be valid.
        is_passed_over: Whether another run of the same request answers instead.
        counts_events: Whether it answers each event of a subscription.
        is_left_alone: Whether this run has answered already: an executor that is built later executes by itself.
    """

    context: ExecutionContext
    guard: Guard
    invalidating: "dict[asyncio.Task[None], Callable[[], None]]"
    is_validated: bool
    is_passed_over: bool
    counts_events: bool
    is_left_alone: bool

    def belongs_to(self, schema: GraphQLSchema, document: DocumentNode) -> bool:
        """Whether a new executor executes this run's document."""
        ...

    def recognizes(self, asked: AskedOperation) -> bool:
        """Whether this run remembers enough of an operation to answer it without building an executor."""
        ...

    def errors_now(self) -> list[GraphQLError]:
        """Return the validation errors of the executed document, if another document was validated."""
        ...

    def answer(self, asked: AskedOperation, execution: Execution) -> Any:  # noqa: ANN401 - a result, or one that comes later
        """Answer an operation from the cache or by executing it."""
        ...


announced_run: Final[ContextVar[AnnouncedRun | None]] = ContextVar("announced_run", default=None)
"""The run of the next executor that is built in this task or thread."""


class Postponed:
    """Stands for an executor that is built only if the cache does not have the answer."""

    def __init__(self, run: AnnouncedRun, asked: AskedOperation) -> None:
        self._run = run
        self._asked = asked

    def execute_operation(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on
        """Answer from the cache, or build the executor and execute."""
        asked = self._asked

        def execute() -> Any:  # noqa: ANN401 - a result or an awaitable of one
            executor = asked.built or asked.build()
            if not isinstance(executor, Executor):
                return ExecutionResult(None, executor)
            return executor.execute_operation(*args, **kwargs)

        return _answered(self._run, asked, execute)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of the executor
        """Return an attribute of the executor."""
        return getattr(self._asked.executor, name)


class CachingExecutor(Executor[Any]):
    """Lets the announced run answer; without a run it executes like its base class."""

    _run: AnnouncedRun | None = None
    _asked: AskedOperation | None = None

    @classmethod
    def build(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        *args: Any,
        **kwargs: Any,
    ) -> "list[GraphQLError] | Executor[Any]":
        """Build the executor, and take the run if it was announced for the same document.

        For a remembered request, return a `Postponed`, which builds the executor on demand.
        """
        run = announced_run.get()
        if run is None or run.is_left_alone:
            return super().build(schema, document, *args, **kwargs)
        build, given = super().build, (schema, document, *args)
        asked = run.guard.step(_operation_asked_for, run, cls, build, given, kwargs)
        if asked is not None and asked.is_postponed:
            return Postponed(run, asked)  # type: ignore[return-value] # it stands for an executor
        executor = build(*given, **kwargs) if asked is None else asked.build()
        if isinstance(executor, cls) and (
            asked is not None or run.guard.step(run.belongs_to, schema, document)
        ):
            executor._run = run  # noqa: SLF001 - its own constructor
            executor._asked = run.guard.step(AskedOperation.of, executor, document, asked)  # noqa: SLF001 - as above
            is_stream = executor.operation.operation is OperationType.SUBSCRIPTION
            run.counts_events = is_stream and executor._asked is not None  # noqa: SLF001 - as above
            if is_stream:  # its source would run before `execute_operation` is called
                errors = run.guard.step(run.errors_now)
                return (_validation_errors(run) if errors is None else errors) or executor
        return executor

    def create_sub_executor(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on
        """Create the executor of a later part of an answer, without the methods replaced on this one."""
        made = super().create_sub_executor(*args, **kwargs)  # type: ignore[misc] # of IncrementalExecutor
        uninstall(made)
        return made

    def execute_operation(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on
        """Answer from the cache, or execute."""
        run, self._run = self._run, None
        if run is None:
            return super().execute_operation(*args, **kwargs)
        asked, self._asked = self._asked, None  # it refers to this object: a cycle
        return _answered(run, asked, partial(super().execute_operation, *args, **kwargs))


def _operation_asked_for(
    run: AnnouncedRun,
    kind: type[CachingExecutor],
    build: Callable[..., "list[GraphQLError] | Executor[Any]"],
    given: tuple[Any, ...],
    named: dict[str, Any],
) -> AskedOperation | None:
    """Return the operation that an executor is built for; None for unknown arguments, or if it is not the run's."""
    if not is_as_known(given) or not run.belongs_to(given[0], given[1]):
        return None
    asked = AskedOperation(kind, build, given, named)
    if isinstance(asked.middleware_manager, _MANAGERS):
        asked.is_postponed = run.recognizes(asked)
    return asked


_MANAGERS: Final = (MiddlewareManager, type(None))


def _answered(run: AnnouncedRun, asked: AskedOperation | None, execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - what an executor returns
    def validated_execute() -> Any:  # noqa: ANN401 - a result or an awaitable of one
        errors = [] if run.is_validated else _validation_errors(run)
        return ExecutionResult(None, errors) if errors else execute()

    if asked is None:
        return validated_execute()
    return run.guard.around(validated_execute, partial(run.answer, asked))


def _validation_errors(run: AnnouncedRun) -> list[GraphQLError]:
    """Validate the executed document, because a fault left unknown whether it was validated."""
    context = run.context
    if context.graphql_document is None or not context.validation_rules:
        return []
    schema = executable_of(context.schema)
    return list(validate_document(schema, context.graphql_document, context.validation_rules))


own_executors.add(CachingExecutor)


ObjectWatcher: TypeAlias = Callable[[Any, Any, object, Any], None]
"""Called with each object: its type, the `info` of the field that returned it, the object, and its path."""

_OF_AN_OBJECT: Final = (
    "return_type",
    "field_details_list",
    "info",
    "path",
    "result",
    "position_context",
)
"""The parameters of graphql-core's `complete_object_value`."""


def watch_objects(executor: Executor[Any], told: ObjectWatcher, guard: Guard) -> Callable[[], None]:
    """Call a function with each object that an executor completes.

    Returns:
        A function that stops it.
    """
    instance: Any = executor
    complete: Callable[..., Any] = instance.complete_object_value
    go_on: Callable[..., Any] = instance.collect_and_execute_subfields
    is_plain = type(executor).complete_object_value is Executor.complete_object_value

    # Short, and without a stack frame more than the replaced method, so that objects can be nested as
    # deep as without it.
    def watched(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - graphql-core's
        if named or len(given) != len(_OF_AN_OBJECT):  # an executor of the user's own
            known = dict(zip(_OF_AN_OBJECT, given, strict=False)) | named
            asked = ("return_type", "info", "result", "path")
            guard.step(told, *(known.get(name) for name in asked))
            return complete(*given, **named)
        kind, details, info, path, source, position = given
        try:
            told(kind, info, source, path)
        except Exception as error:  # noqa: BLE001 - nothing of the request is stored then
            guard.note(error)
        if is_plain and kind.is_type_of is None:
            return go_on(kind, details, path, source, position)
        return complete(kind, details, info, path, source, position)

    def stop() -> None:
        instance.complete_object_value = complete

    instance.complete_object_value = watched
    return stop


class _Instead:
    """A middleware manager that replaces the resolver of one field."""

    def __init__(self, resolve: Callable[[], object], others: Any) -> None:  # noqa: ANN401 - graphql-core's manager
        self._resolve: Callable[[], object] | None = resolve
        self._others = others

    def get_field_resolver(self, resolve: Callable[..., Any]) -> Callable[..., Any]:
        """Return the replacement of the first resolver; the fields below keep their own."""
        instead, self._resolve = self._resolve, None
        if instead is not None:
            return lambda *_, **__: instead()
        return resolve if self._others is None else self._others.get_field_resolver(resolve)


def execute_with(
    executor: Executor[Any],
    execute: Callable[..., Any],
    where: tuple[Any, ...],
    resolve: Callable[[], object],
) -> Any:  # noqa: ANN401 - a completed value, or an awaitable of one
    """Execute a field with a replaced resolver.

    Args:
        executor: The executor.
        execute: Its method `execute_field`.
        where: The arguments of that method.
        resolve: The replacement: returns or raises what the resolver would.
    """
    once: Any = copy.copy(executor)
    once.middleware_manager = _Instead(resolve, executor.middleware_manager)
    return execute.__func__(once, *where)  # type: ignore[attr-defined] # it is bound to the executor


def separate_copy(executor: Executor[Any]) -> Executor[Any]:
    """Return a copy whose resolvers get another object of variables in `info`, by which their notes are found."""
    copied: Any = copy.copy(executor)
    variables = executor.variable_values
    copied.variable_values = variables._replace(coerced=dict(variables.coerced))
    separate: Executor[Any] = copied
    return separate


def execute_field(executor: Executor[Any], where: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a completed value, or an awaitable of it
    """Execute a field, and ignore what is installed on its executor."""
    return type(executor).execute_field(executor, *where)


def root_fields(executor: Executor[Any]) -> tuple[GraphQLObjectType, Mapping[str, Any]]:
    """Return the query type, and the selected root fields by their names in the response.

    Args:
        executor: The executor of a query, which was executed.
    """
    schema = executor.schema
    root: Any = schema.query_type
    found = collect_fields(
        schema, executor.fragments, executor.variable_values, root, executor.operation
    )
    return root, found[0]


def failed_root_fields(
    executor: Executor[Any], errors: Sequence[GraphQLError]
) -> set[str | int] | None:
    """Return the names of the root fields in which an executor found errors.

    Where it found them counts, and not the paths of the errors, which a resolver can set.

    Args:
        executor: The executor.
        errors: The errors of its result.

    Returns:
        The names; None if the executor does not know of each error where it was found.
    """
    collected = executor.collected_errors
    positions = getattr(collected, "_error_positions", None)
    if positions is None or None in positions or len(positions) != len(errors):
        return None
    if {*map(id, errors)} != {*map(id, collected.errors)}:
        return None
    return {position.as_list()[0] for position in positions}


def uninstall(copied: Executor[Any]) -> None:
    """Remove the replaced methods from a copy of an executor; they would act for the original."""
    for name in _INSTALLED:
        vars(copied).pop(name, None)


def replace_executor(schema: BaseSchema) -> None:
    """Make a schema execute through `CachingExecutor`, on top of its own executor class."""
    if not isinstance(schema, Schema):
        return
    base = schema.execution_context_class
    if not issubclass(base, CachingExecutor):
        made = type(f"Caching{base.__name__}", (CachingExecutor, base), {})
        own_executors.add(made)
        schema.execution_context_class = made
