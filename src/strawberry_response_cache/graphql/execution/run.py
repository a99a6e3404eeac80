"""The run of one operation: decide, look up, execute, and report what happened."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
)
from strawberry.types import ExecutionContext

from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.graphql._compat.operation import AskedOperation
from strawberry_response_cache.graphql._compat.private_names import executable_of
from strawberry_response_cache.graphql._guard import Execution, Guard, Later
from strawberry_response_cache.graphql._options import Options
from strawberry_response_cache.graphql._report import Report
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.admission import admit, admit_fields
from strawberry_response_cache.graphql.execution.cache_request import (
    CacheRequest,
    CacheResult,
)
from strawberry_response_cache.graphql.execution.cached_execution import (
    execute_cached,
    execute_cached_sync,
    result_in_memory,
)
from strawberry_response_cache.graphql.execution.claims import claimed
from strawberry_response_cache.graphql.execution.conclusion import Conclusion
from strawberry_response_cache.graphql.execution.considered import Considered, Considering
from strawberry_response_cache.graphql.execution.documents import Preparation
from strawberry_response_cache.graphql.execution.fields.root_fields import fields_of_failed
from strawberry_response_cache.graphql.execution.http_report import HttpReport, Sharing
from strawberry_response_cache.graphql.execution.mutation_execution import MutationExecution
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.execution.refused import RefusedOperations
from strawberry_response_cache.graphql.keys.known_requests import KnownRequest
from strawberry_response_cache.graphql.policy.cheaper_fields import advice_on_field
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

if TYPE_CHECKING:
    import asyncio

    from strawberry_response_cache.graphql.invalidation.mutation import Mutation


class _Looked(NamedTuple):
    """A considered operation, and its cache request as far as it is known.

    Attributes:
        considered: The operation.
        cache_request: The request to the cache, or why there is none; None if functions such as ``session`` have to
            be awaited first.
    """

    considered: Considered
    cache_request: CacheRequest | Problem | None


class Run:
    """The run of one operation; its executor keeps it alive.

    Args:
        options: The extension's configuration.
        considering: Decides of the operations of the schema.
        preparation: The document of the request.
        refused: The operations that Redis refused lately.
        context: Strawberry's execution context.
        guard: The guard of the request.
        as_stored: Whether a view sends the bytes of a stored response without parsing them.
        sharing: Returns whether browsers and CDNs may reuse the answer.

    Attributes:
        http: What browsers and CDNs are told of the response.
        mutation: The invalidations of a mutation, which follow the teardown of other extensions; None for other
            operations.
        invalidating: The invalidations that its resolvers began, with a function for each that does it at once. They
            are done before the operation is answered.
        is_validated: Whether the executed document is known to be valid.
        is_async: Whether it is a mutation whose execution is awaited.
        counts_events: Whether it is a subscription, whose events are counted one by one, after `end`.
        is_absent: Whether the request has ``only-if-cached``, and there is no stored answer.
        is_left_alone: Whether this run is over: an executor that is built later executes without it.
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
        self._preparation = preparation
        self._as_stored = as_stored
        self._request: RequestContext | None = None
        self._mutating: MutationExecution | None = None
        self._report = Report(guard)
        self.http = HttpReport(options, self._report, guard, sharing=sharing)
        self.context = context
        self.guard = guard
        self._conclusion = Conclusion(
            considering.tenant, options, report=self._report, http=self.http, refused=refused
        )
        self.mutation: Mutation | None = None
        self.invalidating: dict[asyncio.Task[None], Callable[[], None]] = {}
        self.is_validated = False
        self.is_passed_over = False
        self.counts_events = False
        self.is_async = False
        self.is_absent = False
        self.is_left_alone = False
        self._ahead: AskedOperation | None = None
        self._is_looking = False
        self._looked: _Looked | ExecutionResult | None = None

    def belongs_to(self, schema: GraphQLSchema, document: DocumentNode) -> bool:
        """Whether a new executor executes this run's document."""
        own = self.context
        return own.graphql_document is document and executable_of(own.schema) is schema

    def errors_now(self) -> list[GraphQLError]:
        """Return the validation errors of the executed document, if it is not the validated one."""
        return self._preparation.errors_now()

    def recognizes(self, asked: AskedOperation) -> bool:
        """Whether this run remembers enough of an operation to answer it without building an executor."""
        return self._considering.recognizes(asked, self._ahead)

    def answer_ahead(self, asked: AskedOperation) -> ExecutionResult | None:
        """Answer an operation that came before from local memory, before an executor is built.

        Returns:
            Its result; None if an executor has to be built, which executes without the cache or calls `answer`.
        """
        if not self._considering.recognizes_ahead(asked):
            return None
        self._ahead = asked
        known = asked.known
        if known is None or (isinstance(known, KnownRequest) and known.variant.watches_fields):
            return None
        operation = (
            known.plan.operation
            if isinstance(known, KnownRequest)
            else get_operation_ast(asked.document, asked.operation_name)
        )
        if operation is None:
            return None
        self._is_looking = True
        looked = self._look(asked, operation)
        self._is_looking = False
        if isinstance(looked, _Looked) or (looked is not None and looked.errors):
            self._looked = looked
            return None
        self.is_left_alone = True
        return looked

    def answer(self, asked: AskedOperation, execution: Execution) -> Any:  # noqa: ANN401 - a result or an awaitable of one
        """Answer an operation from the cache or by executing it."""
        if self._is_looking and self._conclusion.count.is_counted:
            return execution.start()  # a fault came after the operation was reported
        built = asked.built
        looked, self._looked = self._looked, None
        if looked is None:
            operation = asked.known.plan.operation if built is None else built.operation
            if operation.operation is OperationType.MUTATION:
                return self._mutate(asked, operation, execution)
            looked = self._look(asked, operation)
        if not isinstance(looked, _Looked):
            return execution.start() if looked is None else looked
        considered, cache_request = looked
        considered.asked = asked
        if cache_request is None:
            return Later(partial(self._ask_and_answer, considered, execution))
        if considered.request.is_synchronous:
            return self._answer_sync(considered, cache_request, execution)
        return Later(partial(self._answer_async, considered, cache_request, execution))

    def _begin(
        self, asked: AskedOperation, operation: OperationDefinitionNode
    ) -> RequestContext | ExecutionResult:
        """Begin to count an operation; return the context of its request, or its validation errors."""
        is_sync = asked.is_synchronous or running_loop() is None
        if is_sync and not asked.is_synchronous:
            self._options.warnings.without_event_loop()
        # The context that resolvers receive: a hook may have replaced it since the run started.
        self._request = self.http.request = request = RequestContext(
            self._options,
            asked.context_value,
            self.guard,
            synchronous=is_sync and not self.is_async,
        )
        if self._options.is_fronted:
            self._conclusion.claim = claimed(request, asked.context_value)
        if errors := self._preparation.errors_now():
            return ExecutionResult(None, errors)
        self.is_validated = True
        self._conclusion.count.begin(operation)
        if self._options.watchers:
            self._conclusion.tell_watchers(operation)
        return request

    def _look(
        self, asked: AskedOperation, operation: OperationDefinitionNode
    ) -> "_Looked | ExecutionResult | None":
        """Decide about an operation, and answer it from local memory if possible, without awaiting anything.

        Returns:
            Its result; None if it is executed without the cache; else what `answer` needs to go on.
        """
        request = self._begin(asked, operation)
        if isinstance(request, ExecutionResult):
            return request
        considered = self._considering.consider(request, asked, operation)
        if isinstance(considered, Problem):
            self._conclusion.without(considered)
            is_always_run = considered.reason in {Reason.SUBSCRIPTION, Reason.MUTATION}
            return None if is_always_run else self._absent()
        varied, session = considered.variant.policy.vary, considered.wants_session
        if not (request.ask_at_once(varied, session=session) or request.is_synchronous):
            return _Looked(considered, None)
        schema, as_stored = self.context.schema, self._as_stored
        cache_request = admit(considered, self._conclusion, schema, as_stored=as_stored)
        if isinstance(cache_request, CacheRequest) and (
            cache_result := result_in_memory(cache_request, request)
        ):
            self._conclusion.cached(considered, cache_request, cache_result)
            return cache_result.result
        return _Looked(considered, cache_request)

    def _answer_sync(
        self,
        considered: Considered,
        cache_request: CacheRequest | Problem,
        execution: Execution,
    ) -> Any:  # noqa: ANN401 - a result
        if isinstance(cache_request, CacheRequest):
            policy = cache_request.policy

            def watched(recorder: Recorder) -> Any:  # noqa: ANN401 - whatever an executor returns
                fields = partial(fields_of_failed, considered, self.context.schema)
                executor, inputs = considered.asked.executor, considered.inputs
                with recorder.recording(executor, policy, inputs, root_fields=fields):
                    return execution.start()

            cache_result = execute_cached_sync(cache_request, considered.request, watched)
            if isinstance(cache_result, CacheResult):
                self._conclusion.cached(considered, cache_request, cache_result)
                return cache_result.result
            cache_request = admit_fields(
                considered, self._conclusion, self.context.schema, cache_result
            )
        if self._conclusion.entities is None:
            self._conclusion.without(cache_request)
        if (absent := self._absent()) is not None:
            return absent
        result = execution.start()
        self._conclusion.objects(considered.variant.policy)
        return result

    async def _ask_and_answer(self, considered: Considered, execution: Execution) -> Any:  # noqa: ANN401 - a result
        varied, session = considered.variant.policy.vary, considered.wants_session
        await considered.request.ask(varied, session=session)
        schema, as_stored = self.context.schema, self._as_stored
        cache_request = admit(considered, self._conclusion, schema, as_stored=as_stored)
        return await self._answer_async(considered, cache_request, execution)

    async def _answer_async(
        self,
        considered: Considered,
        cache_request: CacheRequest | Problem,
        execution: Execution,
    ) -> Any:  # noqa: ANN401 - a result
        if isinstance(cache_request, CacheRequest):
            policy = cache_request.policy

            async def watched(recorder: Recorder) -> Any:  # noqa: ANN401 - whatever an executor returns
                fields = partial(fields_of_failed, considered, self.context.schema)
                executor, inputs = considered.asked.executor, considered.inputs
                with recorder.recording(executor, policy, inputs, root_fields=fields):
                    return await execution.run()

            is_down = self._conclusion.claim is not None and self._conclusion.claim.is_down
            prefetched = Prefetched(is_down=True) if is_down else None  # Redis is not asked again
            cache_result = await execute_cached(
                cache_request, considered.request, watched, prefetched
            )
            if isinstance(cache_result, CacheResult):
                self._conclusion.cached(considered, cache_request, cache_result)
                return cache_result.result
            cache_request = admit_fields(
                considered, self._conclusion, self.context.schema, cache_result
            )
        if self._conclusion.entities is None:
            self._conclusion.without(cache_request)
        if (absent := self._absent()) is not None:
            return absent
        result = await execution.run()
        self._conclusion.objects(considered.variant.policy)
        return result

    def _absent(self) -> ExecutionResult | None:
        """Return an error for a request with ``only-if-cached``, because nothing is stored; None for any other."""
        if self._request is None or not self._request.directives.only_if_cached:
            return None
        self.is_absent = True
        return ExecutionResult(None, [GraphQLError(_ABSENT)])

    def _mutate(
        self, asked: AskedOperation, operation: OperationDefinitionNode, execution: Execution
    ) -> Any:  # noqa: ANN401 - as `answer`
        """Run a mutation, and set `mutation` to its invalidations."""
        self.is_async = not asked.is_synchronous
        request, executor = self._begin(asked, operation), asked.executor
        if isinstance(request, ExecutionResult):
            return request
        own = self._mutating = MutationExecution(request, self._considering.setting, self._report)
        self.mutation = own.mutation
        self._conclusion.without(Problem(Reason.MUTATION))
        if self.is_async:
            return Later(partial(own.run, executor, execution))
        return own.run_sync(executor, execution)

    def end_mutation(self) -> None:
        """Note that the invalidations of a mutation are done."""
        if self._mutating is not None:
            self._mutating.end()

    # -- Reporting what happened --------------------------------------------------------------------------

    def end(self, seconds: float) -> None:
        """Report how long the execution took, and whether a fault of this package interrupted it.

        Args:
            seconds: How long it took, including the calls of the cache.
        """
        count = self._conclusion.count
        if not (count.is_counted or self.counts_events) and self.guard.is_faulted:
            self._conclusion.interrupted(self.guard)
        count.took(seconds)

    def as_extension(self) -> dict[str, object] | None:
        """Return what the cache did, for ``extensions``; None unless ``debug`` is on."""
        if self._request is None or not self._request.is_debugged():
            return None
        schema = self._considering.setting.schema
        advise = partial(advice_on_field, schema=schema, counters=self._request.counters)
        return self._report.as_extension(schema, advise)


_ABSENT: Final = "The answer is not stored, and the request asks for a stored answer only."
