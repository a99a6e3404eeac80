"""Executes fields with entries of their own.

An executor of graphql-core can answer single fields. On a miss, a copy of the executor executes the field.
It shares everything except for the recording: errors, restrictions and objects below the field belong to the
field. Executions without such fields are not changed.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from graphql import GraphQLObjectType
from graphql.execution import Executor
from graphql.pyutils import Path

from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.graphql._compat.executor import uninstall
from strawberry_response_cache.graphql._compat.sync_or_async import is_synchronous
from strawberry_response_cache.graphql._guard import Execution, ExecutionRaisedError, Later
from strawberry_response_cache.graphql.annotations.field_path import FieldPath
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest, CacheResult
from strawberry_response_cache.graphql.execution.cached_execution import (
    execute_cached,
    execute_cached_sync,
)
from strawberry_response_cache.graphql.execution.fields.cached_entity import requests_of
from strawberry_response_cache.graphql.execution.fields.cached_field import CachedField, Fields
from strawberry_response_cache.graphql.execution.fields.completed_field import (
    CompletedField,
    FieldErrors,
)
from strawberry_response_cache.graphql.execution.fields.entity_execution import EntityExecution
from strawberry_response_cache.graphql.execution.fields.field_call import Where
from strawberry_response_cache.graphql.execution.fields.field_guards import (
    FieldGuards,
    is_to_be_checked,
)
from strawberry_response_cache.graphql.execution.fields.filled_tags import fill_tags
from strawberry_response_cache.graphql.execution.fields.inherited import known_above
from strawberry_response_cache.graphql.execution.fields.known_field import KnownField
from strawberry_response_cache.graphql.execution.fields.level import Levels
from strawberry_response_cache.graphql.execution.fields.representations import (
    note_representations,
)
from strawberry_response_cache.graphql.execution.fields.room import deepest_entry
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.execution.verified_run import VerifiedRun
from strawberry_response_cache.graphql.http.gateway_tags import ENTITIES
from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError
from strawberry_response_cache.graphql.policy.policy import Life, Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

_PARAMETERS: Final = 5


def install(fields: Fields, executor: Executor[Any]) -> bool:
    """Answer fields of an execution.

    Args:
        fields: The fields of the operation with entries of their own.
        executor: The execution.

    Returns:
        Whether they are: an operation may be nested so deeply that it would not be answered then.
    """
    deepest = deepest_entry(fields.depth)
    if deepest:
        _Execution(fields, executor, fields.around, deepest).install(is_whole=True)
    return deepest > 0


class _Execution:
    """One executor whose fields are answered, and the executors of single fields.

    Args:
        fields: The fields of the operation with entries of their own.
        executor: The executor.
        around: The life of the entry that holds its result; None if there is none.
        left: How deep fields with entries of their own can still be nested; deeper fields are parts of
            the last one.
        has_templates: Whether there are tags with placeholders to fill, although none is left.
    """

    __slots__ = (
        "_around",
        "_execute",
        "_executor",
        "_fields",
        "_guard",
        "_guards",
        "_has_templates",
        "_is_sync",
        "_known",
        "_left",
        "_levels",
    )

    def __init__(
        self,
        fields: Fields,
        executor: Executor[Any],
        around: Life | None,
        left: int,
        *,
        has_templates: bool = False,
    ) -> None:
        self._left = left
        self._has_templates = has_templates
        self._fields = fields
        self._guard = fields.request.guard
        self._executor = executor
        self._around = around
        self._execute = executor.execute_field
        self._guards = FieldGuards(fields, executor)
        self._is_sync = is_synchronous(executor) or running_loop() is None
        # By identity; each object is kept alive, so that its id is not used again.
        self._known: dict[int, KnownField] = {}
        self._levels: Levels | None = None

    def install(self, *, is_whole: bool) -> None:
        """Answer the executor's fields; only this object is changed, so that others cost nothing.

        Args:
            is_whole: Whether it executes the operation and not one field.
        """
        if not self._left and not self._has_templates:
            return
        executor: Any = self._executor
        executor.execute_field = self._answer_or_execute
        if not self._left:
            return
        prefetch = self._fields.prefetch(executor, self._cache_requests)
        if self._is_sync:
            executor.execute_fields = prefetch.fields
            executor.complete_list_value = prefetch.items
            return
        self._levels = Levels(executor, self._fields, lambda *at: self._of(*at).cached_field)
        executor.complete_list_value = self._levels.complete_list
        if is_whole:
            executor.execute_fields = prefetch.root_fields

    def _cache_requests(
        self,
        parent: GraphQLObjectType,
        source: object,
        details: Any,  # noqa: ANN401 - graphql-core's own
        path: Path,
    ) -> Iterable[CacheRequest]:
        """Return the cache requests of a field: its own, or those of the objects that a gateway asks for."""
        if _asks_for_entities(path, details) and (entities := self._fields.entities) is not None:
            where = parent, source, details, path, None
            if found := entities.representations(self._executor, where):
                return requests_of(found)
        cached_field = self._of(parent, details, path).cached_field
        cache_request = None if cached_field is None else cached_field.admit(source, path)
        return (cache_request,) if isinstance(cache_request, CacheRequest) else ()

    def _answer_or_execute(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - graphql-core calls it: see `Where`
        if named or len(given) != _PARAMETERS:  # an executor of the user's own
            return self._execute(*given, **named)
        parent, source, details, path, position = given
        known = self._known.get(id(details))
        if details[0].node.selection_set is not None:
            try:
                path = FieldPath.of(path, parent, source)
                path.above = None if known is None else known.hands_down
                if path.prev is None and _asks_for_entities(path, details):
                    note_representations(path, self._executor, given)
            except Exception as error:  # noqa: BLE001 - nothing of the request is stored then
                self._guard.note(error)
            where: Where = (parent, source, details, path, position)
            if self._fields.entities and (asked := self._guard.step(self._entities, where)):
                return self._guard.around(asked.rest, asked.answer, at_once=True)
        if known is not None and known.is_plain:
            if known.problem is not None:
                self._guard.step(self._fields.note, known.coordinate, known.problem)
            return self._execute(parent, source, details, path, position)
        if known is not None and known.can_be_left_out and self._fields.left <= 0:
            self._guard.step(self._note_left_out, known)
            return self._execute(parent, source, details, path, position)
        levels = self._levels
        if levels is not None and (hit := self._guard.step(levels.hit, path)) is not None:
            return hit.data
        where = (parent, source, details, path, position)
        # Started at once, so that the lookups of a level go out together.
        execute = partial(self._execute, *where)
        return self._guard.around(execute, partial(self._answer, where), at_once=True)

    def _entities(self, where: Where) -> EntityExecution | None:
        """Return the execution of what a gateway asks for; None if it is executed as any other field."""
        parent, _, details, path, _ = where
        entities = self._fields.entities
        if entities is None or not _asks_for_entities(path, details):
            return None
        if not isinstance(path, FieldPath) or not entities.representations(self._executor, where):
            return None
        path.above = self._of(parent, details, path).hands_down
        return EntityExecution(
            self._fields,
            self._executor,
            where,
            entities=entities,
            plain=partial(self._execute, *where),
            alone=self._alone_with,
            is_sync=self._is_sync,
        )

    def _note_left_out(self, known: KnownField) -> None:
        """Note a field that is executed in place, since so many others were looked up."""
        if known.cached_field is not None:
            self._fields.note(known.cached_field.plan.rule.coordinate, _TOO_MANY)

    def _answer(self, where: Where, execution: Execution) -> Any:  # noqa: ANN401 - a completed value, or one that comes later
        """Answer a field from its entry, or execute it."""
        parent, source, details, path, _ = where
        known = self._of(parent, details, path)
        if isinstance(path, FieldPath):
            path.above = known.hands_down
        if known.templates:
            fill_tags(known.templates, self._fields, self._executor, where)
        cached_field = known.cached_field
        if cached_field is None:
            if known.problem is not None:
                self._fields.note(known.coordinate, known.problem)
            return execution.start()
        cache_request = self._fields.admit(cached_field, source, path)
        if isinstance(cache_request, Problem):
            self._fields.note(cached_field.plan.rule.coordinate, cache_request)
            return execution.start()
        if self._is_sync:
            return self._answer_sync(cached_field, cache_request, where, execution)
        return Later(partial(self._answer_async, cached_field, cache_request, where, execution))

    def _of(self, parent: GraphQLObjectType, details: Any, path: Path) -> KnownField:  # noqa: ANN401 - graphql-core's own
        known = self._known.get(id(details))
        if known is None:
            known = self._known[id(details)] = self._learn(parent, details, path)
        return known

    def _learn(self, parent: GraphQLObjectType, details: Any, path: Path) -> KnownField:  # noqa: ANN401 - graphql-core's own
        rule = self._fields.rule(parent, details)
        templates = () if rule is None else rule.templates
        above = known_above(path)
        try:
            found = (
                None
                if above is None or not self._left
                else self._fields.cached_field(self._executor, parent, details, above)
            )
        except (RecursionError, UnkeyableError):
            found = None  # nested too deeply to be printed
        problem = found if isinstance(found, Problem) else None
        cached_field = None if isinstance(found, Problem) else found
        if cached_field is not None and self._around is not None:
            cached_field = (
                cached_field if cached_field.plan.policy.life.outlives(self._around) else None
            )
        return KnownField(
            details=details,
            coordinate="" if rule is None else rule.coordinate,
            cached_field=cached_field,
            problem=problem,
            templates=templates,
            hands_down=above if above is None or rule is None else above.below(rule),
            is_plain=cached_field is None and not templates,
            can_be_left_out=cached_field is not None and not templates,
        )

    # -- Through the cache -------------------------------------------------------------------------------

    def _answer_sync(
        self,
        cached_field: CachedField,
        cache_request: CacheRequest,
        where: Where,
        execution: Execution,
    ) -> Any:  # noqa: ANN401 - a completed value
        errors = FieldErrors(self._executor.collected_errors)

        def execute(recorder: Recorder) -> CompletedField:
            alone = self._alone(cached_field, errors, recorder)
            with self._recording(recorder, cached_field, alone, where, cache_request):
                try:
                    value = execution.start(partial(alone.execute, *where))
                except ExecutionRaisedError as raised:
                    return errors.completed(None, raised)
                return errors.completed(value)

        try:
            cache_result = execute_cached_sync(
                cache_request, self._fields.request, execute, self._fields.prefetched
            )
        except BaseException:
            errors.hand_on()  # what was executed counts, whatever became of the cache
            raise
        if is_to_be_checked(cached_field, cache_result):
            refusal = self._guards.refusal_sync(where)
            if refusal is not None:
                return execution.start(self._guards.refused(cached_field, where, refusal))
        if isinstance(cache_result, Problem):
            self._fields.note(cached_field.plan.rule.coordinate, cache_result)
            errors.hand_on()
            return execution.start()
        return self._deliver(cached_field, cache_result, errors)

    async def _answer_async(
        self,
        cached_field: CachedField,
        cache_request: CacheRequest,
        where: Where,
        execution: Execution,
    ) -> Any:  # noqa: ANN401 - a completed value
        errors = FieldErrors(self._executor.collected_errors)

        async def execute(recorder: Recorder) -> CompletedField:
            alone = self._alone(cached_field, errors, recorder)
            with self._recording(recorder, cached_field, alone, where, cache_request):
                try:
                    value = await execution.run(partial(alone.execute, *where))
                except ExecutionRaisedError as raised:
                    return errors.completed(None, raised)
                return errors.completed(value)

        try:
            cache_result = await execute_cached(
                cache_request, self._fields.request, execute, self._fields.prefetched
            )
        except BaseException:
            errors.hand_on()  # what was executed counts, whatever became of the cache
            raise
        if is_to_be_checked(cached_field, cache_result):
            refusal = await self._guards.refusal(where)
            if refusal is not None:
                return await execution.run(self._guards.refused(cached_field, where, refusal))
        if isinstance(cache_result, Problem):
            self._fields.note(cached_field.plan.rule.coordinate, cache_result)
            errors.hand_on()
            return await execution.run()
        return self._deliver(cached_field, cache_result, errors)

    def _alone(
        self, cached_field: CachedField, errors: FieldErrors, recorder: Recorder
    ) -> "_Alone":
        """Return the execution of one field, which records what happens below it."""
        is_verified = isinstance(recorder, VerifiedRun)
        executor = self._alone_with(cached_field.plan.policy, errors, is_verified=is_verified)
        return _Alone(executor, type(executor).execute_field.__get__(executor))

    def _alone_with(
        self, policy: Policy | None, errors: FieldErrors, *, is_verified: bool = False
    ) -> Executor[Any]:
        """Return an executor of one part of the operation, which records what happens below it.

        Args:
            policy: That of the entry of the part; None if it has none.
            errors: Receives its errors.
            is_verified: Whether nothing below it has an entry of its own.
        """
        executor: Any = copy.copy(self._executor)
        uninstall(executor)
        executor.collected_errors = errors
        # Resolvers are told apart by the variables that their `info` brings.
        variables = self._executor.variable_values
        executor.variable_values = variables._replace(coerced=dict(variables.coerced))
        life = None if policy is None else policy.life
        left = 0 if is_verified else self._left if policy is None else self._left - 1
        has_templates = policy is not None and policy.has_templates
        _Execution(self._fields, executor, life, left, has_templates=has_templates).install(
            is_whole=False
        )
        alone: Executor[Any] = executor
        return alone

    @contextmanager
    def _recording(
        self,
        recorder: Recorder,
        cached_field: CachedField,
        alone: "_Alone",
        where: Where,
        cache_request: CacheRequest,
    ) -> Iterator[None]:
        """Record the execution of one field, with its parent object and its tags."""
        if isinstance(recorder, VerifiedRun):
            parent, _, details, path, _ = where
            recorder.stand_at(parent, details, path)
        _note_parent(recorder, where)
        policy = cached_field.plan.policy
        with recorder.recording(alone.executor, policy):
            if templates := cached_field.plan.rule.templates:
                fill_tags(templates, self._fields, alone.executor, where)
            yield
        if not cache_request.is_as_admitted():
            recorder.refuse(Reason.RESTRICTED)

    def _deliver(
        self, cached_field: CachedField, cache_result: CacheResult, errors: FieldErrors
    ) -> Any:  # noqa: ANN401 - a completed value
        """Return a field's value and pass on its errors, or raise as the field would have raised without an entry."""
        self._fields.answered(cached_field.plan.rule.coordinate, cache_result)
        result = cache_result.result
        if isinstance(result, CompletedField):  # and not a value from before that stands in for it
            errors.hand_on()
            if result.raised is not None:
                raise result.raised
        return result.data


def _note_parent(recorder: Recorder, where: Where) -> None:
    """Note the parent object, so that its invalidation reaches the field's entry."""
    parent, source, _, path, _ = where
    if path.prev is not None:
        recorder.entities.add(parent, source)


def _asks_for_entities(path: Path, details: Any) -> bool:  # noqa: ANN401 - graphql-core's own
    """Whether a field is `_entities` of the query type."""
    return path.prev is None and details[0].node.name.value == ENTITIES


class _Alone(NamedTuple):
    """The execution of one field.

    Attributes:
        executor: A copy of the operation's executor.
        execute: Executes the field itself.
    """

    executor: Executor[Any]
    execute: Callable[..., Any]


_TOO_MANY = Problem(Reason.TOO_MANY_FIELDS)
