"""The phases of a request, entered without a generator and an exit stack where no other extension has a hook.

Four times in each request, Strawberry makes a context manager of the hook of each extension, and a stack to leave them
in order. That takes longer than what this package does in its hooks. Where its extension is the only one with a
hook, that is called directly; anywhere else, Strawberry calls all hooks.
"""

import functools
import weakref
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol

from strawberry.extensions import SchemaExtension
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema import BaseSchema
from strawberry.types import ExecutionContext

from strawberry_response_cache.graphql._compat.endings import (
    Exchanged,
    SettledOperation,
    Settling,
    exchange,
    watch_streams,
)
from strawberry_response_cache.graphql._compat.private_names import with_resolve_hook
from strawberry_response_cache.graphql._guard import Guard


class _Alone(NamedTuple):
    """The position of this package's extension, for each hook that no other extension has; None for other hooks."""

    on_operation: int | None
    on_parse: int | None
    on_validate: int | None
    on_execute: int | None
    leads_to_executor: bool
    """Whether no other extension acts between `on_execute` and the first resolver, or around resolvers."""


class Preparing(Protocol):
    """What acts before the execution, where no other extension acts in the same phase."""

    def parse(self) -> None:
        """Act before the text is parsed."""
        ...

    def validate(self) -> bool:
        """Act before the document is validated; return whether `restore_rules` has to be called."""
        ...

    def restore_rules(self) -> None:
        """Act after the document was validated."""
        ...


class Phased(Settling):
    """The part of a request that acts in its phases."""

    guard: Guard
    preparation: Preparing | None

    def begin_execution(self) -> None:
        """Act before the operation is executed."""
        raise NotImplementedError

    def answer_ahead(self, is_synchronous: bool) -> None:  # noqa: FBT001 - a step takes no names
        """Set the result of the operation, if its executor is not needed for that."""
        raise NotImplementedError

    def end_execution(self) -> None:
        """Act after the operation was executed, also if it raised."""
        raise NotImplementedError


def watch_phases(schema: BaseSchema) -> None:
    """Make a schema enter the phases of each request directly where it can, and call `settle` at its end."""
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
            runner.alone = _alone(*map(type, runner.extensions))  # type: ignore[attr-defined] # it has just become one
            known = weakref.ref(runner)
            for each in settling:
                each.runner = known
        # A runner of another class may have hooks of its own, so only its `operation` is replaced. Where that is
        # impossible, each extension settles when its own results are requested.
        elif isinstance(runner, SchemaExtensionsRunner):
            runner.operation = _of_runner(runner.operation, settling)  # type: ignore[assignment, method-assign]
        return runner


def _of_runner(operation: Any, settling: Iterable[Settling]) -> Callable[[], SettledOperation]:  # noqa: ANN401 - a bound method, unless somebody else replaced it
    """Return the replacement of a runner's `operation`. It refers to the runner weakly."""
    owner, method = getattr(operation, "__self__", None), getattr(operation, "__func__", None)
    if owner is None or method is None:
        return lambda: SettledOperation(operation(), settling)
    alive = weakref.ref(owner)
    return lambda: SettledOperation(method(alive()), settling)


class PhasesRunner(SchemaExtensionsRunner):
    """Strawberry's runner, for the extensions of one request with one or more of this package.

    What is done before a phase is done here, directly before Strawberry enters it.
    """

    alone: _Alone

    def operation(self) -> Any:  # noqa: ANN401 - Strawberry's, or one like it
        """Return the context manager around the whole operation, which calls `settle` at its end."""
        if (at := self.alone.on_operation) is not None:
            # Its own hook does nothing where the end is watched.
            return SettledOperation(None, (self.extensions[at],))  # type: ignore[arg-type] # see `_alone`
        settling = [each for each in self.extensions if isinstance(each, Phased)]
        return SettledOperation(super().operation(), settling)

    def parsing(self) -> Any:  # noqa: ANN401 - Strawberry's, or one like it
        """Return the context manager around the parsing."""
        if (at := self.alone.on_parse) is None:
            return super().parsing()
        own: Any = self.extensions[at]
        if own.preparation is not None:
            own.guard.step(own.preparation.parse)
        return _NOTHING_LEFT

    def validation(self) -> Any:  # noqa: ANN401 - Strawberry's, or one like it
        """Return the context manager around the validation."""
        if (at := self.alone.on_validate) is None:
            return super().validation()
        own: Any = self.extensions[at]
        prepared = own.preparation
        if prepared is None or not own.guard.step(prepared.validate):
            return _NOTHING_LEFT
        return _Phase(partial(own.guard.step, prepared.restore_rules))

    def executing(self) -> Any:  # noqa: ANN401 - Strawberry's, or one like it
        """Return the context manager around the execution."""
        if (at := self.alone.on_execute) is None:
            return super().executing()
        own: Any = self.extensions[at]
        own.begin_execution()
        if self.alone.leads_to_executor:
            return _ExecutionPhase(own)
        return _Phase(own.end_execution)


@functools.lru_cache(512)
def _alone(*kinds: type[SchemaExtension]) -> _Alone:
    """Return for which hooks this package's extension is the only one."""

    def place(hook: str) -> int | None:
        default = getattr(SchemaExtension, hook)
        having = [at for at, kind in enumerate(kinds) if getattr(kind, hook) is not default]
        return having[0] if len(having) == 1 and issubclass(kinds[having[0]], Phased) else None

    at = place("on_execute")
    is_resolving = bool(with_resolve_hook(kinds))
    return _Alone(
        place("on_operation"),
        place("on_parse"),
        place("on_validate"),
        at,
        leads_to_executor=at is not None and not is_resolving,
    )


class _Phase:
    """A phase that has begun; ``end`` is called at its end, also if something was raised."""

    __slots__ = ("_end",)

    def __init__(self, end: Callable[[], object]) -> None:
        self._end = end

    def __enter__(self) -> None:
        """Do nothing: see `PhasesRunner`."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    async def __aenter__(self) -> None:
        """Do nothing: see `PhasesRunner`."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()


class _ExecutionPhase(_Phase):
    """The execution, which may be answered as soon as it is entered; only ``async with`` may await."""

    __slots__ = ("_own",)

    def __init__(self, own: Phased) -> None:
        self._end = own.end_execution
        self._own = own

    def __enter__(self) -> None:
        """Answer a synchronous operation, if that needs no executor."""
        self._own.guard.step(self._own.answer_ahead, True)  # noqa: FBT003 - as above

    async def __aenter__(self) -> None:
        """Answer an operation, if that needs no executor."""
        self._own.guard.step(self._own.answer_ahead, False)  # noqa: FBT003 - as above


_NOTHING_LEFT: Final = nullcontext()
