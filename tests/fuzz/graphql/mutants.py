"""Damages to the GraphQL layer that the fuzz has to catch, each small and in few places."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from graphql import ExecutionResult, OperationType

from strawberry_response_cache.core import CacheDetail
from strawberry_response_cache.core._queue import InvalidationQueue
from strawberry_response_cache.graphql import _request
from strawberry_response_cache.graphql._compat.endings import SettledOperation
from strawberry_response_cache.graphql._guard import Execution
from strawberry_response_cache.graphql._identity import printed_session
from strawberry_response_cache.graphql.annotations.run_notes import RunNotes
from strawberry_response_cache.graphql.execution import considered
from strawberry_response_cache.graphql.execution.fields import field_answer
from strawberry_response_cache.graphql.execution.mutation_execution import MutationExecution
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.execution.serializer import ResponseSerializer
from strawberry_response_cache.graphql.invalidation import mutation
from strawberry_response_cache.graphql.invalidation.mutation import Mutation
from strawberry_response_cache.graphql.policy import reasons
from strawberry_response_cache.graphql.policy.reasons import Reason
from tests.fuzz.checker import ERROR, LEAKED, MIXED, RUNS, STALE, UNGUARDED, WRONG
from tests.fuzz.mutant import Mutant, Struck, patch
from tests.fuzz.options import Fault

# -- Keys ----------------------------------------------------------------------------------------------


def session_not_in_the_key(struck: Struck) -> None:
    """Take all sessions for one."""

    def damaged(session: object) -> str | None:
        struck()
        return None if printed_session(session) is None else "str:same"

    patch(_request, "printed_session", damaged)


def tenant_not_in_the_key(struck: Struck) -> None:
    """Take all tenants for one."""

    def damaged(tenant: object) -> str:
        struck()
        return "same"

    patch(_request, "checked_tenant", damaged)


def varied_values_not_in_the_key(struck: Struck) -> None:
    """Answer each request as if all varied values were equal."""

    def damaged(value: object) -> str:
        struck()
        return "same"

    patch(_request, "canonical", damaged)


def variables_not_in_the_key(struck: Struck) -> None:
    """Answer each request as if all variables were equal."""

    def damaged(declared: Any, sources: Mapping[str, Any]) -> list[list[Any]]:
        struck()
        return [[] for _ in declared]

    patch(considered, "sent_variables", damaged)


# -- What is stored ------------------------------------------------------------------------------------


def refusals_are_stored(struck: Struck) -> None:
    """Store what a permission class answers to somebody whom it refuses."""
    refusal_now = ResponseSerializer._refusal_now

    def damaged(self: ResponseSerializer, recorder: Recorder) -> Reason | None:
        if recorder.held_back:
            struck()
            recorder.held_back.clear()
        return refusal_now(self, recorder)

    patch(ResponseSerializer, "_refusal_now", damaged)


def skip_cache_ignored(struck: Struck) -> None:
    """Store responses whose resolvers called `skip_cache`."""
    record = ResponseSerializer.record

    def damaged(self: ResponseSerializer, value: Any, metas: Any) -> Any:
        if self.recorder is not None and self.recorder.is_skipped:
            struck()
            self.recorder.is_skipped = False
        return record(self, value, metas)

    patch(ResponseSerializer, "record", damaged)


def private_restrictions_ignored(struck: Struck) -> None:
    """Store for everyone what a resolver made PRIVATE."""
    restrict = RunNotes.restrict

    def damaged(self: RunNotes, *what: Any, private: bool, coordinate: str) -> None:
        if private:
            struck()
        restrict(self, *what, private=False, coordinate=coordinate)

    patch(RunNotes, "restrict", damaged)


def errors_are_stored(struck: Struck) -> None:
    """Store what is null because of an error."""
    record = ResponseSerializer.record

    def damaged(self: ResponseSerializer, value: Any, metas: Any) -> Any:
        if isinstance(value, ExecutionResult) and value.errors:
            struck()
            value = ExecutionResult(value.data, None)
        return record(self, value, metas)

    patch(ResponseSerializer, "record", damaged)


def parents_not_tagged(struck: Struck) -> None:
    """Let a field that is cached by itself outlive what is invalidated of its object."""

    def damaged(recorder: Recorder, where: Any) -> None:
        struck()

    patch(field_answer, "_note_parent", damaged)


# -- What is answered ----------------------------------------------------------------------------------


def hits_not_checked(struck: Struck) -> None:
    """Answer from an entry without asking the permission classes of the field."""

    def damaged(use: Any, passed: Any) -> bool:
        struck()
        return False

    patch(field_answer, "is_to_be_checked", damaged)


def missing_table_entry(struck: Struck) -> None:
    """Forget, in the table from details to reasons, what happens when the store fails."""

    class Holed(dict[CacheDetail, Reason | None]):
        def __missing__(self, detail: CacheDetail) -> Reason:
            struck()
            raise KeyError(detail)

    table = Holed(reasons._OF_DETAIL)
    del table[CacheDetail.STORE_FAILURE]
    patch(reasons, "_OF_DETAIL", table)


# -- Mutations -----------------------------------------------------------------------------------------


def invalidates_before_the_mutation_ends(struck: Struck) -> None:
    """Invalidate the types that a mutation may return as it begins, and nothing when it is over."""
    recording = Recorder.recording

    @contextmanager
    def damaged(self: Recorder, executor: Any, *more: Any) -> Iterator[None]:
        if executor.operation.operation is OperationType.MUTATION and self.cache is not None:
            setting = executor._setting_for_the_mutant
            if types := mutation._types_of(executor, setting):
                struck()
                self.cache.invalidate_sync(*types, queued=True)
        with recording(self, executor, *more):
            yield

    run_mutation, run_mutation_sync = MutationExecution.run, MutationExecution.run_sync

    async def telling(self: MutationExecution, executor: Any, execution: Execution) -> Any:
        executor._setting_for_the_mutant = self.mutation._setting
        return await run_mutation(self, executor, execution)

    def telling_sync(self: MutationExecution, executor: Any, execution: Execution) -> Any:
        executor._setting_for_the_mutant = self.mutation._setting
        return run_mutation_sync(self, executor, execution)

    def nothing(self: Mutation) -> None:
        return None

    patch(Recorder, "recording", damaged)
    patch(MutationExecution, "run", telling)
    patch(MutationExecution, "run_sync", telling_sync)
    patch(Mutation, "_due_invalidation", nothing)


def invalidates_before_the_commit(struck: Struck) -> None:
    """Invalidate before the other extensions commit in their teardown."""
    leave, leave_sync = SettledOperation.__aexit__, SettledOperation.__exit__

    async def damaged(self: SettledOperation, kind: Any, error: Any, trace: Any) -> Any:
        if error is None:
            struck()
            for each in self._settling:
                await each.settle()
        return await leave(self, kind, error, trace)

    def damaged_sync(self: SettledOperation, kind: Any, error: Any, trace: Any) -> Any:
        if error is None:
            struck()
            for each in self._settling:
                each.settle_sync()
        return leave_sync(self, kind, error, trace)

    patch(SettledOperation, "__aexit__", damaged)
    patch(SettledOperation, "__exit__", damaged_sync)


def cancelled_mutations_invalidate_nothing(struck: Struck) -> None:
    """Forget what a mutation may have changed whose caller is gone."""

    def damaged(self: Mutation) -> None:
        struck()

    patch(Mutation, "settle_early", damaged)


def mutations_leave_lists(struck: Struck) -> None:
    """Invalidate the objects that a mutation returns, but not the lists of their types."""
    reached = mutation._reached

    def damaged(entities: Any, reach: Any) -> set[str]:
        struck()
        return reached(entities, "entities")

    patch(mutation, "_reached", damaged)


def mutations_run_twice(struck: Struck) -> None:
    """Execute a mutation once more."""
    run_mutation = MutationExecution.run

    async def damaged(self: MutationExecution, executor: Any, execution: Execution) -> Any:
        struck()
        await execution._original()
        return await run_mutation(self, executor, execution)

    patch(MutationExecution, "run", damaged)


def reads_before_queued_invalidations(struck: Struck) -> None:
    """Read from Redis although it has not taken an invalidation yet."""
    has_pending = InvalidationQueue.has_pending

    def damaged(self: InvalidationQueue, keyspace: Any) -> bool:
        if has_pending(self, keyspace):
            struck()
        return False

    patch(InvalidationQueue, "has_pending", damaged)


_OUTAGES: Final = {
    "faults": (Fault.FREEZE,),
    "read_deadline": 0.3,
    "connect_deadline": 0.3,
    "breaker_failures": 1000,
}
"""The options of a run in which Redis does not take invalidations for a while."""

GRAPHQL_MUTANTS: Final = tuple(
    Mutant(damage, options, kind=kind, face="graphql")
    for damage, kind, options in (
        (session_not_in_the_key, LEAKED, {}),
        (tenant_not_in_the_key, LEAKED, {}),
        (varied_values_not_in_the_key, MIXED, {}),
        (variables_not_in_the_key, MIXED, {}),
        (refusals_are_stored, WRONG, {}),
        (skip_cache_ignored, LEAKED, {}),
        (private_restrictions_ignored, LEAKED, {}),
        (errors_are_stored, WRONG, {}),
        (parents_not_tagged, STALE, {}),
        (hits_not_checked, UNGUARDED, {}),
        (missing_table_entry, ERROR, _OUTAGES),
        # Those that return an object: what only a tag names is not known as they begin.
        (invalidates_before_the_mutation_ends, STALE, {"written": ("account 1", "rate")}),
        (invalidates_before_the_commit, STALE, {}),
        (cancelled_mutations_invalidate_nothing, STALE, {}),
        (mutations_leave_lists, STALE, {"written": ("accounts", "rate")}),
        (mutations_run_twice, RUNS, {}),
        (reads_before_queued_invalidations, STALE, _OUTAGES),
    )
)
