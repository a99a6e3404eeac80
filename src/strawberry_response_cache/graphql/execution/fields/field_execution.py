"""Decides for each field of an execution: answered from an entry of its own, or executed in place.

An executor of graphql-core can answer single fields. On a miss, a copy of the executor executes the field.
It shares everything except for the recording: errors, restrictions and objects below the field belong to the
field. Executions without such fields are not changed.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from graphql import GraphQLObjectType
from graphql.execution import Executor
from graphql.pyutils import Path

from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.graphql._compat.executor import separate_copy, uninstall
from strawberry_response_cache.graphql._compat.sync_or_async import is_synchronous
from strawberry_response_cache.graphql._guard import Execution, Later
from strawberry_response_cache.graphql.annotations.field_path import FieldPath
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.execution.fields.cached_entity import requests_of
from strawberry_response_cache.graphql.execution.fields.cached_field import Fields
from strawberry_response_cache.graphql.execution.fields.completed_field import FieldErrors
from strawberry_response_cache.graphql.execution.fields.entity_execution import EntityExecution
from strawberry_response_cache.graphql.execution.fields.field_answer import FieldAnswers
from strawberry_response_cache.graphql.execution.fields.field_call import FieldCall
from strawberry_response_cache.graphql.execution.fields.filled_tags import fill_tags
from strawberry_response_cache.graphql.execution.fields.known_field import KnownField, KnownFields
from strawberry_response_cache.graphql.execution.fields.level import Levels
from strawberry_response_cache.graphql.execution.fields.representations import note_representations
from strawberry_response_cache.graphql.execution.fields.room import deepest_entry
from strawberry_response_cache.graphql.http.gateway_tags import ENTITIES
from strawberry_response_cache.graphql.policy.policy import Life, Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

_PARAMETERS: Final = 5


def install(fields: Fields, executor: Executor[Any]) -> bool:
    """Set up an executor to answer fields from their entries.

    Returns:
        Whether that was done. It is not if the operation is nested so deeply that the stack could overflow.
    """
    deepest = deepest_entry(fields.depth)
    if deepest:
        _FieldExecution(fields, executor, fields.around, deepest).install(is_whole=True)
    return deepest > 0


class _FieldExecution:
    """Answers the fields of one executor from their entries, and makes executors for single fields.

    Args:
        fields: The fields of the operation with entries of their own.
        executor: The executor.
        around: The life of the entry that contains its result; None if there is none.
        left: How deep fields with entries of their own may still be nested; deeper fields are parts of the deepest
            such entry.
        has_templates: Whether there are tags with placeholders to fill, also if ``left`` is 0.
    """

    __slots__ = (
        "_answers",
        "_execute",
        "_executor",
        "_fields",
        "_guard",
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
        self._execute = executor.execute_field
        self._answers = FieldAnswers(fields, executor, self._executor_alone)
        self._is_sync = is_synchronous(executor) or running_loop() is None
        self._known = KnownFields(fields, executor, around, has_entries=left > 0)
        self._levels: Levels | None = None

    def install(self, *, is_whole: bool) -> None:
        """Replace methods of this executor object; other executors are not changed, and not slowed down.

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
        self._levels = Levels(executor, self._fields, lambda *at: self._known.of(*at).cached_field)
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
        cached_field = self._known.of(parent, details, path).cached_field
        cache_request = None if cached_field is None else cached_field.admit(source, path)
        return (cache_request,) if isinstance(cache_request, CacheRequest) else ()

    def _answer_or_execute(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - graphql-core calls it: see `FieldCall`
        if named or len(given) != _PARAMETERS:  # an executor of the user's own
            return self._execute(*given, **named)
        parent, source, details, path, position = given
        known = self._known.by_details.get(id(details))
        if details[0].node.selection_set is not None:
            try:
                path = FieldPath.of(path, parent, source)
                path.above = None if known is None else known.hands_down
                if path.prev is None and _asks_for_entities(path, details):
                    note_representations(path, self._executor, given)
            except Exception as error:  # noqa: BLE001 - nothing of the request is stored then
                self._guard.note(error)
            where: FieldCall = (parent, source, details, path, position)
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

    def _entities(self, where: FieldCall) -> EntityExecution | None:
        """Return what answers ``_entities``; None for other fields, or if it is executed like any other field."""
        parent, _, details, path, _ = where
        entities = self._fields.entities
        if entities is None or not _asks_for_entities(path, details):
            return None
        if not isinstance(path, FieldPath) or not entities.representations(self._executor, where):
            return None
        path.above = self._known.of(parent, details, path).hands_down
        return EntityExecution(
            self._fields,
            self._executor,
            where,
            entities=entities,
            plain=partial(self._execute, *where),
            alone=self._executor_alone,
            is_sync=self._is_sync,
        )

    def _note_left_out(self, known: KnownField) -> None:
        """Note a field that is executed in place, because too many others were looked up."""
        if known.cached_field is not None:
            self._fields.note(known.cached_field.plan.rule.coordinate, _TOO_MANY)

    def _answer(self, where: FieldCall, execution: Execution) -> Any:  # noqa: ANN401 - a completed value, or one that comes later
        """Answer a field from its entry, or execute it."""
        parent, source, details, path, _ = where
        known = self._known.of(parent, details, path)
        if isinstance(path, FieldPath):
            path.above = known.hands_down
        if known.templates:
            fill_tags(known.templates, self._fields, self._executor, where)
        cached_field = known.cached_field
        if cached_field is None:
            if known.problem is not None:
                self._fields.note(known.coordinate, known.problem)
            return execution.start()
        cache_request = self._fields.admit(self._executor, cached_field, source, path)
        if isinstance(cache_request, Problem):
            self._fields.note(cached_field.plan.rule.coordinate, cache_request)
            return execution.start()
        if self._is_sync:
            return self._answers.answer_sync(cached_field, cache_request, where, execution)
        return Later(partial(self._answers.answer, cached_field, cache_request, where, execution))

    def _executor_alone(
        self, policy: Policy | None, errors: FieldErrors, *, is_verified: bool = False
    ) -> Executor[Any]:
        """Return an executor of one part of the operation; see `ExecutorAlone`."""
        executor: Any = separate_copy(self._executor)
        uninstall(executor)
        executor.collected_errors = errors
        life = None if policy is None else policy.life
        left = 0 if is_verified else self._left if policy is None else self._left - 1
        has_templates = policy is not None and policy.has_templates
        _FieldExecution(self._fields, executor, life, left, has_templates=has_templates).install(
            is_whole=False
        )
        alone: Executor[Any] = executor
        return alone


def _asks_for_entities(path: Path, details: Any) -> bool:  # noqa: ANN401 - graphql-core's own
    """Whether a field is `_entities` of the query type."""
    return path.prev is None and details[0].node.name.value == ENTITIES


_TOO_MANY = Problem(Reason.TOO_MANY_FIELDS)
