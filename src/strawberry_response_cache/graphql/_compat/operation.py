"""The operation that an executor is to execute. A remembered one may be answered before the executor is built."""

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from graphql import DocumentNode, GraphQLError, GraphQLSchema
from graphql.execution import Executor
from strawberry.types import ExecutionContext

from strawberry_response_cache.graphql._compat.sync_or_async import is_synchronous, takes_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from strawberry_response_cache.graphql._compat.executor import CachingExecutor

_OF_BUILD: Final = (
    "schema",
    "document",
    "root_value",
    "context_value",
    "raw_variable_values",
    "operation_name",
    "field_resolver",
    "type_resolver",
    "subscribe_field_resolver",
    "max_coercion_errors",
    "enable_early_execution",
    "middleware",
    "is_awaitable",
    "is_async_iterable",
)
"""The positional parameters of graphql-core's `Executor.build`."""
_VARIABLES: Final = _OF_BUILD.index("raw_variable_values")
_NESTED: Final = frozenset({dict, list})
_BUILDS_AS_KNOWN: Final = (
    tuple(inspect.signature(Executor.build).parameters)[: len(_OF_BUILD)] == _OF_BUILD
)


def is_as_known(given: tuple[Any, ...]) -> bool:
    """Whether the positional arguments of `Executor.build` are those that `AskedOperation` reads."""
    return _BUILDS_AS_KNOWN and len(given) == len(_OF_BUILD)


def _copy_of_variables(variables: Any) -> Any:  # noqa: ANN401 - whatever a caller sent
    """Return a copy of variables.

    The executor may be built only after the cache was asked, and keys are printed from what was sent. Until then,
    the caller's code may change its object.
    """
    if type(variables) is not dict:
        return variables
    try:
        return _copied(variables)
    except RecursionError:  # graphql-core reports it
        return variables


def _copied(value: Any) -> Any:  # noqa: ANN401 - whatever a client sent
    if type(value) is dict:
        copied = dict(value)
        for name, each in value.items():
            if type(each) in _NESTED:
                copied[name] = _copied(each)
        return copied
    return [_copied(each) if type(each) in _NESTED else each for each in value]


class AskedOperation:
    """An operation that is to be executed. Its executor may be built only when it is needed.

    Attributes:
        kind: The class of the executor.
        build: Builds the executor, with a copy of the variables; what it raises is no fault of this package.
        built: The executor, once it is built; None before.
        schema: The executable schema.
        document: The document.
        operation_name: The name of the operation; None for the only one.
        variables: The variables as they were sent, copied; None if there are none, or they are not known.
        context_value: The context that resolvers receive.
        root_value: The root value.
        operation_extensions: What the client sent as ``extensions``.
        middleware_manager: Puts graphql-core's middleware around resolvers; None without any.
        is_postponed: Whether its executor is built only if the cache does not have the answer.
        is_synchronous: Whether it must end without awaiting.
        known: What is remembered of such a request, for the run that answers it.
        original: Tells whether the variables were changed while they were coerced, for the run that answers it.
    """

    __slots__ = (
        "build",
        "built",
        "context_value",
        "document",
        "is_postponed",
        "is_synchronous",
        "kind",
        "known",
        "middleware_manager",
        "operation_extensions",
        "operation_name",
        "original",
        "root_value",
        "schema",
        "variables",
    )

    def __init__(
        self,
        kind: "type[CachingExecutor]",
        build: "Callable[..., list[GraphQLError] | Executor[Any]]",
        given: tuple[Any, ...],
        named: dict[str, Any],
    ) -> None:
        self.kind = kind
        self.built: Executor[Any] | None = None
        self.schema: GraphQLSchema = given[0]
        self.document: DocumentNode = given[1]
        self.root_value: object = given[2]
        self.context_value: object = given[3]
        self.variables: Any = _copy_of_variables(given[_VARIABLES])
        own = (*given[:_VARIABLES], self.variables, *given[_VARIABLES + 1 :])
        self.build = partial(build, *own, **named)
        self.operation_name: str | None = given[5]
        self.middleware_manager: Any = given[11]
        self.is_synchronous = given[13] is not None and not takes_async(given[13])
        self.operation_extensions: object = named.get("operation_extensions")
        self.is_postponed = False
        self.known: Any = None
        self.original: Any = None

    @classmethod
    def ahead(
        cls, context: ExecutionContext, sent: object, *, is_synchronous: bool
    ) -> "AskedOperation":
        """Return the operation that Strawberry is about to execute, before its executor is asked for.

        Args:
            context: Strawberry's execution context.
            sent: What the client sent as ``extensions``.
            is_synchronous: Whether it must end without awaiting.
        """
        asked = cls.__new__(cls)
        asked.kind = context.schema.execution_context_class  # type: ignore[assignment] # another class is asked nothing
        asked.built = None
        asked.document = context.graphql_document  # type: ignore[assignment] # it was validated
        asked.root_value = context.root_value
        asked.context_value = context.context
        asked.variables = context.variables
        asked.operation_name = context.operation_name
        asked.middleware_manager = None
        asked.is_synchronous = is_synchronous
        asked.operation_extensions = sent
        asked.known = None
        return asked

    @classmethod
    def of(
        cls, executor: "CachingExecutor", document: DocumentNode, before: "AskedOperation | None"
    ) -> "AskedOperation":
        """Return the operation of an executor.

        Args:
            executor: The executor.
            document: Its document.
            before: The operation as it was before the executor was built; None if it is not known.
        """
        if before is not None and before.known is not None:
            before.built = executor
            return before
        asked = cls.__new__(cls)
        asked.kind = type(executor)
        asked.built = executor
        asked.schema = executor.schema
        asked.document = document
        asked.root_value = executor.root_value
        asked.context_value = executor.context_value
        asked.variables = None if before is None else before.variables
        asked.operation_name = None if before is None else before.operation_name
        asked.original = None if before is None else before.original
        asked.middleware_manager = executor.middleware_manager
        asked.is_synchronous = is_synchronous(executor)
        asked.operation_extensions = getattr(executor, "operation_extensions", None)
        asked.known = None
        return asked

    @property
    def executor(self) -> Executor[Any]:
        """The executor, built on demand.

        Raises:
            NotBuiltError: If graphql-core finds errors in the request.
        """
        if self.built is None:
            built = self.build()
            if not isinstance(built, Executor):
                raise NotBuiltError
            self.built = built
        return self.built


class NotBuiltError(Exception):
    """No executor is built for a request with errors."""
