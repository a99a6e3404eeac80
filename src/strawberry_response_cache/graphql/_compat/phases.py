"""The phases of a request, entered without a generator and an exit stack where no other extension has a hook.

Four times in each request, Strawberry makes a context manager of the hook of each extension, and a stack to leave them
in order. That takes longer than what this package does in its hooks. Where its extension is the only one with a
hook, that is called directly; anywhere else, Strawberry calls all hooks.
"""

import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Final

from strawberry.extensions import SchemaExtension
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema import BaseSchema
from strawberry.types import ExecutionContext

from strawberry_response_cache.graphql._compat.endings import (
    Exchanged,
    Operation,
    Settling,
    exchange,
    watch_streams,
)
from strawberry_response_cache.graphql._guard import Guard

_HOOKS: Final = ("on_operation", "on_parse", "on_validate", "on_execute")
_DEFAULTS: Final = {name: getattr(SchemaExtension, name) for name in _HOOKS}


class Phased(Settling):
    """The part of a request that acts in its phases.

    Attributes:
        guard: The guard of the request.
    """

    guard: Guard

    @abstractmethod
    def parse(self) -> None:
        """Act before the text is parsed."""

    @abstractmethod
    def validate(self) -> None:
        """Act before the document is validated."""

    @abstractmethod
    def end_validation(self) -> None:
        """Act when the document was validated."""

    @abstractmethod
    def begin_execution(self) -> None:
        """Act before the operation is executed."""

    @abstractmethod
    def end_execution(self) -> None:
        """Act when it was executed, whatever was raised."""


def watch_phases(schema: BaseSchema) -> None:
    """Make a schema enter the phases of each request directly where it can, and settle each request at its end."""
    exchange(schema, "create_extensions_runner", _CreateRunner)
    watch_streams(schema)


class _CreateRunner(Exchanged):
    def __call__(
        self, execution_context: ExecutionContext, extensions: list[Any]
    ) -> SchemaExtensionsRunner:
        create = self.original(execution_context)
        runner: SchemaExtensionsRunner = create(execution_context, extensions)
        settling = [each for each in extensions if isinstance(each, Phased)]
        if not settling:
            return runner
        if type(runner) is SchemaExtensionsRunner:
            runner.__class__ = PhasesRunner  # it has no other state; `create` may be anybody's
            known = weakref.ref(runner)
            for each in settling:
                each.runner = known
        # Another one may have hooks of its own. Otherwise each settles when its own results are requested.
        elif isinstance(runner, SchemaExtensionsRunner):
            runner.operation = _of_runner(runner.operation, settling)  # type: ignore[assignment, method-assign]
        return runner


def _of_runner(operation: Any, settling: Iterable[Settling]) -> Callable[[], Operation]:  # noqa: ANN401 - a bound method, unless somebody else replaced it
    """Return the replacement of a runner's `operation`. It refers to the runner weakly."""
    owner, method = getattr(operation, "__self__", None), getattr(operation, "__func__", None)
    if owner is None or method is None:
        return lambda: Operation(operation(), settling)
    alive = weakref.ref(owner)
    return lambda: Operation(method(alive()), settling)


class PhasesRunner(SchemaExtensionsRunner):
    """Strawberry's runner, for the extensions of one request with one or more of this package."""

    def operation(self) -> Any:  # noqa: ANN401 - Strawberry's, or one like it
        """Return what is entered around the whole operation, and settles at its end."""
        alone = _alone("on_operation", self.extensions)
        if alone is not None:  # its own hook does nothing where the end is watched
            return Operation(None, (alone,))
        settling = [each for each in self.extensions if isinstance(each, Phased)]
        return Operation(super().operation(), settling)

    def parsing(self) -> Any:  # noqa: ANN401 - Strawberry's, or one like it
        """Return what is entered around the parsing."""
        alone = _alone("on_parse", self.extensions)
        return super().parsing() if alone is None else _Parsing(alone)

    def validation(self) -> Any:  # noqa: ANN401 - Strawberry's, or one like it
        """Return what is entered around the validation."""
        alone = _alone("on_validate", self.extensions)
        return super().validation() if alone is None else _Validation(alone)

    def executing(self) -> Any:  # noqa: ANN401 - Strawberry's, or one like it
        """Return what is entered around the execution."""
        alone = _alone("on_execute", self.extensions)
        return super().executing() if alone is None else _Executing(alone)


def _alone(hook: str, extensions: Sequence[SchemaExtension]) -> Phased | None:
    """Return this package's extension, if it is the only one with a hook; else None."""
    if len(extensions) == 1 and isinstance(extensions[0], Phased):
        return extensions[0]
    default, found = _DEFAULTS[hook], None
    for each in extensions:
        if getattr(type(each), hook) is not default:
            if found is not None or not isinstance(each, Phased):
                return None
            found = each
    return found


class _Phase:
    __slots__ = ("_of",)

    def __init__(self, of: Phased) -> None:
        self._of = of

    def __enter__(self) -> None:
        self.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(kind)

    async def __aenter__(self) -> None:
        self.begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(kind)

    def begin(self) -> None:
        """Do what comes before the phase."""
        raise NotImplementedError

    def end(self, kind: type[BaseException] | None) -> None:
        """Do what comes after it."""


class _Parsing(_Phase):
    __slots__ = ()

    def begin(self) -> None:
        self._of.guard.step(self._of.parse)


class _Validation(_Phase):
    __slots__ = ()

    def begin(self) -> None:
        self._of.guard.step(self._of.validate)

    def end(self, kind: type[BaseException] | None) -> None:
        if kind is None:
            self._of.guard.step(self._of.end_validation)


class _Executing(_Phase):
    __slots__ = ()

    def begin(self) -> None:
        self._of.begin_execution()

    def end(self, kind: type[BaseException] | None) -> None:  # noqa: ARG002 - whatever was raised
        self._of.end_execution()
