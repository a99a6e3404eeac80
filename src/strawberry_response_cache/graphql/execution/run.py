"""The run of one operation: decide, look up, execute, and report what happened."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationType,
)
from graphql.execution import Executor
from strawberry.types import ExecutionContext

from strawberry_response_cache.core import CacheStatus
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._observer import Concluded
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.graphql._compat.executor import uninstall
from strawberry_response_cache.graphql._compat.operation import Asked
from strawberry_response_cache.graphql._guard import Execution, Guard, Later
from strawberry_response_cache.graphql._options import Options
from strawberry_response_cache.graphql._report import Report
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.cache_request import (
    FAILED_IN_PART,
    CacheRequest,
    CacheResult,
)
from strawberry_response_cache.graphql.execution.cached_execution import (
    execute_cached,
    execute_cached_sync,
    result_in_memory,
)
from strawberry_response_cache.graphql.execution.claims import claimed, tell
from strawberry_response_cache.graphql.execution.considered import Considered, Considering
from strawberry_response_cache.graphql.execution.counting import OperationCount
from strawberry_response_cache.graphql.execution.documents import Preparation
from strawberry_response_cache.graphql.execution.fields.field_execution import install
from strawberry_response_cache.graphql.execution.fields.root_fields import (
    fields_of_failed,
)
from strawberry_response_cache.graphql.execution.http_report import HttpReport, Sharing
from strawberry_response_cache.graphql.execution.mutation_execution import MutationExecution
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.execution.refused import OLDER_PART, RefusedOperations
from strawberry_response_cache.graphql.policy.cheaper_fields import advice_on
from strawberry_response_cache.graphql.policy.outcome import Outcome
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

if TYPE_CHECKING:
    import asyncio

    from strawberry_response_cache.graphql._claim import Claim
    from strawberry_response_cache.graphql.execution.fields.cached_entity import Entities
    from strawberry_response_cache.graphql.invalidation.mutation import Mutation


class Run:
    """The run of one operation; its executor keeps it alive.

    Args:
        options: The extension's configuration.
        considering: Decides of the operations of the schema.
        preparation: The document of the request.
        refused: The operations that Redis refused lately.
        context: Strawberry's execution context.
        guard: The guard of the request.
        as_stored: Whether a view sends a stored response as it is.
        sharing: Tells who may reuse an answer outside of the server.

    Attributes:
        http: What others are told of the response in headers.
        mutation: What a mutation changed, to be invalidated after the teardown of other extensions; None
            otherwise.
        invalidating: What its resolvers began to invalidate, which is done before it answers.
        is_validated: Whether the executed document is known to be valid.
        is_async: Whether it is a mutation that is awaited.
        counts_events: Whether each event of a subscription is answered and counted, after `end`.
        is_absent: Whether the request asked for a stored answer only, and there is none.
    """

    def __init__(
        self,
        options: Options,
        considering: Considering,
        *,
        preparation: Preparation,
        refused: RefusedOperations,
        context: ExecutionContext,
        guard: Guard,
        as_stored: bool,
        sharing: Callable[[], Sharing],
    ) -> None:
        self._options = options
        self._considering = considering
        self.recognizes = considering.recognizes
        self._preparation = preparation
        self._refused = refused
        self._as_stored = as_stored
        self._entities: Entities | None = None
        self._request: RequestContext | None = None
        self._claim: Claim | None = None
        self._report = Report(guard)
        self.http = HttpReport(options, self._report, guard, sharing=sharing)
        self.context = context
        self.guard = guard
        self._count = OperationCount(considering.tenant.counters)
        self.mutation: Mutation | None = None
        self.invalidating: list[asyncio.Task[None]] = []
        self.is_validated = False
        self.is_passed_over = False
        self.counts_events = False
        self.is_async = False
        self.is_absent = False

    def belongs_to(self, schema: GraphQLSchema, document: DocumentNode) -> bool:
        """Whether a new executor executes this run's document."""
        own = self.context
        return own.graphql_document is document and own.schema._schema is schema  # noqa: SLF001 - Strawberry's name for it

    def errors_now(self) -> list[GraphQLError]:
        """Return the validation errors of the executed document, if it is not the validated one."""
        return self._preparation.errors_now()

    def answer(self, asked: Asked, execution: Execution) -> Any:  # noqa: ANN401 - a result or an awaitable of one
        """Answer an operation from the cache or by executing it."""
        built = asked.built
        operation = asked.known.plan.operation if built is None else built.operation
        is_mutation = operation.operation is OperationType.MUTATION
        is_awaited = not asked.is_synchronous
        self.is_async = is_mutation and is_awaited
        is_sync = not is_awaited or running_loop() is None
        if is_sync and is_awaited:
            self._options.warnings.without_event_loop()
        # The context that resolvers receive: a hook may have replaced it since the run started.
        self._request = self.http.request = request = RequestContext(
            self._options,
            asked.context_value,
            self.guard,
            synchronous=is_sync and not self.is_async,
        )
        if self._options.is_fronted:
            self._claim = claimed(request, asked.context_value)
        if errors := self._preparation.errors_now():
            return ExecutionResult(None, errors)
        self.is_validated = True
        self._count.begin(operation)
        for watcher in self._options.watchers:
            self._report.name(operation)
            watcher(self._report)
        if is_mutation:
            return self._mutate(request, asked.executor, execution)
        considered = self._considering.consider(request, asked, operation)
        if isinstance(considered, Problem):
            self._conclude_without(considered)
            is_query = considered.reason not in {Reason.MUTATION, Reason.SUBSCRIPTION}
            return (self._absent() if is_query else None) or execution.start()
        varied, session = considered.variant.policy.vary, considered.wants_session
        is_asked = request.ask_at_once(varied, session=session)
        if not (is_asked or is_sync):
            return Later(partial(self._ask_and_answer, considered, execution))
        cache_request = self._admit(considered)
        # What this process has at hand is answered without awaiting anything.
        if isinstance(cache_request, CacheRequest) and (
            cache_result := result_in_memory(cache_request, request)
        ):
            self._conclude_cached(considered, cache_request, cache_result)
            return cache_result.result
        if is_sync:
            return self._answer_sync(considered, cache_request, execution)
        return Later(partial(self._answer_async, considered, cache_request, execution))

    def _answer_sync(
        self,
        considered: Considered,
        cache_request: CacheRequest | Problem,
        execution: Execution,
    ) -> Any:  # noqa: ANN401 - a result
        if isinstance(cache_request, CacheRequest):
            policy = cache_request.policy

            def watched(recorder: Recorder) -> Any:  # noqa: ANN401 - whatever an executor returns
                executor = considered.asked.executor
                recorder.root_fields = partial(fields_of_failed, considered, self.context.schema)
                with recorder.recording(executor, policy, considered.inputs):
                    return execution.start()

            cache_result = execute_cached_sync(cache_request, considered.request, watched)
            if isinstance(cache_result, CacheResult):
                self._conclude_cached(considered, cache_request, cache_result)
                return cache_result.result
            cache_request = self._field_by_field(considered, cache_result)
        if self._entities is None:
            self._conclude_without(cache_request)
        if (absent := self._absent()) is not None:
            return absent
        result = execution.start()
        self._conclude_objects(considered)
        return result

    async def _ask_and_answer(self, considered: Considered, execution: Execution) -> Any:  # noqa: ANN401 - a result
        varied, session = considered.variant.policy.vary, considered.wants_session
        await considered.request.ask(varied, session=session)
        return await self._answer_async(considered, self._admit(considered), execution)

    async def _answer_async(
        self,
        considered: Considered,
        cache_request: CacheRequest | Problem,
        execution: Execution,
    ) -> Any:  # noqa: ANN401 - a result
        if isinstance(cache_request, CacheRequest):
            policy = cache_request.policy

            async def watched(recorder: Recorder) -> Any:  # noqa: ANN401 - whatever an executor returns
                executor = considered.asked.executor
                recorder.root_fields = partial(fields_of_failed, considered, self.context.schema)
                with recorder.recording(executor, policy, considered.inputs):
                    return await execution.run()

            is_down = self._claim is not None and self._claim.is_down
            prefetched = Prefetched(is_down=True) if is_down else None  # it is not asked again
            cache_result = await execute_cached(
                cache_request, considered.request, watched, prefetched
            )
            if isinstance(cache_result, CacheResult):
                self._conclude_cached(considered, cache_request, cache_result)
                return cache_result.result
            cache_request = self._field_by_field(considered, cache_result)
        if self._entities is None:
            self._conclude_without(cache_request)
        if (absent := self._absent()) is not None:
            return absent
        result = await execution.run()
        self._conclude_objects(considered)
        return result

    def _absent(self) -> ExecutionResult | None:
        """Return the answer to a request that asks for a stored answer only; None for any other."""
        if self._request is None or not self._request.directives.only_if_cached:
            return None
        self.is_absent = True
        return ExecutionResult(None, [GraphQLError(_ABSENT)])

    def _conclude_cached(
        self, considered: Considered, cache_request: CacheRequest, cache_result: CacheResult
    ) -> None:
        key, policy = cache_request.keys.entry, cache_request.policy
        is_hit = cache_result.response.status is CacheStatus.HIT
        self.http.note(cache_result.freshness, policy)
        self._count.cached(key, cache_result)
        is_wanted = self._considering.tenant.observer.listening() or self._options.watchers
        if is_hit and considered.variant.watches_fields:
            self._refused.note(key, refused=False)
        if is_hit and self._claim is None and not is_wanted:
            self._report.conclude(cache_result.outcome)  # most responses do not tell it
            return
        outcome = cache_result.outcome()
        if considered.variant.watches_fields and not is_hit:
            self._refused.note(key, refused=outcome.reason is Reason.REFUSED)
        self._conclude(outcome)
        # Neither what a custom scalar parses next nor a default that a resolver changes is known to a middleware.
        is_repeatable = not (considered.plan.is_parsed or considered.variant.defaults)
        if self._claim is not None and outcome.status == "hit" and is_repeatable:
            tell(self._claim, cache_request, outcome, self.http)

    def _conclude_objects(self, considered: Considered) -> None:
        """Report what became of an operation whose objects are answered one by one."""
        if self._entities is None:
            return
        told = self._entities.told
        outcome = told.conclude(self._count)
        if outcome is None:
            self._conclude_without(Problem(Reason.NO_OBJECTS))
            return
        self.http.note(told.freshness, considered.variant.policy)
        self._considering.tenant.note_unfit_part()
        self._conclude(outcome)

    def _mutate(
        self, request: RequestContext, executor: Executor[Any], execution: Execution
    ) -> Any:  # noqa: ANN401 - as `answer`
        """Run a mutation; see `mutation`."""
        own = MutationExecution(request, self._considering.setting, self._report)
        self.mutation = own.mutation
        self._conclude_without(Problem(Reason.MUTATION))
        if self.is_async:
            return Later(partial(own.run, executor, execution))
        return own.run_sync(executor, execution)

    # -- Deciding ------------------------------------------------------------------------------------

    def _admit(self, considered: Considered) -> CacheRequest | Problem:
        """Return the cache request of an operation, or why it has none; its fields have their own."""
        request = considered.request
        problem = request.problem
        if problem is None and self._claim is not None:
            problem = self._claim.problem(request.answers)
        if problem is not None:
            return problem
        variant = considered.variant
        cache_request = variant.policy.problem or considered.cache_request(
            as_stored=self._as_stored
        )
        if isinstance(cache_request, CacheRequest) and self._refused.has(cache_request.keys.entry):
            cache_request = OLDER_PART
        entities = None if variant.entities is None else considered.entities()
        if isinstance(entities, Problem):
            cache_request = entities if isinstance(cache_request, Problem) else cache_request
            entities = None
        elif entities is not None:
            cache_request = Problem(Reason.NO_OBJECTS)
        if variant.watches_fields:
            life = variant.policy.life if isinstance(cache_request, CacheRequest) else None
            fields = considered.fields(self.context.schema, around=life, entities=entities)
            if not install(fields, considered.asked.executor):
                return Problem(Reason.SELECTION_TOO_LARGE)
            self._report.fields = fields.outcomes
            self._entities = fields.entities
        return cache_request

    def _field_by_field(self, considered: Considered, problem: Problem) -> Problem:
        """Look the fields up one by one, if the operation failed in part."""
        if problem is not FAILED_IN_PART:
            return problem
        executor, variant = considered.asked.executor, considered.variant
        fields = considered.fields(self.context.schema)
        if variant.watches_fields:
            uninstall(executor)
        if not install(fields, executor):
            return Problem(Reason.SELECTION_TOO_LARGE)
        self._report.fields = fields.outcomes
        return problem

    # -- Reporting what happened --------------------------------------------------------------------------

    def _conclude_without(self, problem: Problem) -> None:
        """Report that an operation is answered without the cache.

        A value whose generator executes this operation is not stored, because scope and tags of the operation
        were not recorded.
        """
        self._considering.tenant.note_unfit_part()
        self._count.bypassed(problem.reason)
        self._conclude(Outcome.of(problem))

    def end(self, seconds: float) -> None:
        """Report how long the execution took, and an operation that a fault of this package interrupted.

        Args:
            seconds: How long it took, with the calls of the cache.
        """
        if not (self._count.is_counted or self.counts_events) and self.guard.is_faulted:
            reason = Reason.of_fault(is_too_deep=self.guard.is_too_deep)
            self._count.bypassed(reason)
            self._conclude(Outcome.of(Problem(reason)))
        self._count.took(seconds)

    def _conclude(self, outcome: Outcome) -> None:
        self._report.conclude(outcome)
        if outcome.reason is not None:
            logger.debug(
                "An operation was answered without the cache (%s).",
                outcome.reason.value,
                extra={"response_cache.reason": outcome.reason.value},
            )
        observer = self._considering.tenant.observer
        if observer.listening():
            observer.concluded(Concluded(outcome.status, outcome.reason))

    def as_extension(self) -> dict[str, object] | None:
        """Return what the cache did, if ``debug`` is on."""
        if self._request is None or not self._request.is_debugged():
            return None
        schema = self._considering.setting.schema
        advise = partial(advice_on, schema=schema, counters=self._request.counters)
        return self._report.as_extension(schema, advise)


_ABSENT: Final = "The answer is not stored, and the request asks for a stored answer only."
