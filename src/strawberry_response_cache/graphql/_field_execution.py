"""Executes fields that have entries of their own.

graphql-core lets an executor answer a field. On a miss the field is executed by an executor of its own,
a copy that shares everything but what it records: errors, restrictions and objects below the field are
the field's. Executions without such fields are left as they are.
"""

import asyncio
import copy
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from graphql import ExecutionResult, GraphQLError, GraphQLObjectType, get_argument_values
from graphql.execution import Executor
from graphql.execution.executor import CollectedErrors
from graphql.pyutils import Path

from strawberry_response_cache.graphql._faces import is_synchronous
from strawberry_response_cache.graphql._faults import fault
from strawberry_response_cache.graphql._fields import Fields, Use
from strawberry_response_cache.graphql._key import UnkeyableError
from strawberry_response_cache.graphql._passage import (
    Admitted,
    Passed,
    pass_through,
    pass_through_sync,
)
from strawberry_response_cache.graphql._policy import Life
from strawberry_response_cache.graphql._reasons import Problem, Reason
from strawberry_response_cache.graphql._recorder import Recorder, recorder_in
from strawberry_response_cache.graphql._resolving import is_allowed
from strawberry_response_cache.graphql._templates import Template, UnfilledError

logger = logging.getLogger("strawberry_response_cache")

_INSTALLED: Final = (
    "complete_list_value",
    "complete_object_value",
    "execute_field",
    "execute_fields",
)

Where: TypeAlias = tuple[GraphQLObjectType, Any, Any, Path, Any]
"""What graphql-core says of a field: parent type, parent, details, path, position."""


def install(fields: Fields, executor: Executor[Any]) -> None:
    """Answer fields of an execution; on the instance, so that others cost nothing.

    Args:
        fields: Those of the operation.
        executor: The execution.
    """
    _Execution(fields, executor, fields.around).install()


class CompletedField(ExecutionResult):
    """What a field came to when it was executed.

    Attributes:
        collected: The errors below it, and where they are.
        raised: The error that passes through it, since it cannot be null.
    """

    __slots__ = ("collected", "raised")

    def __init__(
        self,
        data: Any,  # noqa: ANN401 - whatever a field completes to
        collected: "Sequence[tuple[GraphQLError, Path | None]]" = (),
        raised: GraphQLError | None = None,
    ) -> None:
        errors = [error for error, _ in collected] + ([] if raised is None else [raised])
        super().__init__(data, errors or None)
        self.collected = collected
        self.raised = raised

    def __repr__(self) -> str:
        """Say what kind of thing it is; its data is the user's."""
        return f"CompletedField({len(self.collected)} errors)"


class _Known(NamedTuple):
    """What is known of a field of an execution.

    Attributes:
        details: graphql-core's, kept alive.
        use: How it is answered from entries of its own.
        templates: Its tags with holes, which are of what holds it.
    """

    details: object
    use: Use | None
    templates: Sequence[Template]


