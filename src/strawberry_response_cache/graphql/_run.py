"""One operation's way through the cache: decide, look up, execute, say what happened."""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)
from graphql.execution import Executor
from strawberry.types import ExecutionContext

from strawberry_response_cache.core._flights import note_unfit_part
from strawberry_response_cache.core._observer import Concluded
from strawberry_response_cache.graphql._context import Options, RequestContext
from strawberry_response_cache.graphql._documents import Preparation
from strawberry_response_cache.graphql._faces import is_synchronous
from strawberry_response_cache.graphql._faults import fault
from strawberry_response_cache.graphql._field_execution import install
from strawberry_response_cache.graphql._fields import Fields
from strawberry_response_cache.graphql._foreign import problem_of_executor, problem_of_hooks
from strawberry_response_cache.graphql._key import UnkeyableError, operation_key, sent_variables
from strawberry_response_cache.graphql._mutation import Mutation
from strawberry_response_cache.graphql._outcome import FieldOutcomes, Outcome
from strawberry_response_cache.graphql._passage import Admitted, pass_through, pass_through_sync
from strawberry_response_cache.graphql._plan import Plans, Variant
from strawberry_response_cache.graphql._reasons import Problem, Reason
from strawberry_response_cache.graphql._recorder import Recorder

logger = logging.getLogger("strawberry_response_cache")


