"""Runs the permission classes of fields that are answered from entries of their own."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NoReturn

from graphql.execution import Executor

from strawberry_response_cache.core._user_code import ERRORS
from strawberry_response_cache.graphql._compat.executor import execute_with
from strawberry_response_cache.graphql._compat.resolving import is_allowed
from strawberry_response_cache.graphql.annotations.run_notes import note_guarded
from strawberry_response_cache.graphql.execution.cache_request import CacheResult
from strawberry_response_cache.graphql.execution.fields.cached_field import CachedField, Fields
from strawberry_response_cache.graphql.execution.fields.field_call import (
    FieldCall,
    info_and_arguments,
)
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason


def is_to_be_checked(cached_field: CachedField, cache_result: CacheResult | Problem) -> bool:
    """Whether the permission classes still have to run; they have run if the field was executed."""
    return (
        cached_field.plan.rule.guarded
        and isinstance(cache_result, CacheResult)
        and not cache_result.has_run
    )


class FieldGuards:
    """Runs the permission classes of the fields of one executor."""

    __slots__ = ("_execute", "_executor", "_fields")

    def __init__(self, fields: Fields, executor: Executor[Any]) -> None:
        self._fields = fields
        self._executor = executor
        self._execute = executor.execute_field

    def refusal_sync(self, where: FieldCall) -> Callable[[], object] | None:
        """Run the permission classes; return a function that returns or raises the refusal, None if they allow it."""
        check = self._check(where)
        try:
            answer = check()
        except ERRORS as error:  # from the user's check, and part of the response
            return partial(_raise, error)
        return None if is_allowed(answer) else lambda: answer

    async def refusal(self, where: FieldCall) -> Callable[[], object] | None:
        """Run the permission classes, which may be async; the async form of `refusal_sync`."""
        check = self._check(where)
        try:
            answer = check()
            if self._executor.is_awaitable(answer):
                answer = await answer
        except ERRORS as error:  # as above, or the cancellation of the request
            return partial(_raise, error)
        return None if is_allowed(answer) else lambda: answer

    def refused(
        self, cached_field: CachedField, where: FieldCall, refusal: Callable[[], object]
    ) -> Callable[[], Any]:
        """Return a function that completes the field with a refusal; note that the response is not stored."""
        self._fields.note(cached_field.plan.rule.coordinate, _REFUSED)
        note_guarded(info_and_arguments(self._executor, where)[0])
        return partial(execute_with, self._executor, self._execute, where, refusal)

    def _check(self, where: FieldCall) -> Callable[[], Any]:
        raw, coerced = info_and_arguments(self._executor, where)
        return self._fields.resolving().check(raw, where[1], coerced)


def _raise(error: BaseException) -> NoReturn:
    raise error


_REFUSED: Final = Problem(
    Reason.GUARDED, None, "The field's permission classes refused this request."
)
