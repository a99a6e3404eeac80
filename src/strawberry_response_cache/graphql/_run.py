"""One operation's way through the cache: decide, look up, execute, say what happened."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from graphql import DocumentNode, ExecutionResult, GraphQLSchema, OperationType
from graphql.execution import Executor
from graphql.execution.incremental import IncrementalExecutor
from strawberry.extensions.directives import DirectivesExtension, DirectivesExtensionSync
from strawberry.extensions.tracing import OpenTelemetryExtension, OpenTelemetryExtensionSync
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext

from strawberry_response_cache.core import CachedResponse, CacheStatus, ResponseCache
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._observer import Concluded, Subject
from strawberry_response_cache.graphql._context import Options, RequestContext
from strawberry_response_cache.graphql._key import UnkeyableError, operation_key, sent_variables
from strawberry_response_cache.graphql._plan import Plans
from strawberry_response_cache.graphql._policy import Policy, Problem
from strawberry_response_cache.graphql._reasons import Reason
from strawberry_response_cache.graphql._recipe import OperationRecipe

logger = logging.getLogger("strawberry_response_cache")

_PLAIN_EXECUTORS: Final = frozenset(
    {Executor, IncrementalExecutor, StrawberryGraphQLCoreExecutionContext}
)
# Their `resolve` hooks hand on what the resolver returned. The directives extension acts only on
# directives, and an operation that uses any beside @skip and @include is not cached.
_HARMLESS_HOOKS: Final = frozenset(
    {
        DirectivesExtension,
        DirectivesExtensionSync,
        OpenTelemetryExtension,
        OpenTelemetryExtensionSync,
    }
)


class _AsyncProbe:
    """Asks an executor whether it would take an async iterable; a synchronous one would not."""

    def __aiter__(self) -> "_AsyncProbe":
        return self


_PROBE: Final = _AsyncProbe()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the cache did for one operation, for ``extensions.responseCache``."""

    status: str
    reason: Reason | None = None
    advice: str = ""
    age: float | None = None
    ttl: float | None = None
    scope: str | None = None
    limited_by: str | None = None

    def for_people(self) -> dict[str, object]:
        """Return it as it stands in a response; ages and ttls in whole seconds."""
        shown = {
            "status": self.status,
            "age": None if self.age is None else int(self.age),
            "ttl": None if self.ttl is None else int(self.ttl),
            "scope": self.scope,
            "reason": None if self.reason is None else self.reason.value,
            "advice": self.advice or None,
            "limitedBy": self.limited_by,
        }
        return {name: value for name, value in shown.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Admitted:
    """An operation that goes through the cache."""

    cache: ResponseCache
    keys: EntryKeys
    policy: Policy
    subject: Subject


class Run:
    """The run of one operation; it hangs on its executor and dies with it.

    Args:
        options: The extension's configuration.
        plans: The plans of the schema.
        context: Strawberry's execution context.
    """

    def __init__(self, options: Options, plans: Plans, context: ExecutionContext) -> None:
        self._options = options
        self._plans = plans
        self._context = context
        self._request: RequestContext  # made in `answer`, of the context that the resolvers see
        self.outcome: Outcome | None = None

    def belongs_to(self, schema: GraphQLSchema, document: DocumentNode) -> bool:
        """Whether an executor that was built just now executes this run's document."""
        own = self._context
        return own.graphql_document is document and own.schema._schema is schema  # noqa: SLF001 - Strawberry's name for it

    def answer(self, executor: Executor[Any], execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - a result or an awaitable of one
        """Answer an operation from the cache or by executing it.

        Args:
            executor: The executor, built and not started.
            execute: Starts it; returns a result or an awaitable of one.
        """
        # The context that the resolvers see: a hook may have exchanged it since the run began.
        self._request = RequestContext(self._options, executor.context_value)
        admitted = self._admitted(executor)
        if isinstance(admitted, Problem):
            self._conclude(Outcome("bypass", admitted.reason, admitted.advice))
            return execute()
        max_bytes = admitted.cache._engine.settings.max_entry_bytes  # noqa: SLF001 - a client of the port
        recipe = OperationRecipe(admitted.policy, max_bytes)
        if _is_synchronous(executor):
            response = admitted.cache._run_sync(  # noqa: SLF001 - a client of the port
                admitted.keys, recipe, execute, admitted.subject
            )
            return self._finish(admitted.policy, recipe, response)
        return self._answer_async(admitted, recipe, executor, execute)

    async def _answer_async(
        self,
        admitted: Admitted,
        recipe: OperationRecipe,
        executor: Executor[Any],
        execute: Callable[[], Any],
    ) -> Any:  # noqa: ANN401 - a result
        async def generate() -> ExecutionResult:
            result = execute()
            if executor.is_awaitable(result):
                result = await cast("Awaitable[ExecutionResult]", result)
            return cast("ExecutionResult", result)

        response = await admitted.cache._run(  # noqa: SLF001 - a client of the port
            admitted.keys, recipe, generate, admitted.subject
        )
        return self._finish(admitted.policy, recipe, response)

    def for_people(self) -> dict[str, object] | None:
        """Return what the cache did, if the extension is debugged."""
        if self.outcome is None or not self._request.is_debugged():
            return None
        return self.outcome.for_people()

    # -- Deciding ------------------------------------------------------------------------------------

    def _admitted(self, executor: Executor[Any]) -> Admitted | Problem:
        try:
            return self._admit(executor)
        except Exception as error:  # noqa: BLE001 - a fault of the cache is never the request's
            where = traceback.extract_tb(error.__traceback__)[-1]
            logger.error(  # noqa: TRY400 - the error's text can hold what the request brought
                "Deciding about an operation failed (%s in %s, line %s); not cached.",
                type(error).__qualname__,
                where.name,
                where.lineno,
                extra={"error.type": type(error).__qualname__},
            )
            return Problem(Reason.CACHE_FAULT, None, "A fault of the cache; please report the log.")

    def _admit(self, executor: Executor[Any]) -> Admitted | Problem:
        """Decide whether an operation goes through the cache, and under which key."""
        operation = executor.operation
        problem = self._foreign(executor) or self._unkeyed(executor)
        if problem is not None:
            return problem
        document = cast("DocumentNode", self._context.graphql_document)
        plan = self._plans.plan(document, operation, executor.fragment_definitions)
        policy = plan.policy(executor.variable_values.coerced)
        if policy.problem is not None:
            return policy.problem
        try:
            variables = sent_variables(operation, executor.variable_values.sources)
        except UnkeyableError:
            return Problem(Reason.VARIABLES, None, "Send variables that are plain JSON.")
        who = self._request.identify(policy)
        if isinstance(who, Problem):
            return who
        parts = operation_key(
            plan,
            policy,
            schema_name=self._request.schema_name,
            variables=variables,
            session=who.session,
            varied=who.varied,
        )
        return Admitted(
            who.cache,
            who.cache._keyspace.keys(parts),  # noqa: SLF001 - a client of the port
            policy,
            Subject(
                self._request.cache_name,
                "operation",
                "public" if policy.private_by is None else "private",
                operation.operation.value,
                operation.name.value if operation.name else None,
            ),
        )

    def _foreign(self, executor: Executor[Any]) -> Problem | None:
        """Return a problem if the operation is no query, or code beside ours may decide per request."""
        if executor.operation.operation is OperationType.MUTATION:
            return Problem(Reason.MUTATION, None, "Mutations always run.")
        if executor.operation.operation is not OperationType.QUERY:
            return Problem(Reason.SUBSCRIPTION, None, "Subscriptions always run.")
        if (off := self._request.switched_off()) is not None:
            return off
        base = next(c for c in type(executor).__mro__ if "caches" not in vars(c))
        if base not in _PLAIN_EXECUTORS:
            return Problem(
                Reason.CUSTOM_CODE,
                None,
                f"The executor {base.__qualname__} may decide per request.",
            )
        manager = executor.middleware_manager
        for hook in manager.middlewares if manager is not None else ():
            if type(hook) not in _HARMLESS_HOOKS:
                name = getattr(type(hook), "__qualname__", "a middleware")
                return Problem(
                    Reason.CUSTOM_CODE, None, f"The resolve hook of {name} may decide per request."
                )
        return None

    @staticmethod
    def _unkeyed(executor: Executor[Any]) -> Problem | None:
        """Return a problem if something that no key holds reaches the resolvers."""
        if executor.root_value is not None:
            return Problem(Reason.ROOT_VALUE, None, "Execute without a root_value.")
        if set(getattr(executor, "operation_extensions", None) or ()) - {"persistedQuery"}:
            return Problem(
                Reason.REQUEST_EXTENSIONS, None, "Send no 'extensions' beside persistedQuery."
            )
        return None

    # -- Saying what happened --------------------------------------------------------------------------

    def _finish(
        self, policy: Policy, recipe: OperationRecipe, response: CachedResponse[ExecutionResult]
    ) -> ExecutionResult:
        scope = "PUBLIC" if policy.private_by is None else "PRIVATE"
        match response.status:
            case CacheStatus.HIT:
                status = "stale" if response.detail == "stale" else "hit"
                outcome = Outcome(
                    status,
                    age=response.age,
                    ttl=response.ttl,
                    scope=scope,
                    limited_by=policy.limited_by,
                )
            case CacheStatus.MISS:
                outcome = Outcome(
                    "miss",
                    age=0,
                    ttl=policy.ttl,
                    scope=scope,
                    limited_by=policy.limited_by,
                )
            case _:
                reason = recipe.refusal or Reason.of(response.detail)
                outcome = Outcome("bypass", reason, reason.advice)
        self._conclude(outcome)
        return response.value

    def _conclude(self, outcome: Outcome) -> None:
        self.outcome = outcome
        if outcome.reason is not None:
            logger.debug(
                "An operation was answered without the cache.",
                extra={"response_cache.reason": outcome.reason.value},
            )
        self._request.observer.concluded(Concluded(outcome.status, outcome.reason))  # type: ignore[arg-type] # the four words


def _is_synchronous(executor: Executor[Any]) -> bool:
    """Whether an execution must end without awaiting.

    Strawberry's and graphql-core's synchronous executions build their executor with a predicate
    that takes nothing for an async iterable.
    """
    if not executor.is_async_iterable(_PROBE):
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False