class Run:
    """The run of one operation; it hangs on its executor and dies with it.

    Args:
        options: The extension's configuration.
        plans: The plans of the schema.
        preparation: The document's way to this run.
        context: Strawberry's execution context.
    """

    def __init__(
        self, options: Options, plans: Plans, preparation: Preparation, context: ExecutionContext
    ) -> None:
        self._options = options
        self._plans = plans
        self._preparation = preparation
        self._context = context
        self._request: RequestContext  # made in `answer`, of the context that the resolvers see
        self.outcome: Outcome | None = None
        self._fields: FieldOutcomes | None = None
        self.is_async = False
        self._mutation: Mutation | None = None

    def belongs_to(self, schema: GraphQLSchema, document: DocumentNode) -> bool:
        """Whether an executor that was built just now executes this run's document."""
        own = self._context
        return own.graphql_document is document and own.schema._schema is schema  # noqa: SLF001 - Strawberry's name for it

    def errors_now(self) -> list[GraphQLError]:
        """Return what is wrong with what is executed, where it is not what was judged."""
        return self._preparation.errors_now()

    def answer(self, executor: Executor[Any], execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - a result or an awaitable of one
        """Answer an operation from the cache or by executing it.

        Args:
            executor: The executor, built and not started.
            execute: Starts it; returns a result or an awaitable of one.
        """
        # The context that the resolvers see: a hook may have exchanged it since the run began.
        self._request = RequestContext(self._options, executor.context_value)
        if errors := self.errors_now():
            return ExecutionResult(None, errors)
        if executor.operation.operation is OperationType.MUTATION:
            return self._mutate(executor, execute)
        decision = self._decided(executor)
        if decision.fields is not None:
            install(decision.fields, executor)
            self._fields = decision.fields.outcomes
        if isinstance(decision.operation, Problem):
            return self._bypass(decision.operation, execute)
        if is_synchronous(executor):
            return self._answer_sync(decision.operation, executor, execute)
        return self._answer_async(decision.operation, executor, execute)

    def _answer_sync(
        self, admitted: Admitted, executor: Executor[Any], execute: Callable[[], Any]
    ) -> Any:  # noqa: ANN401 - a result or an awaitable of one
        policy = admitted.policy

        def watched(recorder: Recorder) -> Any:  # noqa: ANN401 - whatever an executor returns
            with recorder.recording(executor, policy.never_stored, policy.types):
                return execute()

        passed = pass_through_sync(admitted, self._request, watched)
        if isinstance(passed, Problem):
            return self._bypass(passed, execute)
        self._conclude(passed.outcome())
        return passed.result

    async def _answer_async(
        self, admitted: Admitted, executor: Executor[Any], execute: Callable[[], Any]
    ) -> Any:  # noqa: ANN401 - a result
        async def run() -> Any:  # noqa: ANN401 - whatever an executor returns
            result = execute()
            return await result if executor.is_awaitable(result) else result

        policy = admitted.policy

        async def watched(recorder: Recorder) -> Any:  # noqa: ANN401 - as above
            with recorder.recording(executor, policy.never_stored, policy.types):
                return await run()

        passed = await pass_through(admitted, self._request, watched)
        if isinstance(passed, Problem):
            return await self._bypass(passed, run)
        self._conclude(passed.outcome())
        return passed.result

    def _mutate(self, executor: Executor[Any], execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - as `answer`
        """Run a mutation; what it changed is purged when all of it is over, see `settle`."""
        self._spoil_wholes()
        self._conclude(Outcome("bypass", Reason.MUTATION, "Mutations always run."))
        if self._options.enabled is False:
            return execute()
        mutation = Mutation(self._request, self._options.purges, self._plans.setting)
        if is_synchronous(executor):
            self._mutation, self.is_async = mutation, False
            return mutation.run(executor, execute)
        self._mutation, self.is_async = mutation, True
        return mutation.run_async(executor, execute)

    async def settle(self) -> None:
        """Purge what a mutation changed; called after all that other extensions do about it."""
        if self._mutation is not None:
            await self._mutation.settle()

    def settle_sync(self) -> None:
        """Purge what a mutation changed; the twin of `settle`."""
        if self._mutation is not None:
            self._mutation.settle_sync()

    def settle_early(self) -> None:
        """Purge already, should another extension keep the answer, and with it `settle`, from coming."""
        if self._mutation is not None:
            self._mutation.purge_early(in_loop=self.is_async)

    def _spoil_wholes(self) -> None:
        """Keep what this operation is nested in from being stored: nobody knows for whom it is.

        Neither its scope nor its tags nor what its resolvers restrict was recorded.
        """
        note_unfit_part(self._options.cache._keyspace.keys(()))  # noqa: SLF001 - a client of the port

    def _bypass(self, problem: Problem, execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - as `answer`
        self._spoil_wholes()
        self._conclude(Outcome.of(problem))
        return execute()

    def for_people(self) -> dict[str, object] | None:
        """Return what the cache did, if the extension is debugged."""
        if self.outcome is None or not self._request.is_debugged():
            return None
        said = self.outcome.for_people()
        if self._fields is not None and (fields := self._fields.for_people()):
            said["fields"] = fields
        return said

    # -- Deciding ------------------------------------------------------------------------------------

    def _decided(self, executor: Executor[Any]) -> "_Decision":
        try:
            return self._decide(executor)
        except Exception as error:  # noqa: BLE001 - a fault of the cache is never the request's
            return _Decision(fault(error))

    def _decide(self, executor: Executor[Any]) -> "_Decision":
        """Decide whether an operation goes through the cache, under which key, and which of its fields."""
        operation = executor.operation
        problem = self._foreign(executor) or self._unkeyed(executor)
        if problem is not None:
            return _Decision(problem)
        document = cast("DocumentNode", self._context.graphql_document)
        plan = self._plans.plan(document, operation, executor.fragment_definitions)
        variant = plan.variant(executor.variable_values.coerced)
        policy = variant.policy
        if policy.problem is not None and not variant.watches_fields:
            return _Decision(policy.problem)
        try:
            variables = sent_variables(plan.declared, executor.variable_values.sources)
        except UnkeyableError:
            unkeyable = Problem(Reason.VARIABLES, None, "Send variables that are plain JSON.")
            return _Decision(policy.problem or unkeyable)
        admitted = policy.problem or self._admit(variant, variables, operation)
        if isinstance(admitted, Problem) and admitted.reason is Reason.CONTEXT_FAILED:
            return _Decision(admitted)
        if not variant.watches_fields:
            return _Decision(admitted)
        around = None if isinstance(admitted, Problem) else policy.life
        sent = dict(zip((name for name, _ in plan.declared), variables, strict=True))
        fields = Fields(
            plan,
            variant,
            request=self._request,
            sent=sent,
            around=around,
            schema=self._context.schema,
        )
        return _Decision(admitted, fields)

    def _admit(
        self, variant: Variant, variables: list[list[Any]], operation: OperationDefinitionNode
    ) -> Admitted | Problem:
        """Return an operation's way through the cache, or why it has none for this request."""
        who = self._request.identify(variant.policy)
        if isinstance(who, Problem):
            return who

        def parts(session: str | None) -> list[str]:
            return operation_key(
                variant.stem, variables=variables, session=session, varied=who.varied
            )

        return Admitted(
            who.cache,
            who.cache._keyspace.keys(parts(who.session)),  # noqa: SLF001 - a client of the port
            variant.policy,
            parts,
            who.session,
            self._request.subject("operation", operation, who.visibility),
        )

    def _foreign(self, executor: Executor[Any]) -> Problem | None:
        """Return a problem if the operation is no query, or code beside ours may decide per request."""
        if executor.operation.operation is not OperationType.QUERY:
            return Problem(Reason.SUBSCRIPTION, None, "Subscriptions always run.")
        if (off := self._request.switched_off()) is not None:
            return off
        trusted = self._options.trusted
        manager = executor.middleware_manager
        return problem_of_executor(type(executor), trusted) or problem_of_hooks(
            manager.middlewares if manager is not None else (), trusted
        )

    def _unkeyed(self, executor: Executor[Any]) -> Problem | None:
        """Return a problem if something that no key holds reaches the resolvers."""
        if executor.root_value is not None and not self._options.shares_root_value:
            return Problem(
                Reason.ROOT_VALUE,
                None,
                "Execute without a root_value, or say root_value='shared' to the extension if it is "
                "the same for every request.",
            )
        if set(getattr(executor, "operation_extensions", None) or ()) - {"persistedQuery"}:
            return Problem(
                Reason.REQUEST_EXTENSIONS, None, "Send no 'extensions' beside persistedQuery."
            )
        return None

    # -- Saying what happened --------------------------------------------------------------------------

    def _conclude(self, outcome: Outcome) -> None:
        self.outcome = outcome
        if outcome.reason is not None:
            logger.debug(
                "An operation was answered without the cache.",
                extra={"response_cache.reason": outcome.reason.value},
            )
        self._request.observer.concluded(Concluded(outcome.status, outcome.reason))


class _Decision(NamedTuple):
    """What goes through the cache: the operation, or why not, and fields of it by themselves."""

    operation: Admitted | Problem
    fields: Fields | None = None
