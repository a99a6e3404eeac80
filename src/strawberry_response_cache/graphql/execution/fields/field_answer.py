"""Answers one field from its entry, or executes it with an executor of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from graphql.execution import Executor

from strawberry_response_cache.graphql._compat.executor import execute_field
from strawberry_response_cache.graphql._guard import Execution, ExecutionRaisedError
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest, CacheResult
from strawberry_response_cache.graphql.execution.cached_execution import (
    execute_cached,
    execute_cached_sync,
)
from strawberry_response_cache.graphql.execution.fields.cached_field import CachedField, Fields
from strawberry_response_cache.graphql.execution.fields.completed_field import (
    CompletedField,
    FieldErrors,
)
from strawberry_response_cache.graphql.execution.fields.field_call import FieldCall
from strawberry_response_cache.graphql.execution.fields.field_guards import (
    FieldGuards,
    is_to_be_checked,
)
from strawberry_response_cache.graphql.execution.fields.filled_tags import fill_tags
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.execution.verified_run import VerifiedRun
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason


class ExecutorAlone(Protocol):
    """Makes an executor for one part of the operation, so that errors and notes below belong to that part."""

    def __call__(
        self, policy: Policy | None, errors: FieldErrors, *, is_verified: bool = False
    ) -> Executor[Any]:
        """Return the executor.

        Args:
            policy: The policy of the part's entry; None if it has no entry.
            errors: Receives the errors of the part.
            is_verified: Whether no field below is answered from an entry of its own.
        """
        ...


class FieldAnswers:
    """Answers fields of one executor."""

    __slots__ = ("_executor", "_executor_alone", "_fields", "_guards")

    def __init__(
        self, fields: Fields, executor: Executor[Any], executor_alone: ExecutorAlone
    ) -> None:
        self._fields = fields
        self._executor = executor
        self._executor_alone = executor_alone
        self._guards = FieldGuards(fields, executor)

    async def answer(
        self,
        cached_field: CachedField,
        cache_request: CacheRequest,
        where: FieldCall,
        execution: Execution,
    ) -> Any:  # noqa: ANN401 - a completed value
        """Answer a field from its entry, or execute it; run its permission classes on a hit."""
        errors = FieldErrors(self._executor.collected_errors)

        async def execute(recorder: Recorder) -> CompletedField:
            executor = self._executor_alone(
                cached_field.plan.policy, errors, is_verified=isinstance(recorder, VerifiedRun)
            )
            with self._recording(recorder, cached_field, executor, where, cache_request):
                try:
                    value = await execution.run(partial(execute_field, executor, where))
                except ExecutionRaisedError as raised:
                    return errors.completed(None, raised)
                return errors.completed(value)

        try:
            cache_result = await execute_cached(
                cache_request, self._fields.request, execute, self._fields.prefetched
            )
        except BaseException:
            errors.hand_on()  # the field was executed, so its errors belong to the response
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

    def answer_sync(
        self,
        cached_field: CachedField,
        cache_request: CacheRequest,
        where: FieldCall,
        execution: Execution,
    ) -> Any:  # noqa: ANN401 - a completed value
        """Answer a field from its entry, or execute it, without awaiting; the sync form of `answer`."""
        errors = FieldErrors(self._executor.collected_errors)

        def execute(recorder: Recorder) -> CompletedField:
            executor = self._executor_alone(
                cached_field.plan.policy, errors, is_verified=isinstance(recorder, VerifiedRun)
            )
            with self._recording(recorder, cached_field, executor, where, cache_request):
                try:
                    value = execution.start(partial(execute_field, executor, where))
                except ExecutionRaisedError as raised:
                    return errors.completed(None, raised)
                return errors.completed(value)

        try:
            cache_result = execute_cached_sync(
                cache_request, self._fields.request, execute, self._fields.prefetched
            )
        except BaseException:
            errors.hand_on()  # the field was executed, so its errors belong to the response
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

    @contextmanager
    def _recording(
        self,
        recorder: Recorder,
        cached_field: CachedField,
        executor: Executor[Any],
        where: FieldCall,
        cache_request: CacheRequest,
    ) -> Iterator[None]:
        """Record the execution of one field, with its parent object and its tags."""
        if isinstance(recorder, VerifiedRun):
            parent, _, details, path, _ = where
            recorder.stand_at(parent, details, path)
        _note_parent(recorder, where)
        inputs = cached_field.inputs
        if inputs is not None and inputs.are_changed(executor):  # since it was looked up
            recorder.refuse(Reason.VARIABLES)
        with recorder.recording(executor, cached_field.plan.policy, inputs):
            if templates := cached_field.plan.rule.templates:
                fill_tags(templates, self._fields, executor, where)
            yield
        if not cache_request.is_as_admitted():
            recorder.refuse(Reason.RESTRICTED)

    def _deliver(
        self, cached_field: CachedField, cache_result: CacheResult, errors: FieldErrors
    ) -> Any:  # noqa: ANN401 - a completed value
        """Return the value of a field and report its errors; raise the error of a field that cannot be null."""
        self._fields.answered(cached_field.plan.rule.coordinate, cache_result)
        result = cache_result.result
        # Otherwise it is a stored value, such as a stale one after an error.
        if isinstance(result, CompletedField):
            errors.hand_on()
            if result.raised is not None:
                raise result.raised
        return result.data


def _note_parent(recorder: Recorder, where: FieldCall) -> None:
    """Note the parent object, so that its invalidation reaches the field's entry."""
    parent, source, _, path, _ = where
    if path.prev is not None:
        recorder.entities.add(parent, source)