class _Execution:
    """One executor whose fields are answered, and its executors of single fields.

    Args:
        fields: Those of the operation.
        executor: It.
        around: How long what it executes lives; None where that is not stored.
    """

    __slots__ = ("_around", "_execute", "_executor", "_fields", "_is_sync", "_known")

    def __init__(self, fields: Fields, executor: Executor[Any], around: Life | None) -> None:
        self._fields = fields
        self._executor = executor
        self._around = around
        self._execute = executor.execute_field
        self._is_sync = is_synchronous(executor)
        # By identity; each is kept alive beside, so that its id cannot be used again.
        self._known: dict[int, _Known] = {}

    def install(self) -> None:
        """Answer the executor's fields from here on."""
        self._install(self.answer)
        if not self._is_sync:
            executor: Any = self._executor
            executor.execute_fields = self._fields.foresight(executor, self._admitted).root_fields

    def _install(self, answer: Callable[..., Any]) -> None:
        # Of this one executor, so that others cost nothing.
        executor: Any = self._executor
        executor.execute_field = answer
        if self._is_sync:
            foresight = self._fields.foresight(executor, self._admitted)
            executor.execute_fields = foresight.fields
            executor.complete_list_value = foresight.items

    def _admitted(
        self,
        parent: GraphQLObjectType,
        source: object,
        details: Any,  # noqa: ANN401 - graphql-core's own
        path: Path,
    ) -> Admitted | None:
        """Return the way through the cache that a field will go, if it goes one."""
        use = self._of(parent, details).use
        admitted = None if use is None else use.admit(source, path)
        return admitted if isinstance(admitted, Admitted) else None

    def answer(
        self,
        parent: GraphQLObjectType,
        source: Any,  # noqa: ANN401 - whatever resolvers return
        details: Any,  # noqa: ANN401 - graphql-core's own
        path: Path,
        position: Any,  # noqa: ANN401 - graphql-core's own
    ) -> Any:  # noqa: ANN401 - a completed value, or an awaitable of one
        """Answer a field from its entry, or execute it."""
        known = self._of(parent, details)
        if known.templates:
            self._fill(known.templates, (parent, source, details, path, position))
        use = known.use
        if use is None:
            return self._execute(parent, source, details, path, position)
        where = (parent, source, details, path, position)
        admitted = _DOWN if self._fields.ahead.is_down else use.admit(source, path)
        if isinstance(admitted, Problem):
            return self._without(use, admitted, where)
        if self._is_sync:
            return self._answer_sync(use, admitted, where)
        # Begun at once, so that all the look-ups of a level leave together.
        return asyncio.ensure_future(self._answer_async(use, admitted, where))

    def _of(self, parent: GraphQLObjectType, details: Any) -> "_Known":  # noqa: ANN401 - graphql-core's own
        known = self._known.get(id(details))
        if known is None:
            known = self._known[id(details)] = self._learn(parent, details)
        return known

    def _learn(self, parent: GraphQLObjectType, details: Any) -> "_Known":  # noqa: ANN401 - graphql-core's own
        rule = self._fields.rule(parent, details)
        templates = () if rule is None else rule.templates
        try:
            use = self._fields.use(self._executor, parent, details)
        except (RecursionError, UnkeyableError):
            use = None  # nested too deeply to be told apart
        except Exception as error:  # noqa: BLE001 - a fault of the cache is never the request's
            fault(error)
            use = None
        if use is not None and self._around is not None:
            use = use if use.plan.policy.life.outlives(self._around) else None
        return _Known(details, use, templates)

    def _fill(self, templates: Sequence[Template], where: Where) -> None:
        """Note the tags of what is executed here, filled from arguments and parent."""
        recorder = recorder_in(self._executor)
        if recorder is None:
            return
        parent, source, details, _, _ = where
        try:
            raw, coerced = self._call_of(where)
            values = {
                "parent": source,
                "args": self._fields.resolving().arguments(raw, source, coerced),
            }
            for template in templates:
                recorder.tags.update(template.fill(values))
        except Exception as error:  # noqa: BLE001 - arguments that do not fit raise again where they are used
            if isinstance(error, UnfilledError):
                logger.error(  # noqa: TRY400 - the error holds nothing more
                    "A tag of cache_control could not be filled (%s); not cached.",
                    error,
                    extra={"response_cache.field": f"{parent.name}.{details[0].node.name.value}"},
                )
            recorder.refuse(Reason.TAG_UNFILLED)

    def _without(self, use: Use, problem: Problem, where: Where) -> Any:  # noqa: ANN401 - as `answer`
        """Execute a field without the cache, as part of what holds it."""
        self._fields.note(use.plan.rule.coordinate, problem)
        return self._execute(*where)

    # -- Through the cache -------------------------------------------------------------------------------

    def _answer_sync(self, use: Use, admitted: Admitted, where: Where) -> Any:  # noqa: ANN401 - as `answer`
        policy = use.plan.policy

        def execute(recorder: Recorder) -> ExecutionResult:
            alone = self._alone(use)
            _note_parent(recorder, where)
            with recorder.recording(alone, policy.never_stored, policy.types):
                try:
                    return self._completed_of(use, recorder, alone, alone.execute_field(*where))
                except GraphQLError as error:
                    return self._completed(alone, None, error)

        passed = pass_through_sync(admitted, self._fields.request, execute, self._fields.ahead)
        if _is_to_be_checked(use, passed) and not self._lets_pass_sync(where):
            passed = _REFUSED
        if isinstance(passed, Problem):
            return self._without(use, passed, where)
        return self._deliver(use, passed)

    async def _answer_async(self, use: Use, admitted: Admitted, where: Where) -> Any:  # noqa: ANN401 - as `answer`
        policy = use.plan.policy

        async def execute(recorder: Recorder) -> ExecutionResult:
            alone = self._alone(use)
            _note_parent(recorder, where)
            with recorder.recording(alone, policy.never_stored, policy.types):
                try:
                    completed = alone.execute_field(*where)
                    if alone.is_awaitable(completed):
                        completed = await completed
                except GraphQLError as error:
                    return self._completed(alone, None, error)
                return self._completed_of(use, recorder, alone, completed)

        passed = await pass_through(admitted, self._fields.request, execute, self._fields.ahead)
        if _is_to_be_checked(use, passed) and not await self._lets_pass(where):
            passed = _REFUSED
        if isinstance(passed, Problem):
            completed = self._without(use, passed, where)
            return await completed if self._executor.is_awaitable(completed) else completed
        return self._deliver(use, passed)

    def _alone(self, use: Use) -> Any:  # noqa: ANN401 - an executor, of which some is exchanged
        """Return an executor for one field, which records what happens below it."""
        executor: Any = copy.copy(self._executor)
        for name in _INSTALLED:
            vars(executor).pop(name, None)
        executor.collected_errors = _Errors()
        # Resolvers are told apart by the variables that their `info` brings.
        variables = self._executor.variable_values
        executor.variable_values = variables._replace(coerced=dict(variables.coerced))
        _Execution(self._fields, executor, use.plan.policy.life).install_below(executor)
        return executor

    def install_below(self, executor: Any) -> None:  # noqa: ANN401 - an executor
        """Answer the fields below the one that an executor is for; that one itself it executes."""

        def first(*where: Any) -> Any:  # noqa: ANN401 - as `answer`
            executor.execute_field = self.answer
            parent, _, details, _, _ = where
            if (rule := self._fields.rule(parent, details)) is not None and rule.templates:
                self._fill(rule.templates, where)
            return self._execute(*where)

        self._install(first)

    def _completed_of(
        self,
        use: Use,
        recorder: Recorder,
        alone: Executor[Any],
        value: Any,  # noqa: ANN401 - whatever a field completes to
    ) -> CompletedField:
        if use.plan.rule.guarded_silently and not value:
            # It may be what the permission classes say to somebody whom they refuse.
            recorder.refuse(Reason.GUARDED)
        return self._completed(alone, value)

    @staticmethod
    def _completed(
        alone: Executor[Any],
        value: Any,  # noqa: ANN401 - whatever a field completes to
        raised: GraphQLError | None = None,
    ) -> CompletedField:
        collected = alone.collected_errors
        pairs = collected.pairs if isinstance(collected, _Errors) else []
        return CompletedField(value, pairs, raised)

    def _deliver(self, use: Use, passed: Passed) -> Any:  # noqa: ANN401 - a completed value
        """Hand a field's value on, and its errors as if it had been executed in place."""
        if self._fields.outcomes is not None:
            self._fields.outcomes.add(use.plan.rule.coordinate, passed.outcome())
        result = passed.result
        if isinstance(result, CompletedField):
            for error, path in result.collected:
                self._executor.collected_errors.add(error, path)
            if result.raised is not None:
                raise result.raised
        return result.data

    # -- Guards ------------------------------------------------------------------------------------------

    def _check(self, where: Where) -> Any:  # noqa: ANN401 - see `Resolving`
        raw, coerced = self._call_of(where)
        return self._fields.resolving().check(raw, where[1], coerced)

    def _call_of(self, where: Where) -> tuple[Any, dict[str, Any]]:
        """Return what the field's resolver would be called with, as graphql-core has it."""
        parent, _, details, path, _ = where
        definition = parent.fields[details[0].node.name.value]
        raw = self._executor.build_resolve_info(
            definition, [each.node for each in details], parent, path
        )
        variables = self._executor.variable_values
        return raw, get_argument_values(definition, details[0].node, variables)

    def _lets_pass_sync(self, where: Where) -> bool:
        """Whether the field's permission classes let this request have what is stored."""
        try:
            return is_allowed(self._check(where))
        except Exception:  # noqa: BLE001 - the user's own check; executed in place, it raises to the request
            return False

    async def _lets_pass(self, where: Where) -> bool:
        """Whether the field's permission classes let this request have what is stored."""
        try:
            answer = self._check(where)
            return is_allowed(await answer if self._executor.is_awaitable(answer) else answer)
        except Exception:  # noqa: BLE001 - as above
            return False


def _is_to_be_checked(use: Use, passed: Passed | Problem) -> bool:
    """Whether the permission classes have yet to run: they did where the field was executed."""
    return use.plan.rule.guarded and isinstance(passed, Passed) and not passed.is_own


def _note_parent(recorder: Recorder, where: Where) -> None:
    """Note the object that a field is of: a purge of it reaches the field's entry."""
    parent, source, _, path, _ = where
    if path.prev is not None:
        recorder.entities.add(parent, source)


class _Errors(CollectedErrors):
    """Errors, and where each was, to be told to the execution around."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[GraphQLError, Path | None]] = []

    def add(self, error: GraphQLError, path: Path | None) -> None:
        """Note an error, unless what it is of is null already."""
        if not self.has_nulled_position(path):
            self.pairs.append((error, path))
        super().add(error, path)


_DOWN = Problem(Reason.STORE_FAILURE, None, Reason.STORE_FAILURE.advice)
_REFUSED = Problem(
    Reason.GUARDED, None, "The field's permission classes refused what is stored to this request."
)
