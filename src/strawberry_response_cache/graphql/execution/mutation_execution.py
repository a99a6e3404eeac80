"""Executes mutations, and notes what they may have changed."""

from typing import Any

from graphql import ExecutionResult
from graphql.execution import Executor

from strawberry_response_cache.graphql._compat.sync_or_async import at_once
from strawberry_response_cache.graphql._guard import Execution
from strawberry_response_cache.graphql._report import Report
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.annotations.run_notes import mutation_around
from strawberry_response_cache.graphql.execution.mutating import end_mutation, mutating
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.invalidation.entities import ChangedEntities
from strawberry_response_cache.graphql.invalidation.mutation import Mutation
from strawberry_response_cache.graphql.keys.setting import Setting


class MutationExecution:
    """The execution of one mutation.

    Attributes:
        mutation: Its invalidations, which follow its execution.
    """

    def __init__(self, request: RequestContext, setting: Setting, report: Report) -> None:
        self._guard = request.guard
        entities = ChangedEntities(setting.same_rows)
        self._recorder = recorder = Recorder(request.guard, entities=entities)
        recorder.is_of_mutation = True
        self.mutation = Mutation(
            request, setting, recorder, entities, report=report, around=mutation_around()
        )

    async def run(self, executor: Executor[Any], execution: Execution) -> Any:  # noqa: ANN401 - a result
        """Determine the tenant, then execute the mutation and note what it changes."""
        await self.mutation.ask()
        recorder = self._recorder
        try:
            with recorder.recording(executor), mutating(recorder, executor.context_value):
                result = await execution.run()
        except BaseException:  # for example, a cancellation: no caller waits
            self._guard.step(self.mutation.cut_short, executor)
            raise
        if not isinstance(result, ExecutionResult):
            self.mutation.cut_short(executor)  # parts of it come later
        return result

    def run_sync(self, executor: Executor[Any], execution: Execution) -> Any:  # noqa: ANN401 - as `run`
        """Determine the tenant, then execute the mutation in the caller's thread; the sync form of `run`."""
        at_once(self.mutation.ask)
        recorder = self._recorder
        try:
            with recorder.recording(executor), mutating(recorder, executor.context_value):
                return execution.start()
        except BaseException:  # for example, a timeout of the web server
            self._guard.step(self.mutation.cut_short, executor)
            raise

    def end(self) -> None:
        """Let queries with the context of the mutation be cached again, because its invalidations are done."""
        end_mutation(self._recorder)
